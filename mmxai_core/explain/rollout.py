"""Attention rollout: how much each image token feeds the image summaries, through all Transformer blocks.

Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers": heads averaged, half identity for the
residual path, blocks multiplied; here the summary queries' attention over the tokens is the last factor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmxai_core.explain.grids import WHOLE, spread_mass
from mmxai_core.model.encoders import ImageState
from mmxai_core.types import FloatArray, FloatMap

METHOD, LAYER = "Attention rollout", "Transformer blocks and summary queries"
SEMANTICS = (
    "Where the image summaries draw their information from, through all layers of attention; it does not depend on the "
    "class and does not say whether a place spoke for or against it."
)
UNIT = "Attention relative to an even spread over the canvas: 1 is average."
#: Four times the average attention fills the colour scale.
REFERENCE = 4.0


def rollout(image: ImageState) -> Tensor:
    """Share of each token in the image summaries.

    Args:
        image: A state with its `block_attention`.

    Returns:
        (B, N); rows sum to 1. The mean over the M summary queries.
    """
    flow = image.pool_attention.mean(1)[:, None]
    eye = torch.eye(flow.shape[-1], dtype=flow.dtype, device=flow.device)
    for weights in reversed(image.block_attention):  # from the last block back: (1, N) x (N, N) is the cheap order
        flow = flow @ (0.5 * weights.mean(1) + 0.5 * eye)
    return flow[:, 0]


def glance_maps(tokens: FloatArray) -> FloatArray:
    """(..., N) a value a token -> (..., 2, g, g): whole glance, lesion glance."""
    g = round((tokens.shape[-1] / 2) ** 0.5)
    return tokens.reshape(*tokens.shape[:-1], 2, g, g)


def attention_on_canvas(tokens: FloatArray, box: tuple[float, float, float], cells: int) -> FloatMap:
    """Attention over tokens as mass over the canvas.

    Args:
        tokens: (..., N) attention over the tokens of both glances.
        box: (centre x, centre y, side) of the lesion glance, parts of the canvas.
        cells: Rows and columns of the canvas grid.

    Returns:
        (..., cells, cells) float32 with the sums of `tokens`.
    """
    maps = glance_maps(tokens)
    return spread_mass(maps[..., 0, :, :], WHOLE, cells) + spread_mass(maps[..., 1, :, :], box, cells)
