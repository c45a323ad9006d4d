"""Saliency from the cached features on, without the CNN: integrated gradients and attention relevance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mmxai_core.explain.rollout import glance_maps
from mmxai_core.explain.saliency import Score, class_score
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.types import FloatArray

#: Points of the path, by Gauss-Legendre quadrature.
STEPS = 24
#: Points in one batch.
BATCH = 4


def integrated_gradients(
    network: FusedNetwork, image: ImageState, tokens: Tensor, *, target: int, score: Score = "logit",
    steps: int = STEPS, check: Callable[[], None] = lambda: None,
) -> tuple[FloatArray, float]:  # fmt: skip
    """Integrated gradients (Sundararajan et al. 2017) of the score on the features, from features of 0 to the image's.

    On the worker; costs about 0.4 forward passes a step, the CNN is not run.

    Args:
        network: In evaluation mode.
        image: State of one image.
        tokens: (1, F, d) field tokens.
        target: Index of the class.
        score: What is differentiated.
        steps: Points of the path.
        check: Called between batches.

    Returns:
        ((2, g, g) signed share of each cell of both glances in the score; completeness gap: score - baseline score -
        sum of the shares, near 0 where the path was fine enough).
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    device, dtype = image.features.device, image.features.dtype
    parts = torch.as_tensor((nodes + 1) / 2, device=device, dtype=dtype)
    shares = torch.as_tensor(weights / 2, device=device, dtype=dtype)

    def scored(features: Tensor) -> Tensor:
        b = len(features)
        state = network.image_encoder.read_features(
            features, boxes=image.boxes.expand(b, -1), lesion_logits=image.lesion_logits.expand(b, -1, -1, -1)
        )
        return class_score(network.fuse(state, tokens.expand(b, -1, -1))[0].logits, target, score)

    mean = torch.zeros_like(image.features)
    for part, share in zip(torch.split(parts, BATCH), torch.split(shares, BATCH), strict=True):
        check()
        path = (part[:, None, None, None, None] * image.features).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(scored(path).sum(), path)
        mean += (share[:, None, None, None, None] * gradient).sum(0, keepdim=True)
    given = (mean * image.features).sum(2)[0]
    with torch.no_grad():
        ends = scored(torch.cat([image.features, torch.zeros_like(image.features)]))
    maps: FloatArray = given.cpu().numpy()
    return maps, float(ends[0] - ends[1]) - float(maps.sum())


def token_relevance(
    network: FusedNetwork, image: ImageState, tokens: Tensor, *, target: int, score: Score = "logit"
) -> FloatArray:
    """Relevance of the image tokens (Chefer et al. 2021, rules for self-attention), at least 0.

    The last tokens start with the positive part of gradient x token, which covers everything that reads them (pooling
    and every field), and each block carries it back by I + mean over heads of (gradient x attention)+. On the worker;
    costs one read of the features with gradient, about half a forward pass.

    Args:
        network: In evaluation mode.
        image: State of one image.
        tokens: (1, F, d) field tokens.
        target: Index of the class.
        score: What is differentiated.

    Returns:
        (2, g, g) relevance of both glances, in units of the score.
    """
    features = image.features.detach().requires_grad_()
    encoder = network.image_encoder
    with torch.enable_grad():
        state = encoder.read_features(features, boxes=image.boxes, lesion_logits=image.lesion_logits)
        value = class_score(network.fuse(state, tokens)[0].logits, target, score)
        last, *blocks = torch.autograd.grad(value.sum(), (state.tokens, *state.block_attention))
    flow = (last * state.tokens.detach()).sum(-1).clamp_min(0)  # (1, N)
    for weights, gradient in zip(reversed(state.block_attention), reversed(blocks), strict=True):
        carried = (gradient * weights.detach()).clamp_min(0).mean(1)
        flow = flow + (flow[:, None] @ carried)[:, 0]
    return glance_maps(flow[0].detach().cpu().numpy())
