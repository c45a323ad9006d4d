"""Small changes of an image that should not change its explanation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.preprocess import CanvasGeometry, standardise
from mmxai_core.types import FloatMap, GreyImage

#: SD of the added noise, part of the display range.
NOISE_SD = 0.02
#: Copies with noise, then copies with a shift.
NOISY, SHIFTED = 2, 2


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Perturbed copies of one image, ready for the network.

    Attributes:
        canvases: (C, 1, S, S) float32, standardised: `NOISY` copies, then `SHIFTED` ones.
        shifts: (C, 2) int, cells of the canvas grid each copy was moved down and to the right.
        cells: Rows and columns of the canvas grid.
    """

    canvases: NDArray[np.float32]
    shifts: NDArray[np.int64]
    cells: int

    def boxes(self, box: tuple[float, float, float]) -> NDArray[np.float32]:
        """(C, 3): a fixed second glance, moved with each copy and kept inside the canvas."""
        cx, cy, side = box
        moved = np.array([(cx + dx / self.cells, cy + dy / self.cells, side) for dy, dx in self.shifts], np.float32)
        moved[:, :2] = np.clip(moved[:, :2], side / 2, 1 - side / 2)
        return moved


def perturb(grey: GreyImage, geometry: CanvasGeometry, *, cells: int, rng: np.random.Generator) -> Perturbed:
    """Copies with 2 % Gaussian noise, and copies moved by one cell of the canvas grid (about 2 % of its side).

    Args:
        grey: (H, W) display grey in [0, 1].
        geometry: How it lies on the canvas.
        cells: Rows and columns of the canvas grid; a shift of a whole cell lets maps be compared without resampling.
        rng: Draws the noise and the directions.
    """
    canvas, content = geometry.to_canvas(grey), geometry.content_mask()
    pixels = round(geometry.canvas / cells)
    copies, shifts = [], []
    for _ in range(NOISY):
        noise = rng.normal(0, NOISE_SD, canvas.shape).astype(np.float32)
        copies.append(standardise(np.clip(canvas + noise, 0, 1) * content, content))
        shifts.append((0, 0))
    first = rng.choice([-1, 1], 2)
    for dy, dx in (first, -first):
        moved = [_move(a, int(dy) * pixels, int(dx) * pixels) for a in (canvas, content)]
        copies.append(standardise(*moved))
        shifts.append((int(dy), int(dx)))
    return Perturbed(np.stack(copies)[:, None], np.array(shifts), cells)


def overlap(
    original: FloatMap, copy: FloatMap, shift: tuple[int, int] | NDArray[np.int64]
) -> tuple[FloatMap, FloatMap]:
    """The parts of both maps that show the same place, given by how many cells `copy` was moved down and right."""
    (dy, dx), (h, w) = shift, original.shape
    rows, cols = slice(max(0, -dy), h - max(0, dy)), slice(max(0, -dx), w - max(0, dx))
    moved_rows, moved_cols = slice(max(0, dy), h - max(0, -dy)), slice(max(0, dx), w - max(0, -dx))
    return original[rows, cols], copy[moved_rows, moved_cols]


def _move(image: FloatMap, dy: int, dx: int) -> FloatMap:
    """Moved down and right; what comes in is padding."""
    out = np.zeros_like(image)
    source, target = overlap(image, out, (dy, dx))
    target[...] = source
    return out
