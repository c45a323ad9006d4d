"""The shapes that a network really has, from one pass over an empty canvas: for drawing and describing it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.network import FusedNetwork


@dataclass(frozen=True)
class Stage:
    """One step of the network.

    Attributes:
        key: Stable key, e.g. "features".
        shape: Shape of what it gives for one study, without the batch axis.
        parameters: How many learned numbers it has.
    """

    key: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class NetworkShapes:
    """Every step, as measured.

    Attributes:
        stages: In order of computation.
        heads: Attention heads.
        blocks: Transformer blocks.
        parameters: Learned numbers of the whole network.
        finder: Whether the lesion map is that of a network of its own.
    """

    stages: tuple[Stage, ...]
    heads: int
    blocks: int
    parameters: int
    finder: bool = False

    def __getitem__(self, key: str) -> Stage:
        """The step of that key."""
        return next(s for s in self.stages if s.key == key)


def _count(*modules: nn.Module | nn.Parameter) -> int:
    found = [m if isinstance(m, nn.Parameter) else list(m.parameters()) for m in modules]
    flat = [p for f in found for p in ([f] if isinstance(f, nn.Parameter) else f)]
    return sum(p.numel() for p in flat)


def network_shapes(network: FusedNetwork, schema: ClinicalSchema) -> NetworkShapes:
    """Runs one pass over an empty canvas with every field unknown, and reads the shapes.

    Args:
        network: The network; run on the thread that owns it.
        schema: Its fields.
    """
    arch, encoder, fusion = network.arch, network.image_encoder, network.fusion
    device = next(network.parameters()).device
    fields = len(schema.fields)
    with torch.no_grad():
        image = network.encode_image(torch.zeros(1, 1, arch.canvas, arch.canvas, device=device))
        tokens = network.encode_clinical(
            torch.zeros(1, fields, device=device), torch.zeros(1, fields, dtype=torch.bool, device=device)
        )
        fused, terms = network.fuse(image, tokens)
    finder = () if encoder.finder is None else (encoder.finder,)
    deep = (encoder.lesion8, encoder.lesion4, encoder.lesion_out, *finder)
    pooling = (encoder.queries, encoder.pool_k, encoder.pool_v, encoder.pool_out)
    across = (fusion.field_norm, fusion.image_norm, fusion.q, fusion.k, fusion.v, fusion.seen)
    back = (fusion.summary_norm, fusion.back_q, fusion.back_k, fusion.back_v)
    stages = (
        Stage("canvas", (1, arch.canvas, arch.canvas), 0),
        Stage("glances", (2, arch.glance, arch.glance), 0),
        Stage("features", tuple(image.features.shape[1:]), _count(encoder.cnn, encoder.neck16, encoder.neck32)),
        Stage("lesion_map", tuple(image.lesion_logits.shape[2:]), _count(*deep)),
        Stage(
            "tokens", tuple(image.tokens.shape[1:]),
            _count(encoder.glance_code, encoder.token_norm, encoder.blocks, encoder.final_norm, encoder.absent),
        ),
        Stage("summary", tuple(image.summary.shape[1:]), _count(*pooling)),
        Stage("image_logits", tuple(image.logits.shape[1:]), _count(encoder.head)),
        Stage("fields", (fields,), 0),
        Stage("field_tokens", tuple(tokens.shape[1:]), _count(network.clinical_encoder)),
        Stage("clinical_to_image", tuple(terms.attention.shape[1:]), _count(*across)),
        Stage("image_to_clinical", tuple(terms.weight.shape[1:]), _count(*back)),
        Stage("gate", tuple(fused.gate.shape[1:]), _count(fusion.gate)),
        Stage("logits", tuple(fused.logits.shape[1:]), _count(fusion.clinical_head, fusion.joint)),
    )  # fmt: skip
    return NetworkShapes(stages, arch.heads, len(encoder.blocks), _count(network), encoder.finder is not None)
