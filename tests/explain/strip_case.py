"""A case of the tiny network, ready for the reliability strip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network, tiny_study
from torch import Tensor

from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.saliency import grad_cam_pp
from mmxai_core.explain.shapley import shapley_values
from mmxai_core.explain.strip import StripCase, StripImage
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry, prepare_image

RECORD = {"age": 61, "palpable": "yes", "nipple_discharge": "no", "margin": "spiky", "birads": "4"}


@dataclass(frozen=True, eq=False)
class Ready:
    """A network, a case, and what its parts take."""

    network: FusedNetwork
    case: StripCase
    image: StripImage
    canvas: Tensor
    content: Tensor
    tokens: Tensor


def ready(network: FusedNetwork | None = None, *, seed: int = 0, record: dict[str, object] | None = None) -> Ready:
    """The case of one seeded study."""
    network = network or tiny_network()
    grey = tiny_study(seed=seed).images[0].grey
    canvas, geometry = prepare_image(grey, canvas=ARCH.canvas)
    encoded = SCHEMA.encode(SCHEMA.record(RECORD if record is None else record))
    values, known = torch.from_numpy(encoded.values)[None], torch.from_numpy(encoded.known)[None]
    pixels = torch.from_numpy(canvas)[None, None]
    with torch.no_grad():
        state, tokens = network.encode_image(pixels), network.encode_clinical(values, known)
    head = CoalitionHead(network, state, values, known, fields=SCHEMA.ids)
    contributions = shapley_values(head.table(temperature=1.5).log_odds(1))
    image = StripImage(grey, geometry, state, grad_cam_pp(network, state, tokens, target=1), drawn=False)
    case = StripCase(
        image, values, known, SCHEMA.ids, head, contributions, target=1, score="logit", temperature=1.5, seed=0
    )
    return Ready(network, case, image, pixels, content_of(geometry), tokens)


def content_of(geometry: CanvasGeometry) -> Tensor:
    """(1, 1, S, S) content mask."""
    return torch.from_numpy(geometry.content_mask())[None, None]
