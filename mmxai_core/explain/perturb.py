"""Small changes of an image that should not change its explanation: noise, shifts, rotations (source paper, §3.7.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.preprocess import CanvasGeometry, standardise
from mmxai_core.types import FloatMap, GreyImage

#: SD of the added noise, part of the display range.
NOISE_SD = 0.02
#: Rotation about the canvas's centre, degrees.
DEGREES = 3.0
#: Copies with noise, then copies with a shift, then rotated copies.
NOISY, SHIFTED, ROTATED = 2, 2, 2


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Perturbed copies of one image, ready for the network.

    Attributes:
        canvases: (C, 1, S, S) float32, standardised: `NOISY` copies, then `SHIFTED`, then `ROTATED` ones.
        shifts: (C, 2) int, cells of the canvas grid each copy was moved down and to the right.
        degrees: (C,) float64, how far each copy was turned counter-clockwise about the canvas's centre.
        cells: Rows and columns of the canvas grid.
    """

    canvases: NDArray[np.float32]
    shifts: NDArray[np.int64]
    degrees: NDArray[np.float64]
    cells: int

    def boxes(self, box: tuple[float, float, float]) -> NDArray[np.float32]:
        """(C, 3): a fixed second glance, moved with each copy and kept inside the canvas."""
        cx, cy, side = box
        turn = np.deg2rad(self.degrees)
        x, y = cx - 0.5, cy - 0.5
        moved = np.stack([
            0.5 + x * np.cos(turn) + y * np.sin(turn) + self.shifts[:, 1] / self.cells,
            0.5 - x * np.sin(turn) + y * np.cos(turn) + self.shifts[:, 0] / self.cells,
            np.full(len(turn), side),
        ], 1).astype(np.float32)  # fmt: skip
        moved[:, :2] = np.clip(moved[:, :2], side / 2, 1 - side / 2)
        return moved

    def same_place(self, original: FloatMap, copy: FloatMap, index: int) -> tuple[FloatMap, FloatMap]:
        """The parts of the original's and of one copy's map that show the same place, the copy moved or turned back.

        Args:
            original: (cells, cells) map of the unchanged image.
            copy: (cells, cells) map of copy `index`.
            index: Which copy.

        Returns:
            Two maps of one shape; for a rotation without the rim that was turned out of the canvas.
        """
        angle = float(self.degrees[index])
        if angle == 0:
            return overlap(original, copy, self.shifts[index])
        rim = int(np.ceil(self.cells / 2 * np.deg2rad(abs(angle)))) + 1
        inner = slice(rim, self.cells - rim)
        return original[inner, inner], _turn(copy, -angle)[inner, inner]


def perturb(grey: GreyImage, geometry: CanvasGeometry, *, cells: int, rng: np.random.Generator) -> Perturbed:
    """Copies with 2 % Gaussian noise, moved by a cell of the canvas grid (about 2 % of its side), turned by 3 degrees.

    Args:
        grey: (H, W) display grey in [0, 1].
        geometry: How it lies on the canvas.
        cells: Rows and columns of the canvas grid; a shift of a whole cell lets maps be compared without resampling.
        rng: Draws the noise and the directions.
    """
    canvas, content = geometry.to_canvas(grey), geometry.content_mask()
    pixels = round(geometry.canvas / cells)
    copies = []
    for _ in range(NOISY):
        noise = rng.normal(0, NOISE_SD, canvas.shape).astype(np.float32)
        copies.append(standardise(np.clip(canvas + noise, 0, 1) * content, content))
    first = rng.choice([-1, 1], 2)
    shifts = np.zeros((NOISY + SHIFTED + ROTATED, 2), np.int64)
    shifts[NOISY : NOISY + SHIFTED] = first, -first
    for dy, dx in shifts[NOISY : NOISY + SHIFTED]:
        moved = [_move(a, int(dy) * pixels, int(dx) * pixels) for a in (canvas, content)]
        copies.append(standardise(*moved))
    degrees = np.zeros(len(shifts))
    degrees[NOISY + SHIFTED :] = DEGREES, -DEGREES
    for angle in degrees[NOISY + SHIFTED :]:
        turned = _turn(content, angle) > 0.5
        copies.append(standardise(_turn(canvas, angle) * turned, turned.astype(np.float32)))
    return Perturbed(np.stack(copies)[:, None], shifts, degrees, cells)


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


def _turn(image: FloatMap, degrees: float) -> FloatMap:
    """Turned counter-clockwise about the centre, bilinear; what comes in is padding."""
    turned: FloatMap = ndimage.rotate(image, degrees, reshape=False, order=1, mode="constant", cval=0.0)
    return turned.astype(np.float32)
