from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.evaluation.intruders import make_intruders
from mmxai_core.explain.image_statistics import STATISTICS, image_statistics
from tests.tiny_bundle import tiny_study


def test_every_number_is_finite_for_every_odd_image() -> None:
    for intruder in make_intruders():
        found = image_statistics(intruder.study().images[0].grey)
        assert found.shape == (len(STATISTICS),) and np.isfinite(found).all(), intruder.name
    assert np.isfinite(image_statistics(np.zeros((32, 400), np.float32))).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mean", lambda g: g * 0.5),
        ("brightness by depth", lambda g: g * np.linspace(1, 0.2, len(g))[:, None]),
        ("left-right symmetry", lambda g: g * np.linspace(1, 0.2, g.shape[1])),
        ("across lag 1", lambda g: np.roll(g, 1, 1) / 2 + g / 2),
        ("black share", lambda g: np.where(np.arange(g.shape[1]) < 30, 0, g)),
    ],
)
def test_a_number_moves_with_what_it_measures(name: str, change) -> None:  # type: ignore[no-untyped-def]
    grey = tiny_study(shape=(120, 160)).images[0].grey
    i = STATISTICS.index(name)
    before, after = image_statistics(grey)[i], image_statistics(change(grey).astype(np.float32))[i]
    assert abs(after - before) > 0.05


def test_a_mirrored_image_is_symmetric() -> None:
    half = np.random.default_rng(0).random((64, 48)).astype(np.float32)
    found = image_statistics(np.concatenate([half, half[:, ::-1]], 1))
    assert found[STATISTICS.index("left-right symmetry")] == pytest.approx(np.arctanh(0.99))
