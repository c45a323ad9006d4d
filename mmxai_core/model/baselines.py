"""Single-branch siblings of the fused network: same encoders, same budget, one branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ClinicalEncoder, ImageEncoder
from mmxai_core.model.network import ForwardResult


class ImageOnlyNetwork(nn.Module):
    """The image encoder and its head; clinical fields are ignored."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(arch)

    def forward(
        self, canvas: Tensor | None, values: Tensor, known: Tensor, *, boxes: Tensor | None = None
    ) -> ForwardResult:
        """See `FusedNetwork.forward`; `values` and `known` are not read."""
        state = (
            self.image_encoder.absent_state(len(values)) if canvas is None else self.image_encoder(canvas, boxes=boxes)
        )
        return ForwardResult(state.logits, state, None, None, None)


class ClinicalOnlyNetwork(nn.Module):
    """The clinical encoder, a sum over field tokens and a head; the image is ignored."""

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__()
        self.clinical_encoder = ClinicalEncoder(schema, arch)
        self.mix = nn.Sequential(nn.Linear(arch.width, arch.width), nn.GELU(), nn.Dropout(arch.dropout))
        self.head = nn.Linear(2 * arch.width, arch.classes)

    def forward(
        self, canvas: Tensor | None, values: Tensor, known: Tensor, *, boxes: Tensor | None = None
    ) -> ForwardResult:
        """See `FusedNetwork.forward`; `canvas` is not read."""
        tokens = self.clinical_encoder(values, known)
        total = tokens.sum(1) / max(tokens.shape[1], 1) ** 0.5
        logits = self.head(torch.cat([total, self.mix(total)], -1))
        return ForwardResult(logits, None, None, None, logits)
