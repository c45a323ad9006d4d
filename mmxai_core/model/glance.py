"""The two glances: where the second one looks, and cutting it from the canvas."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

#: Context kept around the lesion: the crop's side over the lesion's longer side.
CONTEXT = 1.5
#: Smallest crop side as a part of the canvas: below it a crop is only blur.
MIN_PART = 0.2
#: The second glance is elsewhere where it overlaps the lesion's own square by less.
MISSED = 0.1


def square_box(x0: float, y0: float, x1: float, y1: float, *, context: float = CONTEXT) -> tuple[float, float, float]:
    """A square with context around a box, kept inside the canvas; all in parts of the canvas, 0 to 1.

    Returns:
        (centre x, centre y, side).
    """
    side = min(max(max(x1 - x0, y1 - y0) * context, MIN_PART), 1.0)
    cx = min(max((x0 + x1) / 2, side / 2), 1 - side / 2)
    cy = min(max((y0 + y1) / 2, side / 2), 1 - side / 2)
    return cx, cy, side


def square_overlap(a: Tensor, b: Tensor) -> Tensor:
    """(B, 3) and (B, 3) squares (centre x, centre y, side) -> (B,) intersection over union."""
    low = torch.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = torch.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    both = (high - low).clamp_min(0).prod(1)
    return both / (a[:, 2] ** 2 + b[:, 2] ** 2 - both)


def find_boxes(lesion_logits: Tensor, *, within: Tensor | None = None) -> Tensor:
    """Where the lesion map says the lesion is.

    The component that holds most probability mass, among cells above half of the map's maximum, with context.

    Args:
        lesion_logits: (B, 1, h, w) over the whole canvas, or over the boxes `within`.
        within: (B, 3) what the map shows of the canvas, as returned; None: all of it.

    Returns:
        (B, 3) float32 (centre x, centre y, side), parts of the canvas; no gradient.
    """
    out = []
    corners = [(0.0, 0.0, 1.0)] * len(lesion_logits)
    if within is not None:
        corners = [(cx - side / 2, cy - side / 2, side) for cx, cy, side in within.detach().cpu().tolist()]
    maps = torch.sigmoid(lesion_logits.detach().float()).cpu().numpy()[:, 0]
    for p, (left, top, side) in zip(maps, corners, strict=True):
        labels, n = ndimage.label(p > 0.5 * p.max())
        mass = ndimage.sum_labels(p, labels, range(1, n + 1)) if n else [0.0]
        rows, cols = np.nonzero(labels == int(np.argmax(mass)) + 1) if n else (np.arange(p.shape[0]),) * 2
        h, w = p.shape
        x0, y0 = left + side * cols.min() / w, top + side * rows.min() / h
        x1, y1 = left + side * (cols.max() + 1) / w, top + side * (rows.max() + 1) / h
        out.append(square_box(x0, y0, x1, y1))
    return torch.tensor(out, dtype=torch.float32, device=lesion_logits.device)


def whole_glance(canvas: Tensor, size: int) -> Tensor:
    """(B, C, S, S) -> (B, C, size, size) by area averaging."""
    return F.interpolate(canvas, size=(size, size), mode="area")


def lesion_glance(canvas: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cuts each box from the canvas and standardises it by itself.

    Args:
        canvas: (B, C, S, S).
        boxes: (B, 3) (centre x, centre y, side), parts of the canvas.
        size: Output side, pixels.

    Returns:
        (B, C, size, size), mean 0 and SD 1 within each crop: the contrast of lesion to surroundings stays, the
        machine's gain does not.
    """
    cx, cy, side = boxes.unbind(1)
    zero = torch.zeros_like(side)
    theta = torch.stack([torch.stack([side, zero, 2 * cx - 1], 1), torch.stack([zero, side, 2 * cy - 1], 1)], 1)
    grid = F.affine_grid(theta, [len(canvas), canvas.shape[1], size, size], align_corners=False).to(canvas.dtype)
    crop = F.grid_sample(canvas, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    mean = crop.mean(dim=(1, 2, 3), keepdim=True)
    return (crop - mean) / crop.std(dim=(1, 2, 3), keepdim=True).clamp_min(0.05)
