"""Taking what a glance saw to the canvas, and from there to the source image.

A map on a glance's own g x g grid is either *values* (evidence a cell: interpolated, never rescaled) or *mass*
(attention a cell: shared out over the area the cell covers, so that the sum stays). Both are separable, so each is a
pair of small matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmxai_core.model.config import Architecture
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import FloatArray, FloatMap

#: (centre x, centre y, side) of the first glance, parts of the canvas.
WHOLE = (0.5, 0.5, 1.0)


def canvas_cells(arch: Architecture) -> int:
    """Rows (and columns) of the canvas grid that maps are put on: 4 g, 8 canvas pixels a cell by default.

    That is the grid of the lesion map, and about as fine as the second glance's own cells at its smallest box.
    """
    return 4 * arch.grid


def interpolation(positions: FloatArray, size: int) -> NDArray[np.float64]:
    """Bilinear interpolation as a matrix.

    Args:
        positions: (n,) in cells; the centre of cell i is at i + 0.5. Beyond the outer centres the edge value holds.
        size: Cells of the grid that is read.

    Returns:
        (n, size); rows sum to 1.
    """
    p = np.clip(np.asarray(positions, np.float64) - 0.5, 0, size - 1)
    low = np.minimum(p.astype(int), max(size - 2, 0))
    rows = np.arange(len(p))
    out = np.zeros((len(p), size))
    out[rows, low] += 1 - (p - low)
    out[rows, np.minimum(low + 1, size - 1)] += p - low
    return out


def place_values(maps: FloatArray, box: tuple[float, float, float], cells: int) -> FloatMap:
    """Values of a glance on the canvas grid: bilinear inside its box, 0 outside.

    Args:
        maps: (..., g, g) on the glance's grid.
        box: (centre x, centre y, side) of the glance, parts of the canvas.
        cells: Rows and columns of the canvas grid.

    Returns:
        (..., cells, cells) float32.
    """
    sides = []
    for centre in (box[1], box[0]):
        local = ((np.arange(cells) + 0.5) / cells - (centre - box[2] / 2)) / box[2]
        inside = (local >= 0) & (local <= 1)
        sides.append(interpolation(local * maps.shape[-1], maps.shape[-1]) * inside[:, None])
    placed: FloatMap = (sides[0] @ maps @ sides[1].T).astype(np.float32)
    return placed


def spread_mass(maps: FloatArray, box: tuple[float, float, float], cells: int) -> FloatMap:
    """Mass of a glance on the canvas grid: each cell's share goes to the canvas cells it covers, by area.

    Args:
        maps: (..., g, g) non-negative on the glance's grid.
        box: (centre x, centre y, side) of the glance, parts of the canvas, inside it.
        cells: Rows and columns of the canvas grid.

    Returns:
        (..., cells, cells) float32 with the sum of `maps`.
    """
    g = maps.shape[-1]
    edges = np.arange(cells + 1) / cells
    sides = []
    for centre in (box[1], box[0]):
        start = centre - box[2] / 2 + np.arange(g + 1) * box[2] / g
        overlap = np.minimum(edges[1:, None], start[None, 1:]) - np.maximum(edges[:-1, None], start[None, :-1])
        overlap = np.maximum(overlap, 0)
        sides.append(overlap / overlap.sum(0, keepdims=True))
    spread: FloatMap = (sides[0] @ maps @ sides[1].T).astype(np.float32)
    return spread


def to_source(maps: FloatArray, geometry: CanvasGeometry) -> FloatMap:
    """`CanvasGeometry.to_source` for a stack of maps at once.

    Args:
        maps: (..., h, w) over the whole canvas.
        geometry: How the canvas lies on the source image.

    Returns:
        (..., H, W) float32 on the source's pixels.
    """
    sides = []
    for size, axis in ((maps.shape[-2], 0), (maps.shape[-1], 1)):
        canvas = (np.arange(geometry.source_shape[axis]) + 0.5) * geometry.scale[axis] + geometry.offset[axis]
        sides.append(interpolation(canvas * size / geometry.canvas, size).astype(np.float32))
    taken: FloatMap = sides[0] @ np.asarray(maps, np.float32) @ sides[1].T
    return taken
