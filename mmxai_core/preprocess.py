"""Study + record -> model input, with a geometry that takes every map back to the source's pixels.

The model sees one square *canvas* (448 x 448 by default): the image letterboxed, never cropped, then standardised by
its own content (mean 0, SD 1), padding 0. Both glances of the network are cut from this canvas, so that each map is an
affine function away from the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, EncodedRecord
from mmxai_core.errors import StudyReadError
from mmxai_core.study import StudyImage
from mmxai_core.types import Box, FloatMap, GreyImage

MIN_SIDE = 32


@dataclass(frozen=True)
class CanvasGeometry:
    """The affine map between source pixels and canvas pixels: canvas = source * scale + offset, in pixel edges.

    Attributes:
        source_shape: (H, W) of the source image.
        canvas: Side of the canvas, pixels.
        content: (rows, cols) the letterboxed image takes up on the canvas.
        offset: (y, x) of its top-left corner.
    """

    source_shape: tuple[int, int]
    canvas: int
    content: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def letterbox(cls, shape: tuple[int, int], canvas: int) -> CanvasGeometry:
        """The largest centred placement of `shape` that keeps its aspect."""
        scale = canvas / max(shape)
        content = (max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale)))
        return cls(shape, canvas, content, ((canvas - content[0]) // 2, (canvas - content[1]) // 2))

    @property
    def scale(self) -> tuple[float, float]:
        """(y, x) canvas pixels per source pixel."""
        return self.content[0] / self.source_shape[0], self.content[1] / self.source_shape[1]

    def to_canvas(self, image: FloatMap) -> FloatMap:
        """(H, W) source -> (canvas, canvas) float32; antialiased bilinear; padding 0.

        Raises:
            StudyReadError: The image is not of the geometry's shape.
        """
        if image.shape != self.source_shape:
            raise StudyReadError(f"Expected an image of {self.source_shape} pixels; got {image.shape}.")
        x = torch.from_numpy(np.array(image, np.float32))[None, None]
        y = F.interpolate(x, size=self.content, mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy()
        out = np.zeros((self.canvas, self.canvas), np.float32)
        oy, ox = self.offset
        out[oy : oy + self.content[0], ox : ox + self.content[1]] = y
        return out

    def to_source(self, canvas_map: FloatMap) -> FloatMap:
        """(h, w) map that covers the whole canvas, at any resolution -> (H, W) float32 on the source's pixels.

        Bilinear in the map's values; no normalisation.
        """
        rows = (np.arange(self.source_shape[0]) + 0.5) * self.scale[0] + self.offset[0]
        cols = (np.arange(self.source_shape[1]) + 0.5) * self.scale[1] + self.offset[1]
        gy = torch.from_numpy((2 * rows / self.canvas - 1).astype(np.float32))
        gx = torch.from_numpy((2 * cols / self.canvas - 1).astype(np.float32))
        grid = torch.stack([gx[None, :].expand(len(gy), -1), gy[:, None].expand(-1, len(gx))], dim=-1)[None]
        x = torch.from_numpy(np.array(canvas_map, np.float32))[None, None]
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0].numpy()

    def box_to_source(self, box: Box) -> Box:
        """A box in canvas pixels -> the same box in source pixels, clipped to the image."""
        (sy, sx), (oy, ox), (h, w) = self.scale, self.offset, self.source_shape
        x0, y0, x1, y1 = box
        return (
            float(np.clip((x0 - ox) / sx, 0, w)), float(np.clip((y0 - oy) / sy, 0, h)),
            float(np.clip((x1 - ox) / sx, 0, w)), float(np.clip((y1 - oy) / sy, 0, h)),
        )  # fmt: skip

    def box_to_canvas(self, box: Box) -> Box:
        """A box in source pixels -> the same box in canvas pixels."""
        (sy, sx), (oy, ox) = self.scale, self.offset
        x0, y0, x1, y1 = box
        return x0 * sx + ox, y0 * sy + oy, x1 * sx + ox, y1 * sy + oy

    def content_mask(self) -> FloatMap:
        """(canvas, canvas) float32: 1 where the image lies, 0 on padding."""
        out = np.zeros((self.canvas, self.canvas), np.float32)
        oy, ox = self.offset
        out[oy : oy + self.content[0], ox : ox + self.content[1]] = 1.0
        return out


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What the network takes for one image and one record.

    Attributes:
        canvas: (1, S, S) float32, standardised; padding 0. None where the study has no image.
        geometry: How the canvas lies on the source; None with no image.
        clinical: The encoded record.
        record: The record itself.
        roi: Canvas box the reader drew, or None: the model finds the lesion itself.
    """

    canvas: FloatMap | None
    geometry: CanvasGeometry | None
    clinical: EncodedRecord
    record: ClinicalRecord
    roi: Box | None = None


def standardise(canvas: FloatMap, content: FloatMap) -> FloatMap:
    """Subtract the mean and divide by the SD of the content pixels; padding becomes 0. A flat image gives zeros."""
    inside = content > 0
    values = canvas[inside]
    centred = (canvas - values.mean()) / max(float(values.std()), 1e-3)
    return np.where(inside, centred, 0.0).astype(np.float32)


def prepare_image(grey: GreyImage, *, canvas: int) -> tuple[FloatMap, CanvasGeometry]:
    """(H, W) display grey in [0, 1] -> ((S, S) standardised canvas, geometry).

    Raises:
        StudyReadError: A side is below 32 pixels: too small to read.
    """
    if min(grey.shape) < MIN_SIDE:
        raise StudyReadError(
            f"An image needs at least {MIN_SIDE} pixels a side; this one is {grey.shape[1]} x {grey.shape[0]}."
        )
    geometry = CanvasGeometry.letterbox((grey.shape[0], grey.shape[1]), canvas)
    return standardise(geometry.to_canvas(grey), geometry.content_mask()), geometry


def prepare(
    image: StudyImage | None, record: ClinicalRecord, *, schema: ClinicalSchema, canvas: int, roi: Box | None = None
) -> ModelInput:
    """One image (or none) and one record -> the network's input.

    Args:
        image: The image, or None for clinical data only.
        record: A record of `schema`.
        schema: The bundle's schema.
        canvas: Canvas side in pixels, from the bundle.
        roi: Box in source pixels that the reader drew, or None.

    Raises:
        StudyReadError: The image is too small, or the region lies outside it.
    """
    encoded = schema.encode(record)
    if image is None:
        return ModelInput(None, None, encoded, record)
    pixels, geometry = prepare_image(image.grey, canvas=canvas)
    box = None
    if roi is not None:
        h, w = geometry.source_shape
        x0, y0, x1, y1 = max(roi[0], 0), max(roi[1], 0), min(roi[2], w), min(roi[3], h)
        if not (x1 - x0 >= 4 and y1 - y0 >= 4):  # also refuses NaN
            raise StudyReadError(f"A region must cover at least 4 x 4 pixels of the {w} x {h} image; got {tuple(roi)}.")
        box = geometry.box_to_canvas((x0, y0, x1, y1))
    return ModelInput(pixels[None], geometry, encoded, record, box)
