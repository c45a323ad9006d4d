from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain.regions import GRID, case_regions, grid_partition, lesion_partition, regions_of, token_centres
from mmxai_core.preprocess import CanvasGeometry

GEOMETRY = CanvasGeometry.letterbox((60, 120), 128)


def disc(radius: float, at: tuple[float, float] = (16, 20)) -> np.ndarray:
    y, x = np.mgrid[:32, :32]
    return (0.9 * ((y - at[0]) ** 2 + (x - at[1]) ** 2 < radius**2) + 0.01).astype(np.float32)


def test_tokens_of_both_glances_lie_where_their_cells_lie() -> None:
    centres = token_centres((0.6, 0.4, 0.2), 4)
    assert centres.shape == (32, 2)
    assert centres[0].tolist() == [0.125, 0.125]
    assert centres[1].tolist() == [0.375, 0.125]
    assert centres[16] == pytest.approx([0.525, 0.325])
    assert centres[31] == pytest.approx([0.675, 0.475])


def test_the_ring_lies_around_the_lesion() -> None:
    labels = lesion_partition(disc(8))
    assert labels[16, 20] == 0
    assert labels[16, 29] == 1  # a quarter of the diameter of 16 beyond the edge
    assert labels[16, 2] == 2
    small = lesion_partition(disc(1.5))
    assert (small == 1).sum() > (small == 0).sum()
    assert set(np.unique(lesion_partition(np.zeros((32, 32), np.float32)))) == {2}


def test_every_token_has_one_region_and_empty_regions_are_no_players() -> None:
    centres = token_centres((0.6, 0.5, 0.3), 8)
    regions = regions_of(lesion_partition(disc(5)), ("lesion", "ring", "rest"), centres)
    assert regions.names == ("lesion", "ring", "rest")
    assert (regions.tokens.sum(0) == 1).all()
    assert regions.tokens[0, 64:].sum() > regions.tokens[0, :64].sum()  # the second glance is finer there
    far = token_centres((0.1, 0.1, 0.1), 2)
    alone = regions_of(lesion_partition(disc(1)), ("lesion", "ring", "rest"), far)
    assert alone.names == ("rest",)
    assert set(np.unique(alone.labels)) == {-1, 0}


def test_the_grid_lies_over_the_content_not_the_padding() -> None:
    labels = grid_partition(GEOMETRY, 32)  # content fills rows 8 to 24
    assert labels[9, 1] == 0
    assert labels[16, 16] == 4
    assert labels[22, 30] == 8
    assert labels[0, 0] == 0  # padding goes to the nearest block
    counts = np.bincount(labels[8:24].ravel())
    assert counts.max() / counts.min() < 1.6


@pytest.mark.parametrize(
    ("partition", "names"), [("grid", GRID), ("lesion", ("image_lesion", "image_ring", "image_rest"))]
)
def test_both_partitions_of_a_case(partition: str, names: tuple[str, ...]) -> None:
    regions = case_regions(partition, probability=disc(6), geometry=GEOMETRY, box=(0.6, 0.5, 0.4), grid=8)  # type: ignore[arg-type]
    assert regions.names == names
