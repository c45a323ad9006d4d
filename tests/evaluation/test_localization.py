from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.localization import localize
from mmxai_core.types import FloatMap, Mask


def square(y0: int, x0: int, side: int = 10) -> Mask:
    mask = np.zeros((40, 60), bool)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


def bump(y: float, x: float, sd: float = 4.0) -> FloatMap:
    rows, cols = np.mgrid[:40, :60]
    return np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / (2 * sd**2)).astype(np.float32)


def test_map_equal_to_its_mask_is_perfect() -> None:
    mask = square(5, 20)
    found = localize(mask.astype(np.float32), mask)
    assert found.hit and found.iou == 1.0 and found.energy == 1.0
    assert found.lesion_share == pytest.approx(100 / 2400)


def test_bump_beside_the_lesion_misses() -> None:
    found = localize(bump(30, 50), square(5, 5))
    assert not found.hit and found.iou == 0.0 and found.energy < 0.01


def test_bump_in_the_lesion_hits_and_half_overlap_scores_by_hand() -> None:
    assert localize(bump(10, 25), square(5, 20)).hit
    shifted = localize(square(5, 25).astype(np.float32), square(5, 20))
    assert shifted.iou == pytest.approx(50 / 150) and shifted.energy == pytest.approx(0.5)


def test_scores_do_not_depend_on_the_maps_scale() -> None:
    mask = square(5, 20)
    one, other = localize(bump(8, 24), mask), localize(bump(8, 24) * 1e-3, mask)
    assert (one.hit, one.iou) == (other.hit, other.iou)
    assert one.energy == pytest.approx(other.energy, rel=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.7, -1.0])
def test_a_flat_map_points_nowhere(level: float) -> None:
    found = localize(np.full((40, 60), level, np.float32), square(0, 0, 39))
    assert (found.hit, found.iou, found.energy) == (False, 0.0, 0.0)


def test_a_plateau_mostly_outside_the_lesion_is_no_hit() -> None:
    plateau = square(0, 0, 20).astype(np.float32)
    assert not localize(plateau, square(0, 0, 8)).hit
    assert localize(plateau, square(0, 0, 18)).hit


def test_refusals() -> None:
    with pytest.raises(CohortError, match="mask is empty"):
        localize(bump(1, 1), np.zeros((40, 60), bool))
    with pytest.raises(CohortError, match=r"\(40, 60\), the lesion mask \(4, 4\)"):
        localize(bump(1, 1), np.ones((4, 4), bool))
