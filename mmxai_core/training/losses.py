"""Parts of the training loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.model.encoders import ImageState


def lesion_loss(logits: Tensor, lesion: Tensor, has_mask: Tensor) -> Tensor:
    """Cross-entropy + soft Dice of the lesion map, over the cases that have a mask.

    Args:
        logits: (B, 1, h, w).
        lesion: (B, 1, S, S) in {0, 1}.
        has_mask: (B,) bool.
    """
    if not bool(has_mask.any()):
        return logits.float().sum() * 0.0  # float16 could overflow, and 0 times infinity is no number
    target = F.interpolate(lesion[has_mask], size=logits.shape[-2:], mode="area")
    x = logits[has_mask].float()
    p = torch.sigmoid(x)
    dice = 1 - (2 * (p * target).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(x, target) + dice.mean()


def coherence_loss(state: ImageState, lesion: Tensor, has_mask: Tensor) -> Tensor:
    """-log of the attention mass that the summary queries lay on tokens inside the lesion (with its rim).

    Args:
        state: Image state with pool attention (B, M, N).
        lesion: (B, 1, S, S).
        has_mask: (B,) bool.
    """
    if not bool(has_mask.any()):
        return state.pool_attention.float().sum() * 0.0
    g = state.features.shape[-1]
    rim = F.max_pool2d(lesion, (9, 1), stride=1, padding=(4, 0))  # a square's maximum is its rows' and columns'
    rim = F.max_pool2d(rim, (1, 9), stride=1, padding=(0, 4))
    whole = F.adaptive_max_pool2d(rim, g).flatten(1)
    near = (lesion_glance_mask(rim, state.boxes, g) > 0.25).float().flatten(1)
    inside = torch.cat([whole, near], 1)[:, None]
    mass = (state.pool_attention.float() * inside).sum(-1).mean(1)
    return -torch.log(mass[has_mask].clamp_min(1e-4)).mean()


def lesion_glance_mask(lesion: Tensor, boxes: Tensor, size: int) -> Tensor:
    """(B, 1, S, S) mask -> (B, 1, size, size) part of lesion in each cell of the second glance."""
    cx, cy, side = boxes.unbind(1)
    zero = torch.zeros_like(side)
    theta = torch.stack([torch.stack([side, zero, 2 * cx - 1], 1), torch.stack([zero, side, 2 * cy - 1], 1)], 1)
    fine = F.affine_grid(theta, [len(lesion), 1, size * 8, size * 8], align_corners=False)
    return F.avg_pool2d(F.grid_sample(lesion, fine, align_corners=False), 8)


def image_terms(
    state: ImageState, labels: Tensor, lesion: Tensor, has_mask: Tensor, *, smoothing: float
) -> tuple[Tensor, ...]:
    """Terms of the image branch's loss: cross-entropy over all cases, the others over those with a mask.

    Lesion map of the whole glance, coherence, and the lesion map of the second glance where the state has one.

    Args:
        state: Image state of B cases.
        labels: (B,) class indices, or (B, K) shares of the classes.
        lesion: (B, 1, S, S) in {0, 1}.
        has_mask: (B,) bool.
        smoothing: Label smoothing.
    """
    ce = F.cross_entropy(state.logits.float(), labels, label_smoothing=smoothing)
    terms = ce, lesion_loss(state.lesion_logits, lesion, has_mask), coherence_loss(state, lesion, has_mask)
    second = state.second_lesion_logits
    if second is None:
        return terms
    return *terms, lesion_loss(second, lesion_glance_mask(lesion, state.boxes, second.shape[-1]), has_mask)
