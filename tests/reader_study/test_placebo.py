from __future__ import annotations

import numpy as np

from mmxai_core.reader_study.placebo import placebo_map


def real() -> np.ndarray:
    y, x = np.mgrid[:60, :80]
    return np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 120).astype(np.float32)


def test_a_placebo_has_the_real_maps_values_at_other_places() -> None:
    made = placebo_map(real(), seed=3, case="C1")
    assert np.array_equal(np.sort(made, axis=None), np.sort(real(), axis=None))
    peaks = [np.unravel_index(m.argmax(), m.shape) for m in (made, real())]
    assert np.hypot(*(np.subtract(*peaks))) > 10
    assert abs(np.corrcoef(made.ravel(), real().ravel())[0, 1]) < 0.5


def test_a_placebo_is_smooth_like_a_map() -> None:
    def roughness(m: np.ndarray) -> float:
        return float(np.abs(np.diff(m, axis=0)).mean() / m.std())

    assert roughness(placebo_map(real(), seed=3, case="C1")) < 3 * roughness(real())


def test_a_placebo_is_the_same_after_a_reload_and_another_for_another_case() -> None:
    first = placebo_map(real(), seed=3, case="C1")
    assert np.array_equal(first, placebo_map(real(), seed=3, case="C1"))
    assert not np.array_equal(first, placebo_map(real(), seed=3, case="C2"))
    assert not np.array_equal(first, placebo_map(real(), seed=4, case="C1"))
