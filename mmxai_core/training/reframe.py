"""Views of a canvas as another machine would have framed and shown it: for what must be found on any frame.

How much of the breast a frame shows, its form, and its grey curve differ from machine to machine and with the
operator's choice of depth; where a lesion ends does not. A network that has seen one cohort's frames only takes their
form for a part of the task.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.training.augment import Batch, appearance, draw_markers, elastic, uniform, warp_grid

#: Part of the views that are framed anew; the others are as `augment` draws them.
FRAMED = 0.7
#: Least part of the image's height, and of its width, that a new frame shows.
LEAST = 0.45
#: Natural logarithm: a new frame is stretched by up to e^STRETCH in one direction against the other.
STRETCH = 0.2
#: Radians.
TURN = 0.26
#: Natural logarithm of the largest gamma, on top of that of `appearance`.
GAMMA = 0.5
#: Part of the views with a quarter of the resolution.
COARSE = 0.3


def _extent(mask: Tensor) -> tuple[int, int, int, int]:
    """(S, S) -> rows from, to, columns from, to of what is above one half; 0, S, 0, S where nothing is."""
    rows, cols = (torch.nonzero((mask > 0.5).any(d))[:, 0] for d in (1, 0))
    if len(rows) == 0:
        return 0, mask.shape[0], 0, mask.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1


def _span(content: tuple[int, int], lesion: tuple[int, int], u: Tensor) -> tuple[float, float]:
    """Start and length of what a new frame shows in one direction: within the image, with all of the lesion."""
    (low, high), (a, z) = content, lesion
    all_of_it = float(high - low)
    length = max(all_of_it * (LEAST + (1 - LEAST) * float(u[0])), min(all_of_it, 1.15 * (z - a)))
    first, last = max(low, z - length), min(high - length, a)
    if last < first:  # the lesion fills the frame
        first = last = min(max((a + z - length) / 2, low), high - length)
    return first + (last - first) * float(u[1]), length


def _new_frames(batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, S, S, 2) sampling grid, (B, 1, S, S) what of each canvas the new frame shows."""
    b, _, size, _ = batch.grey.shape
    shown, theta = torch.zeros_like(batch.content), []
    for i in range(b):
        u = torch.rand(8, generator=rng)
        r0, r1, c0, c1 = _extent(batch.content[i, 0])
        y0, y1, x0, x1 = _extent(batch.lesion[i, 0]) if bool(batch.lesion[i].any()) else (r0, r1, c0, c1)
        top, rows = _span((r0, r1), (y0, y1), u[:2])
        left, cols = _span((c0, c1), (x0, x1), u[2:4])
        shown[i, 0, int(top) : int(top + rows), int(left) : int(left + cols)] = 1
        side = max(rows, cols) * (0.95 + 0.15 * float(u[4])) / size
        stretch = math.exp((float(u[5]) - 0.5) * STRETCH)
        turn, flip = (2 * float(u[6]) - 1) * TURN, -1.0 if float(u[7]) < 0.5 else 1.0
        cos, sin, sx, sy = math.cos(turn), math.sin(turn), side * stretch, side / stretch
        centre = 2 * (left + cols / 2) / size - 1, 2 * (top + rows / 2) / size - 1
        theta.append([[cos * sx * flip, -sin * sy, centre[0]], [sin * sx * flip, cos * sy, centre[1]]])
    grid = F.affine_grid(torch.tensor(theta), [b, 1, size, size], align_corners=False)
    return grid + elastic(b, size, rng), shown


def _shown_otherwise(grey: Tensor, rng: torch.Generator) -> Tensor:
    """Another grey curve, and a coarser picture for some."""
    b, _, size, _ = grey.shape
    x = appearance(grey, rng).clamp(0, 1).pow(torch.exp(uniform(rng, b, -GAMMA, GAMMA))[:, None, None, None])
    coarse = F.interpolate(F.avg_pool2d(x, 4), size=(size, size), mode="bilinear", align_corners=False)
    return torch.where((torch.rand(b, generator=rng) < COARSE)[:, None, None, None], coarse, x)


def reframed(batch: Batch, rng: torch.Generator) -> Batch:
    """One random view of each canvas, most of them of another frame; the lesion mask follows the geometry.

    Args:
        batch: B canvases of S x S.
        rng: Of the draw.
    """
    b, _, size, _ = batch.grey.shape
    new = (torch.rand(b, generator=rng) < FRAMED)[:, None, None, None]
    grid, shown = _new_frames(batch, rng)
    grid = torch.where(new, grid, warp_grid(b, size, rng))
    content = torch.where(new, shown * batch.content, batch.content)
    warped = F.grid_sample(
        torch.cat([batch.grey, content, batch.lesion], 1), grid, mode="bilinear", align_corners=False
    )
    plain = torch.cat([batch.grey, batch.content, batch.lesion], 1)
    before = batch.lesion.sum(dim=(1, 2, 3)) * _magnification(grid)
    keep = (warped[:, 2:] > 0.5).sum(dim=(1, 2, 3)) >= 0.5 * before  # a view that lost its lesion is not used
    warped = torch.where(keep[:, None, None, None], warped, plain)
    grey, content, lesion = warped[:, :1], (warped[:, 1:2] > 0.5).float(), (warped[:, 2:] > 0.5).float()
    grey = _shown_otherwise(grey, rng)
    draw_markers(grey, lesion, rng)
    return Batch(grey.clamp(0, 1) * content, content, lesion)


def _magnification(grid: Tensor) -> Tensor:
    """(B, S, S, 2) -> (B,) how much larger an area is in the view than on the canvas, over the view as a whole."""
    size = grid.shape[1]
    m, step = size // 2, max(3 * size // 8, 1)
    across = (grid[:, m, m + step] - grid[:, m, m - step]) * size / (4 * step)
    down = (grid[:, m + step, m] - grid[:, m - step, m]) * size / (4 * step)
    return 1 / (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]).abs().clamp_min(1e-6)
