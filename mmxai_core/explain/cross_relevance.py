"""Gradient x attention relevance of the image for each field, through cross-attention and Transformer blocks.

Source: Chefer, Gur & Wolf 2021, "Generic Attention-model Explainability", bi-modal rules. With s the field tokens and
q the image tokens, self-attention of the image first,

    A' = mean over heads of (grad A x A)+,   R_qq <- R_qq + A' R_qq   (R_qq starts as the identity),

then the cross-attention fields -> image,

    R_sq <- R_sq + norm(R_ss)^T A'_cross norm(R_qq),   norm(R) = I + (R - I) with rows divided by their sums.

Fields have no self-attention here, so R_ss is the identity, and R_sq starts at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork


@dataclass(frozen=True, eq=False)
class Relevance:
    """Relevance of one case, no graph.

    Attributes:
        tokens: (F, N) relevance of each image token for the target class, by field; at least 0.
    """

    tokens: Tensor


def cross_relevance(network: FusedNetwork, image: ImageState, tokens: Tensor, *, target: int) -> Relevance:
    """Relevance by Chefer's rules. Costs one pass of the Transformer (not the CNN) with its gradient.

    Args:
        network: In evaluation mode; no parameter needs to ask for a gradient.
        image: State of one image, whose `features` are read.
        tokens: (1, F, d) field tokens.
        target: Index of the class; the gradient is that of its log-odds against the others.
    """
    features = image.features.detach().requires_grad_()
    with torch.enable_grad():
        state = network.image_encoder.read_features(features, boxes=image.boxes, lesion_logits=image.lesion_logits)
        fused, terms = network.fuse(state, tokens)
        others = [k for k in range(fused.logits.shape[1]) if k != target]
        value = fused.logits[0, target] - torch.logsumexp(fused.logits[0, others], -1)
        weights = [*state.block_attention, terms.attention]
        gradients = torch.autograd.grad(value, weights)
    with torch.no_grad():
        *blocks, cross = [(g * w).clamp_min(0).mean(1)[0] for g, w in zip(gradients, weights, strict=True)]
        flow = torch.eye(state.tokens.shape[1], dtype=cross.dtype, device=cross.device)
        for block in blocks:
            flow = flow + block @ flow
        return Relevance((cross @ normalised(flow)).detach())


def normalised(flow: Tensor) -> Tensor:
    """(N, N) accumulated relevance -> identity plus the part beyond it with each row divided by its sum (eq. 8, 9)."""
    eye = torch.eye(len(flow), dtype=flow.dtype, device=flow.device)
    beyond = flow - eye
    total = beyond.sum(1, keepdim=True)
    return eye + torch.where(total > 0, beyond / total.clamp_min(torch.finfo(flow.dtype).tiny), 0)
