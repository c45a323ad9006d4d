"""N4 on a phantom whose shading is known."""

from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.bias_field import fit_bias_field
from mmxai_core.preprocessing.foreground import head_or_breast


def _phantom(noise: float = 0.01) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(shaded signal, shading, head, uniform region): two tissues, shading from 0.6 to 1.4 across the head."""
    rows, cols = np.mgrid[:192, :192]
    head = (rows - 96) ** 2 + (cols - 96) ** 2 < 80**2
    core = (rows - 96) ** 2 + (cols - 96) ** 2 < 25**2
    shading = 1.0 + 0.4 * (cols - 96) / 80 * np.cos((rows - 96) / 120)
    clean = np.where(core, 160.0, np.where(head, 100.0, 0.0))
    shaded = np.abs(clean * shading + np.random.default_rng(0).normal(0, 100 * noise, clean.shape))
    inner = (rows - 96) ** 2 + (cols - 96) ** 2 < 72**2
    return shaded.astype(np.float32), shading, head, inner & ~core


def _spread(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def test_the_shading_goes_and_the_tissues_stay() -> None:
    shaded, shading, head, uniform = _phantom()
    found = fit_bias_field(shaded, head_or_breast(shaded), shrink=4, iterations=50)
    flat = shaded / found.field
    before, after = _spread(shaded[uniform]), _spread(flat[uniform])
    assert before > 0.15 and after < before / 10, (before, after)
    core = head & ~uniform & (shaded > 0)
    centre = core.copy()
    centre[:80], centre[112:], centre[:, :80], centre[:, 112:] = False, False, False, False
    assert flat[centre].mean() / flat[uniform].mean() == pytest.approx(1.6, rel=0.08)
    agree = np.corrcoef(found.field[head], shading[head])[0, 1]
    assert agree > 0.97 and found.field.shape == shaded.shape
    assert found.field[head_or_breast(shaded)].mean() == pytest.approx(1.0, abs=1e-4)


def test_a_picture_without_shading_keeps_its_contrast() -> None:
    rows, cols = np.mgrid[:128, :128]
    head = (rows - 64) ** 2 + (cols - 64) ** 2 < 55**2
    even = np.where(head, 100.0, 0.0) + np.random.default_rng(1).normal(0, 1, head.shape)
    found = fit_bias_field(np.abs(even).astype(np.float32), head, shrink=4, iterations=50)
    assert found.spread < 0.03


def test_it_repeats_itself_to_the_bit() -> None:
    shaded, _, head, _ = _phantom()
    one, two = (fit_bias_field(shaded, head, shrink=4, iterations=10).field for _ in range(2))
    assert np.array_equal(one, two)


def test_a_plane_without_signal_is_refused() -> None:
    with pytest.raises(CohortError, match="positive signal"):
        fit_bias_field(np.zeros((64, 64), np.float32), np.ones((64, 64), bool), shrink=2, iterations=5)
