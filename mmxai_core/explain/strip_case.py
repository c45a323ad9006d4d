"""A case ready for the reliability strip, from an image and a record: for cohorts, where no page waits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.saliency import Score
from mmxai_core.explain.shapley import shapley_values
from mmxai_core.explain.stability import quick_values
from mmxai_core.explain.strip import StripCase, StripImage
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry, standardise
from mmxai_core.types import GreyImage


@dataclass(frozen=True)
class StripSettings:
    """How a cohort's cases are tested.

    Attributes:
        fields: All field ids in schema order.
        target: Index of the class explained.
        temperature: Logits are divided by it.
        score: What Grad-CAM++ differentiates.
        seed: Of every random number.
        exact: Shapley values over all coalitions; False: from sampled orders where there are many fields (quick).
    """

    fields: tuple[str, ...]
    target: int
    temperature: float
    score: Score = "logit"
    seed: int = 0
    exact: bool = True


def prepare_case(
    network: FusedNetwork, grey: GreyImage, geometry: CanvasGeometry, state: ImageState, values: Tensor, known: Tensor,
    *, settings: StripSettings,
) -> StripCase:  # fmt: skip
    """On the worker; costs two forward passes for the map (with its mirror image), and the coalition table.

    Args:
        network: The network.
        grey: (H, W) display grey in [0, 1].
        geometry: How it lies on the canvas.
        state: Its state, a batch of one, on the network's device.
        values: (1, F) encoded values.
        known: (1, F) bool.
        settings: How it is tested.
    """
    target, temperature = settings.target, settings.temperature
    with torch.no_grad():
        tokens = network.encode_clinical(values, known)
    canvas = torch.from_numpy(standardise(geometry.to_canvas(grey), geometry.content_mask()))[None, None]
    read = mirrored_grad_cam_pp(network, canvas.to(values.device), state, tokens, target=target, score=settings.score)
    head = CoalitionHead(network, state, values, known, fields=settings.fields)
    contributions = (
        shapley_values(head.table(temperature=temperature).log_odds(target))
        if settings.exact
        else quick_values(head, target=target, temperature=temperature, seed=settings.seed)
    )
    image = StripImage(grey, geometry, state, read, drawn=False, mirrored=True)
    return StripCase(
        image, values, known, settings.fields, head, contributions, target, settings.score, temperature,
        settings.seed,
    )  # fmt: skip
