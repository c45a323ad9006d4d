"""Grad-CAM++ over both glances, without hooks: `torch.autograd.grad` of a class score with respect to the features.

Source: Chattopadhay et al. 2018, "Grad-CAM++", eq. 19 with the exponential score's higher derivatives:
alpha = g^2 / (2 g^2 + sum(A) g^3), which is 1 / (2 + g sum(A)) wherever g is not 0. Written so, it needs no epsilon
(the usual 1e-6 outweighs 2 g^2 at small gradients). Only positive gradients enter the weights, and the features are
ReLU outputs, so the denominator is never below 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.explain.grids import WHOLE, canvas_cells, place_values
from mmxai_core.model.encoded import to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldTerms
from mmxai_core.model.network import FusedNetwork
from mmxai_core.types import FloatArray, FloatMap

Score = Literal["logit", "log_odds"]

METHOD, LAYER = "Grad-CAM++", "stride-16 features of both glances, after ReLU (CNN neck)"
SEMANTICS = (
    "Bright areas hold features whose increase would raise the score of this class; the map says where the model "
    "found support, not that the tissue there is diseased."
)
UNIT = "Strength of the evidence, in points of the model's raw score for the class; both looks added."


@dataclass(frozen=True, eq=False)
class ReadOut:
    """One differentiated pass from the features on.

    Attributes:
        maps: (B, 2, g, g) raw Grad-CAM++ maps of the whole and the lesion glance, at least 0.
        image: The image state of that pass, with its attention, no graph.
        terms: What each field added, no graph.
        logits: (B, K) raw fused logits.
    """

    maps: Tensor
    image: ImageState
    terms: FieldTerms
    logits: Tensor

    def cpu(self) -> ReadOut:
        """The same values on the CPU."""
        device = torch.device("cpu")
        terms = FieldTerms(*(t.cpu() for t in self.terms))
        return ReadOut(self.maps.cpu(), to_device(self.image, device), terms, self.logits.cpu())


def class_score(logits: Tensor, target: int, score: Score) -> Tensor:
    """(..., K) logits -> (...): the class logit, or its log-odds against the other classes."""
    value = logits[..., target]
    if score == "logit":
        return value
    others = [k for k in range(logits.shape[-1]) if k != target]
    return value - torch.logsumexp(logits[..., others], -1)


def channel_weights(features: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM++ weights: sum over cells of alpha x positive gradient.

    Args:
        features: (..., d, g, g), at least 0.
        gradient: Same shape: derivative of the class score.

    Returns:
        (..., d), at least 0.
    """
    positive = gradient.clamp_min(0)
    alpha = 1 / (2 + positive * features.sum((-1, -2), keepdim=True))
    return (alpha * positive).sum((-1, -2))


def cam(features: Tensor, weights: Tensor) -> Tensor:
    """(..., d, g, g) features and (..., d) weights -> (..., g, g): ReLU of the weighted sum over channels."""
    return F.relu((weights[..., None, None] * features).sum(-3))


def grad_cam_pp(
    network: FusedNetwork, image: ImageState, tokens: Tensor, *, target: int, score: Score = "logit"
) -> ReadOut:
    """Raw Grad-CAM++ of a batch.

    Args:
        network: In evaluation mode; no parameter needs to ask for a gradient.
        image: A state whose `features`, `boxes` and `lesion_logits` are read.
        tokens: (B, F, d) field tokens.
        target: Index of the class.
        score: What is differentiated: the class logit, or its log-odds against the other classes.
    """
    features = image.features.detach().requires_grad_()
    with torch.enable_grad():
        state = network.image_encoder.read_features(features, boxes=image.boxes, lesion_logits=image.lesion_logits)
        fused, terms = network.fuse(state, tokens)
        value = class_score(fused.logits, target, score)
        (gradient,) = torch.autograd.grad(value.sum(), features)  # rows are independent: one backward serves all
    features = features.detach()
    maps = cam(features, channel_weights(features, gradient))
    return ReadOut(maps, state.detach(), FieldTerms(*(t.detach() for t in terms)), fused.logits.detach())


def on_canvas(maps: FloatArray, box: tuple[float, float, float], cells: int) -> FloatMap:
    """Both glances as one map over the canvas: their sum.

    The logit reads both feature maps, and each map is its glance's share of the evidence in the logit's own unit, so
    what both glances found at a place adds up; a mean or a maximum would hide that they agree.

    Args:
        maps: (2, g, g) of the whole and the lesion glance.
        box: (centre x, centre y, side) of the lesion glance, parts of the canvas.
        cells: Rows and columns of the canvas grid.

    Returns:
        (cells, cells) float32.
    """
    return place_values(maps[0], WHOLE, cells) + place_values(maps[1], box, cells)


def box_of(image: ImageState, index: int = 0) -> tuple[float, float, float]:
    """(centre x, centre y, side) of the second glance of one entry, parts of the canvas."""
    cx, cy, side = (float(v) for v in image.boxes[index])
    return cx, cy, side


def saliency_peak(
    network: FusedNetwork,
    canvas: Tensor,
    values: Tensor,
    known: Tensor,
    *,
    target: int,
    score: Score = "logit",
    boxes: Tensor | None = None,
) -> FloatArray:
    """Largest value of each combined map: training measures its cohort with this and stores the 95th percentile.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised.
        values: (B, F) encoded values.
        known: (B, F) bool.
        target: Index of the class.
        score: See `grad_cam_pp`.
        boxes: (B, 3) second glance, or None: found by the model.

    Returns:
        (B,) float64.
    """
    with torch.no_grad():
        image = network.encode_image(canvas, boxes=boxes)
        tokens = network.encode_clinical(values, known)
    maps = grad_cam_pp(network, image, tokens, target=target, score=score).maps.cpu().numpy()
    cells = canvas_cells(network.arch)
    return np.array([on_canvas(m, box_of(image, i), cells).max() for i, m in enumerate(maps)], np.float64)
