"""Augmentation of a batch of canvases: affine, elastic, gain, speckle, blur, drawn-on markers.

Ultrasound's appearance changes with machine and preset while the lesion does not; callipers and text are put on by
hand and tell what the operator thought. Both are therefore randomised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.model.glance import square_box


@dataclass(frozen=True, eq=False)
class Batch:
    """B canvases before standardisation.

    Attributes:
        grey: (B, 1, S, S) float32 in [0, 1].
        content: (B, 1, S, S) 1 on the image.
        lesion: (B, 1, S, S) 1 in the lesion.
    """

    grey: Tensor
    content: Tensor
    lesion: Tensor


def uniform(rng: torch.Generator, b: int, low: float, high: float) -> Tensor:
    """(B,) numbers from low to high."""
    return torch.rand(b, generator=rng) * (high - low) + low


def warp_grid(b: int, size: int, rng: torch.Generator) -> Tensor:
    """(B, S, S, 2) sampling grid: rotation, scale, shear, shift, flip, and a smooth elastic field."""
    angle = uniform(rng, b, -0.26, 0.26)
    sx, sy = uniform(rng, b, 0.8, 1.25), uniform(rng, b, 0.8, 1.25)
    flip = torch.where(torch.rand(b, generator=rng) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * sx * flip, -sin * sy, uniform(rng, b, -0.12, 0.12)], 1),
            torch.stack([sin * sx * flip, cos * sy, uniform(rng, b, -0.12, 0.12)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [b, 1, size, size], align_corners=False)
    return grid + elastic(b, size, rng)


def elastic(b: int, size: int, rng: torch.Generator) -> Tensor:
    """(B, S, S, 2) smooth random shifts, in halves of the canvas's side."""
    field = torch.randn(b, 2, 6, 6, generator=rng) * 0.02
    return F.interpolate(field, size=(size, size), mode="bicubic", align_corners=False).permute(0, 2, 3, 1)


def appearance(grey: Tensor, rng: torch.Generator) -> Tensor:
    """Gamma, gain over depth, multiplicative and additive noise, blur."""
    b, _, size, _ = grey.shape
    x = grey.clamp(0, 1).pow(torch.exp(uniform(rng, b, -0.5, 0.5))[:, None, None, None])
    depth = torch.linspace(-1, 1, size)[None, None, :, None]
    x = x * (1 + uniform(rng, b, -0.35, 0.35)[:, None, None, None] * depth)
    coarse = torch.randn(b, 1, size // 4, size // 4, generator=rng)
    grain = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    x = x * (1 + uniform(rng, b, 0, 0.25)[:, None, None, None] * grain)
    x = x + uniform(rng, b, 0, 0.04)[:, None, None, None] * torch.randn(x.shape, generator=rng)
    blurred = F.avg_pool2d(x, 3, stride=1, padding=1)
    part = torch.where(torch.rand(b, generator=rng) < 0.4, uniform(rng, b, 0, 1), torch.zeros(b))[:, None, None, None]
    return torch.lerp(x, blurred, part)


def draw_markers(grey: Tensor, lesion: Tensor, rng: torch.Generator) -> None:
    """Draws calliper crosses, dotted lines and text-like blocks on some images, in place."""
    size = grey.shape[-1]
    for i in range(len(grey)):
        if torch.rand((), generator=rng) > 0.35:
            continue
        rows, cols = torch.nonzero(lesion[i, 0] > 0.5, as_tuple=True)
        near = len(rows) > 0 and bool(torch.rand((), generator=rng) < 0.6)
        centre = (
            torch.tensor([float(rows.float().mean()), float(cols.float().mean())])
            if near
            else torch.rand(2, generator=rng) * size
        )
        reach = torch.rand((), generator=rng) * 60 + 25
        turn = torch.rand((), generator=rng) * torch.pi
        step = torch.stack([turn.sin(), turn.cos()]) * reach
        value = float(torch.rand((), generator=rng) * 0.3 + 0.7)
        for end in (centre - step, centre + step):
            y, x = (int(v) for v in end.clamp(4, size - 5))
            grey[i, 0, y - 3 : y + 4, x] = value
            grey[i, 0, y, x - 3 : x + 4] = value
        if torch.rand((), generator=rng) < 0.6:
            for t in torch.linspace(-1, 1, 14):
                y, x = (int(v) for v in (centre + step * t).clamp(1, size - 2))
                grey[i, 0, y, x] = value
        if torch.rand((), generator=rng) < 0.3:
            y, x = (int(v) for v in torch.rand(2, generator=rng) * (size - 70))
            block = torch.rand(8, 60, generator=rng) < 0.4
            grey[i, 0, y : y + 8, x : x + 60][block] = value


def augment(batch: Batch, rng: torch.Generator) -> Batch:
    """One random view of each canvas; the lesion mask follows the geometry."""
    b, _, size, _ = batch.grey.shape
    stacked = torch.cat([batch.grey, batch.content, batch.lesion], 1)
    warped = F.grid_sample(stacked, warp_grid(b, size, rng), mode="bilinear", align_corners=False)
    lesion = (warped[:, 2:] > 0.5).float()
    keep = lesion.sum(dim=(1, 2, 3)) > 0.5 * batch.lesion.sum(dim=(1, 2, 3))  # a view that lost its lesion is not used
    warped = torch.where(keep[:, None, None, None], warped, stacked)
    lesion = (warped[:, 2:] > 0.5).float()
    grey = appearance(warped[:, :1], rng)
    draw_markers(grey, lesion, rng)
    content = (warped[:, 1:2] > 0.5).float()
    return Batch(grey.clamp(0, 1) * content, content, lesion)


def lesion_boxes(lesion: Tensor, rng: torch.Generator | None) -> Tensor:
    """Second-glance boxes from masks, jittered as the model's own boxes will be off.

    Args:
        lesion: (B, 1, S, S).
        rng: Source of the jitter, or None for none.

    Returns:
        (B, 3) (centre x, centre y, side), parts of the canvas; a case without a mask gets a random box.
    """
    size = lesion.shape[-1]
    out = []
    for mask in lesion[:, 0] > 0.5:
        jitter = torch.rand(4, generator=rng) if rng is not None else torch.full((4,), 0.5)
        rows, cols = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
        if len(rows) == 0:
            out.append(square_box(*(float(j) * 0.6 for j in jitter[:2]), *(float(j) * 0.6 + 0.4 for j in jitter[:2])))
            continue
        x0, x1, y0, y1 = (float(v) / size for v in (cols[0], cols[-1] + 1, rows[0], rows[-1] + 1))
        side = max(x1 - x0, y1 - y0)
        dx, dy = (float(jitter[0]) - 0.5) * 0.4 * side, (float(jitter[1]) - 0.5) * 0.4 * side
        context = 1.5 * 2 ** (float(jitter[2]) * 1.0 - 0.5)
        out.append(square_box(x0 + dx, y0 + dy, x1 + dx, y1 + dy, context=context))
    return torch.tensor(out, dtype=torch.float32)
