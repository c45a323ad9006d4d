"""Cascading weight randomisation: a map that stays the same when the weights mean nothing does not show the model.

Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps". From the output down to the first layer, each layer's
parameters are replaced by normal numbers with that tensor's own mean and SD, so that scales stay plausible. Where
convolutions are random, batch norm uses the image's own statistics: the stored ones belong to the trained weights, and
would blow activations up or out.

The similarity is Pearson's on each glance's own grid, mean of both glances: free of scale (random weights shrink a map,
and SSIM calls two nearly empty maps alike), and free of the frame that the second glance leaves on the combined map.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from mmxai_core.explain.mirror import mirrored_grad_cam_pp, mirrored_read
from mmxai_core.explain.saliency import Score, grad_cam_pp
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.results.strip import CascadeStep
from mmxai_core.types import FloatArray

#: Stages from the output down; each also keeps the ones before it random.
STAGES = ("fusion and heads", "Transformer and pooling", "CNN neck", "CNN: every weight of the image branch")
#: Forward passes that `weight_randomisation` costs, about: a read-out with gradient a stage and two whole passes; with
#: mirror images a read-out more a stage, and three passes of the CNN for the mirror image.
PASSES = 10


def weight_randomisation(
    network: FusedNetwork,
    canvas: Tensor,
    state: ImageState,
    tokens: Tensor,
    *,
    maps: FloatArray,
    target: int,
    score: Score,
    seed: int,
    check: Callable[[], None] = lambda: None,
    mirrored: bool = False,
) -> tuple[CascadeStep, ...]:
    """Runs on the predictor's worker, on a copy of the network; costs about `PASSES` forward passes.

    Args:
        network: The network; not changed.
        canvas: (1, 1, S, S) standardised.
        state: Its state.
        tokens: (1, F, d) field tokens.
        maps: (2, g, g) the true Grad-CAM++ maps of both glances.
        target: Index of the class.
        score: See `grad_cam_pp`.
        seed: Of the random weights.
        check: Called between stages.
        mirrored: Whether maps are averaged over image and mirror image, as `maps` were.
    """
    model = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    steps, image = [], state
    other = mirrored_read(network, canvas, state) if mirrored else None
    for depth, stage in enumerate(STAGES):
        check()
        randomise(stage_modules(model, depth), generator)
        if depth >= 2:  # before that, only what comes after the CNN is random
            with torch.no_grad():
                image = replace(state, features=model.image_encoder.glance_features(canvas, state.boxes))
            other = mirrored_read(model, canvas, image) if mirrored else None
        read = (
            mirrored_grad_cam_pp(model, canvas, image, tokens, target=target, score=score, mirrored=other)
            if mirrored
            else grad_cam_pp(model, image, tokens, target=target, score=score)
        )
        steps.append(CascadeStep(stage, similarity(maps, read.maps[0].cpu().numpy())))
    return tuple(steps)


def stage_modules(network: FusedNetwork, depth: int) -> list[nn.Module]:
    """The modules that stage `depth` of `STAGES` replaces."""
    encoder = network.image_encoder
    stages: list[list[nn.Module]] = [
        [network.fusion, encoder.head],
        [encoder.pool_k, encoder.pool_v, encoder.pool_out, encoder.blocks, encoder.final_norm, encoder.token_norm],
        [encoder.neck16, encoder.neck32],
        [encoder.cnn],
    ]
    return stages[depth]


def randomise(modules: Sequence[nn.Module], generator: torch.Generator) -> None:
    """Replaces every parameter in place by normal numbers with the tensor's own mean and SD.

    Batch norm inside the modules is set to use the statistics of what it sees.
    """
    with torch.no_grad():
        for module in modules:
            for parameter in module.parameters():
                mean, spread = float(parameter.mean()), float(parameter.std(correction=0))
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn * spread + mean)
            for part in module.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.train()


def similarity(original: FloatArray, other: FloatArray) -> float:
    """(2, g, g) maps of two glances -> mean over glances of Pearson's correlation; 0 for a glance where one is flat."""
    found = []
    for a, b in zip(original, other, strict=True):
        x, y = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
        flat = min(x.std(), y.std()) < 1e-12 or not np.isfinite(y).all()
        found.append(0.0 if flat else float(np.corrcoef(x, y)[0, 1]))
    return float(np.mean(found))
