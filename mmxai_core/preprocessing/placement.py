"""How a prepared picture lies on its source: mirrored, cut or padded, resampled. Masks and boxes go the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from mmxai_core.types import Box, FloatMap, Mask

#: (y0, x0, y1, x1), pixels, y1 and x1 exclusive; may reach over the picture's edge.
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placement:
    """Mirror first, then cut or pad, then resample.

    Attributes:
        source: (H, W) of the source, pixels.
        window: Part of the (mirrored) source that is kept.
        shape: (h, w) of the prepared picture, pixels.
        mirrored: Left and right are exchanged.
    """

    source: tuple[int, int]
    window: Window
    shape: tuple[int, int]
    mirrored: bool = False

    @classmethod
    def whole(cls, source: tuple[int, int], *, mirrored: bool = False) -> Placement:
        """All of the source at its own size."""
        return cls(source, (0, 0, *source), source, mirrored)

    def cut(self, window: Window) -> Placement:
        """The same with another window, at the source's own scale."""
        return replace(self, window=window, shape=(window[2] - window[0], window[3] - window[1]))

    def square_pixels(self, spacing_mm: tuple[float, float] | None, wanted_mm: float) -> Placement:
        """The same with square pixels.

        Args:
            spacing_mm: (row, column) spacing of the source, or None: nothing can be done.
            wanted_mm: Spacing of the result; 0: the finer of the two.
        """
        if spacing_mm is None:
            return self
        target = wanted_mm or min(spacing_mm)
        rows, cols = self.window[2] - self.window[0], self.window[3] - self.window[1]
        return replace(
            self,
            shape=(max(1, round(rows * spacing_mm[0] / target)), max(1, round(cols * spacing_mm[1] / target))),
        )

    def move(self, plane: FloatMap, *, fill: float = 0.0) -> FloatMap:
        """(H, W) float32 of the source -> (h, w) float32; bilinear, smoothed first where it shrinks.

        Args:
            plane: Values.
            fill: Of padding.
        """
        cut = self._cut(plane, fill)
        if cut.shape == self.shape:
            return cut.astype(np.float32)
        small = any(new < old for new, old in zip(self.shape, cut.shape, strict=True))
        moved: FloatMap = resize(
            cut.astype(np.float32), self.shape, order=1, mode="edge", anti_aliasing=small, preserve_range=True
        ).astype(np.float32)
        return moved

    def move_mask(self, mask: Mask) -> Mask:
        """(H, W) bool of the source -> (h, w) bool."""
        if (self.window[2] - self.window[0], self.window[3] - self.window[1]) == self.shape:
            return self._cut(mask, False).astype(bool)
        moved: Mask = self.move(mask.astype(np.float32)) > 0.5
        return moved

    def move_box(self, box: Box) -> Box:
        """A box of the source -> the same box of the prepared picture; it may lie in part, or all, outside."""
        x0, y0, x1, y1 = box
        if self.mirrored:
            x0, x1 = self.source[1] - x1, self.source[1] - x0
        top, left, bottom, right = self.window
        sy, sx = self.shape[0] / (bottom - top), self.shape[1] / (right - left)
        return (x0 - left) * sx, (y0 - top) * sy, (x1 - left) * sx, (y1 - top) * sy

    def _cut(self, plane: NDArray[Any], fill: float) -> NDArray[Any]:
        flipped = plane[:, ::-1] if self.mirrored else plane
        y0, x0, y1, x1 = self.window
        h, w = self.source
        out = np.full((y1 - y0, x1 - x0), fill, plane.dtype)
        top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1, h), min(x1, w)
        out[top - y0 : bottom - y0, left - x0 : right - x0] = flipped[top:bottom, left:right]
        return out
