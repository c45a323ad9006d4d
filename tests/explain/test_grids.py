from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain.grids import WHOLE, interpolation, place_values, spread_mass, to_source
from mmxai_core.preprocess import CanvasGeometry

BOXES = [WHOLE, (0.5, 0.5, 0.25), (0.13, 0.85, 0.2), (0.611, 0.402, 0.317)]


@pytest.mark.parametrize("box", BOXES)
def test_mass_is_kept_and_lies_in_the_box(box: tuple[float, float, float]) -> None:
    maps = np.random.default_rng(0).random((3, 14, 14)).astype(np.float32)
    spread = spread_mass(maps, box, 56)
    assert np.allclose(spread.sum((1, 2)), maps.sum((1, 2)), rtol=1e-5)
    centres = (np.arange(56) + 0.5) / 56
    assert (spread[0].sum(0) @ centres) / spread[0].sum() == pytest.approx(
        box[0] - box[2] / 2 + box[2] * (maps[0].sum(0) @ ((np.arange(14) + 0.5) / 14)) / maps[0].sum(), abs=1e-3
    )
    outside = np.abs(centres - box[0]) > box[2] / 2 + 1 / 56
    assert np.all(spread[:, :, outside] == 0)


@pytest.mark.parametrize("box", BOXES)
def test_values_are_kept_and_outside_the_box_there_is_nothing(box: tuple[float, float, float]) -> None:
    flat = place_values(np.full((7, 7), 2.5, np.float32), box, 56)
    centres = (np.arange(56) + 0.5) / 56
    inside = [np.abs(centres - c) <= box[2] / 2 for c in (box[1], box[0])]
    expected = np.where(inside[0][:, None] & inside[1][None], 2.5, 0)
    assert np.allclose(flat, expected)
    ramp = place_values(np.tile((np.arange(14) + 0.5) / 14, (14, 1)).astype(np.float32), box, 56)
    local = (centres - (box[0] - box[2] / 2)) / box[2]
    middle = (local > 1 / 28) & (local < 27 / 28)
    row = int(box[1] * 56)
    assert np.allclose(ramp[row, middle], local[middle], atol=1e-6)


@pytest.mark.parametrize("shape", [(90, 120), (300, 77), (448, 448)])
def test_a_stack_goes_to_the_source_as_one_map_does(shape: tuple[int, int]) -> None:
    geometry = CanvasGeometry.letterbox(shape, 448)
    maps = np.random.default_rng(1).random((2, 3, 56, 56)).astype(np.float32)
    stack = to_source(maps, geometry)
    assert stack.shape == (2, 3, *shape)
    assert stack.dtype == np.float32
    assert np.allclose(stack[1, 2], geometry.to_source(maps[1, 2]), atol=1e-4)


def test_one_cell_is_constant() -> None:
    assert np.array_equal(interpolation(np.array([-3.0, 0.2, 9.0]), 1), np.ones((3, 1)))
