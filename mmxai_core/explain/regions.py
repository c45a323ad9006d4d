"""The image as players of a game: lesion, perilesional ring and rest, or a 3 x 3 grid over the content.

Every token of both glances belongs to the region in which the centre of its cell lies on the canvas, so that a region
is removed from both glances at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.explain.grids import WHOLE
from mmxai_core.explain.reliability import lesion_region
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import FloatArray, FloatMap

Partition = Literal["lesion", "grid"]

LESION, RING, REST = "image_lesion", "image_ring", "image_rest"
GRID = tuple(
    f"image_{row}_{column}" for row in ("upper", "middle", "lower") for column in ("left", "centre", "right")
)  # fmt: skip
#: Width of the ring over the diameter of a circle of the lesion's area, and its least width in canvas cells.
RING_WIDTH, RING_LEAST = 0.25, 2.0


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions that hold at least one token each and share out all tokens.

    Attributes:
        names: Player ids, R of them.
        labels: (cells, cells) int8 on the canvas grid: index of the region; -1 where the region holds no token.
        tokens: (R, N) bool: which tokens are whose.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int8]
    tokens: NDArray[np.bool_]


def token_centres(box: tuple[float, float, float], grid: int) -> FloatArray:
    """Where the tokens' cells lie.

    Args:
        box: (centre x, centre y, side) of the lesion glance, parts of the canvas.
        grid: Token rows (and columns) of a glance.

    Returns:
        (2 grid^2, 2) x and y of each token's centre, parts of the canvas; whole glance first.
    """
    steps = (np.arange(grid) + 0.5) / grid
    out = []
    for cx, cy, side in (WHOLE, box):
        y, x = np.meshgrid(cy - side / 2 + steps * side, cx - side / 2 + steps * side, indexing="ij")
        out.append(np.stack([x.ravel(), y.ravel()], 1))
    return np.concatenate(out)


def regions_of(labels: NDArray[np.integer], names: tuple[str, ...], centres: FloatArray) -> Regions:
    """Regions from a label map; a region without a token is left out.

    Args:
        labels: (cells, cells) index into `names`, everywhere.
        names: A name a label.
        centres: From `token_centres`.
    """
    cells = labels.shape[0]
    at = np.clip((np.asarray(centres) * cells).astype(int), 0, cells - 1)
    own = labels[at[:, 1], at[:, 0]]
    kept = [i for i in range(len(names)) if (own == i).any()]
    renumbered = np.full(len(names), -1, np.int8)
    renumbered[kept] = np.arange(len(kept))
    return Regions(tuple(names[i] for i in kept), renumbered[labels], np.stack([own == i for i in kept]))


def lesion_partition(probability: FloatMap) -> NDArray[np.int8]:
    """(h, w) lesion probability -> 0 lesion, 1 perilesional ring, 2 rest.

    The ring is as wide as a quarter of the lesion's diameter (of a circle of its area), at least two cells.
    """
    lesion = lesion_region(probability)
    if not lesion.any():
        return np.full(probability.shape, 2, np.int8)
    width = max(RING_LEAST, RING_WIDTH * 2 * float(np.sqrt(lesion.sum() / np.pi)))
    near = ndimage.distance_transform_edt(~lesion) <= width
    labels: NDArray[np.int8] = np.where(lesion, 0, np.where(near, 1, 2)).astype(np.int8)
    return labels


def grid_partition(geometry: CanvasGeometry, cells: int, *, side: int = 3) -> NDArray[np.int16]:
    """(cells, cells) index of the block of a side x side grid over the image's content; padding goes to the nearest.

    Args:
        geometry: How the source lies on the canvas.
        cells: Rows and columns of the canvas grid.
        side: Blocks along an edge.
    """
    h, w = geometry.source_shape
    x0, y0, x1, y1 = geometry.box_to_canvas((0, 0, w, h))
    centre = (np.arange(cells) + 0.5) / cells * geometry.canvas
    row, column = (
        np.clip(((centre - low) / (high - low) * side).astype(int), 0, side - 1) for low, high in ((y0, y1), (x0, x1))
    )
    labels: NDArray[np.int16] = (row[:, None] * side + column).astype(np.int16)
    return labels


def case_regions(
    partition: Partition, *, probability: FloatMap, geometry: CanvasGeometry, box: tuple[float, float, float], grid: int
) -> Regions:
    """The regions of one image. Costs no pass.

    Args:
        partition: "lesion": lesion, ring and rest by the model's own lesion map; "grid": 3 x 3 over the content.
        probability: (cells, cells) lesion probability on the canvas grid.
        geometry: How the source lies on the canvas.
        box: Second glance, parts of the canvas.
        grid: Token rows of a glance.
    """
    centres = token_centres(box, grid)
    if partition == "grid":
        return regions_of(grid_partition(geometry, len(probability)), GRID, centres)
    return regions_of(lesion_partition(probability), (LESION, RING, REST), centres)
