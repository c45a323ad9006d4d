from __future__ import annotations

import math

import numpy as np
import pytest

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.errors import StudyReadError
from mmxai_core.preprocess import CanvasGeometry, prepare, prepare_image, standardise
from mmxai_core.study import PixelGeometry, StudyImage
from mmxai_core.types import Box, FloatMap

CANVAS = 448
SHAPES = [(480, 640), (640, 480), (300, 300), (33, 47), (1501, 900), (64, 1000)]
SCHEMA = ClinicalSchema((Field("palpable", "Palpable lump", "yes_no", "history"),))


def bump(shape: tuple[int, int], centre: tuple[float, float], sd: float) -> FloatMap:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows + 0.5 - centre[0]) ** 2 + (cols + 0.5 - centre[1]) ** 2) / (2 * sd**2)).astype(np.float32)


def centroid(values: FloatMap) -> tuple[float, float]:
    """(y, x) in pixel edges."""
    rows, cols = np.mgrid[: values.shape[0], : values.shape[1]]
    return float(((rows + 0.5) * values).sum() / values.sum()), float(((cols + 0.5) * values).sum() / values.sum())


def image(shape: tuple[int, int] = (120, 200), *, seed: int = 0) -> StudyImage:
    pixels = np.random.default_rng(seed).random(shape, np.float32)
    return StudyImage(pixels, PixelGeometry(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_map_drawn_on_the_source_comes_back_to_its_place(shape: tuple[int, int]) -> None:
    geometry = CanvasGeometry.letterbox(shape, CANVAS)
    sd = max(min(shape) / 8, 3.0 / geometry.scale[0])  # wide enough to be seen on the canvas
    drawn = bump(shape, (shape[0] * 0.45, shape[1] * 0.6), sd)
    back = geometry.to_source(geometry.to_canvas(drawn))
    pixel = max(1.0, 1 / geometry.scale[0], 1 / geometry.scale[1])
    assert back.shape == shape
    peak, expected = np.unravel_index(back.argmax(), shape), np.unravel_index(drawn.argmax(), shape)
    assert math.dist(peak, expected) <= 1.5 * pixel
    assert math.dist(centroid(back), centroid(drawn)) <= 0.5 * pixel
    assert np.abs(back - drawn).mean() < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_come_back_exactly(shape: tuple[int, int]) -> None:
    geometry = CanvasGeometry.letterbox(shape, CANVAS)
    box: Box = (shape[1] * 0.1, shape[0] * 0.2, shape[1] * 0.7, shape[0] * 0.9)
    assert geometry.box_to_source(geometry.box_to_canvas(box)) == pytest.approx(box, rel=1e-9)


def test_boxes_and_maps_agree_on_where_things_lie() -> None:
    geometry = CanvasGeometry.letterbox((480, 640), CANVAS)
    box: Box = (120, 80, 260, 200)
    mask = np.zeros((480, 640), np.float32)
    mask[80:200, 120:260] = 1
    x0, y0, x1, y1 = geometry.box_to_canvas(box)
    assert centroid(geometry.to_canvas(mask)) == pytest.approx(((y0 + y1) / 2, (x0 + x1) / 2), abs=0.1)


def test_a_box_on_padding_is_clipped_to_the_image() -> None:
    geometry = CanvasGeometry.letterbox((200, 400), CANVAS)
    assert geometry.box_to_source((0, 0, CANVAS, CANVAS)) == pytest.approx((0, 0, 400, 200))
    assert geometry.box_to_source((10, 0, 60, 50))[3] == 0.0


@pytest.mark.parametrize("cell", [(14, 14), (8, 20), (19, 3)])
def test_a_coarse_grid_peaks_at_the_cells_centre(cell: tuple[int, int]) -> None:
    shape, grid = (480, 640), 28
    geometry = CanvasGeometry.letterbox(shape, CANVAS)
    coarse = np.zeros((grid, grid), np.float32)
    coarse[cell] = 1.0
    centre = tuple(
        ((c + 0.5) * CANVAS / grid - o) / s for c, o, s in zip(cell, geometry.offset, geometry.scale, strict=True)
    )
    assert math.dist(centroid(geometry.to_source(coarse)), centre) < 0.5


def test_values_are_never_rescaled() -> None:
    geometry = CanvasGeometry.letterbox((100, 300), CANVAS)
    assert np.allclose(geometry.to_source(np.full((28, 28), 0.3, np.float32)), 0.3, atol=1e-6)
    back = geometry.to_source(np.random.default_rng(0).random((28, 28), np.float32))
    assert back.min() >= 0 and back.max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_letterbox_crops_nothing_and_keeps_the_aspect(shape: tuple[int, int]) -> None:
    geometry = CanvasGeometry.letterbox(shape, CANVAS)
    assert max(geometry.content) == CANVAS and all(o >= 0 for o in geometry.offset)
    assert geometry.scale[0] == pytest.approx(geometry.scale[1], rel=0.5 / min(geometry.content) + 1e-9)
    assert geometry.content_mask().sum() == geometry.content[0] * geometry.content[1]


def test_canvas_is_standardised_and_padding_is_zero() -> None:
    canvas, geometry = prepare_image(image().grey * np.float32(0.3) + np.float32(0.4), canvas=CANVAS)
    inside = geometry.content_mask() > 0
    assert canvas[inside].mean() == pytest.approx(0, abs=1e-4)
    assert canvas[inside].std() == pytest.approx(1, abs=1e-3)
    assert not canvas[~inside].any()


def test_gain_and_offset_of_the_machine_do_not_matter() -> None:
    grey = image().grey
    one, _ = prepare_image(grey, canvas=CANVAS)
    other, _ = prepare_image(grey * np.float32(0.5) + np.float32(0.2), canvas=CANVAS)
    assert np.allclose(one, other, atol=1e-3)


def test_a_flat_image_gives_zeros_not_noise() -> None:
    assert not standardise(np.full((8, 8), 0.5, np.float32), np.ones((8, 8), np.float32)).any()


def test_prepare_without_an_image() -> None:
    made = prepare(None, SCHEMA.record({"palpable": True}), schema=SCHEMA, canvas=CANVAS)
    assert made.canvas is None and made.geometry is None and made.roi is None
    assert made.clinical.values.tolist() == [1.0]


def test_a_drawn_region_is_clipped_to_the_image_and_moved_to_the_canvas() -> None:
    made = prepare(image(), SCHEMA.record({}), schema=SCHEMA, canvas=CANVAS, roi=(-20, 10, 60, 50))
    assert made.canvas is not None and made.canvas.shape == (1, CANVAS, CANVAS) and made.canvas.dtype == np.float32
    assert made.geometry is not None and made.roi is not None
    assert made.geometry.box_to_source(made.roi) == pytest.approx((0, 10, 60, 50))


@pytest.mark.parametrize("roi", [(0, 0, 3, 50), (60, 10, 20, 50), (500, 500, 600, 600), (math.nan, 0, 50, 50)])
def test_a_region_without_area_is_refused(roi: Box) -> None:
    with pytest.raises(StudyReadError, match="at least 4 x 4 pixels of the 200 x 120 image"):
        prepare(image(), SCHEMA.record({}), schema=SCHEMA, canvas=CANVAS, roi=roi)


def test_refusals_name_the_size_seen() -> None:
    with pytest.raises(StudyReadError, match="at least 32 pixels a side; this one is 90 x 20"):
        prepare_image(np.zeros((20, 90), np.float32), canvas=CANVAS)
    with pytest.raises(StudyReadError, match=r"\(100, 100\) pixels; got \(90, 100\)"):
        CanvasGeometry.letterbox((100, 100), CANVAS).to_canvas(np.zeros((90, 100), np.float32))
