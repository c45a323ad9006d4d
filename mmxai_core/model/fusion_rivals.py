"""Ways to join the branches, on one image state: cross-attention, concatenation, DAFT; and the image alone.

Each reads the same tokens and the same clinical encoder, so that a comparison differs in the fusion only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ClinicalEncoder, ImageState
from mmxai_core.model.fusion import FieldTerms, Fused, Fusion
from mmxai_core.model.network import FusedNetwork


class HeadOutput(NamedTuple):
    """What a fusion head gives.

    Attributes:
        logits: (B, K).
        clinical_logits: (B, K) of the clinical branch, or None.
        attention: (B, heads, F, N) clinical -> image attention, or None.
    """

    logits: Tensor
    clinical_logits: Tensor | None = None
    attention: Tensor | None = None


class FusionHead(nn.Module):
    """An image state and the fields -> logits."""

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__()
        self.clinical_encoder = ClinicalEncoder(schema, arch)

    def clinical_sum(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, d) sum of the field tokens, scaled by the root of their number."""
        tokens = self.clinical_encoder(values, known)
        total: Tensor = tokens.sum(1) / max(tokens.shape[1], 1) ** 0.5
        return total

    def forward(self, image: ImageState, values: Tensor, known: Tensor) -> HeadOutput:
        """(B, F) encoded values and (B, F) bool, with the image's state."""
        raise NotImplementedError


class AttentionHead(FusionHead):
    """The project's own fusion, `mmxai_core.model.fusion.Fusion`."""

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__(arch, schema)
        self.fusion = Fusion(arch)

    def forward(self, image: ImageState, values: Tensor, known: Tensor) -> HeadOutput:
        """See `FusionHead.forward`."""
        fused, terms = self.fusion(image, self.clinical_encoder(values, known))
        return HeadOutput(fused.logits, fused.clinical_logits, terms.attention)


class ConcatenationHead(FusionHead):
    """Image vector and clinical vector side by side, then an MLP."""

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__(arch, schema)
        d = arch.width
        self.mlp = nn.Sequential(
            nn.LayerNorm(2 * d), nn.Linear(2 * d, d), nn.GELU(), nn.Dropout(arch.dropout), nn.Linear(d, arch.classes)
        )

    def forward(self, image: ImageState, values: Tensor, known: Tensor) -> HeadOutput:
        """See `FusionHead.forward`."""
        return HeadOutput(self.mlp(torch.cat([image.pooled, self.clinical_sum(values, known)], -1)))


class DaftHead(FusionHead):
    """Dynamic affine feature-map transform (Wolf, Pölsterl, Wachinger, NeuroImage 2022), on the image's tokens.

    A bottleneck reads the mean token and the clinical vector and gives each channel a scale and a shift, which all
    tokens of the image get; then ReLU, mean, linear head. The original transforms the last residual block's map.
    """

    REDUCTION = 7  # the original's ratio

    def __init__(self, arch: Architecture, schema: ClinicalSchema) -> None:
        super().__init__(arch, schema)
        d = arch.width
        narrow = max(2 * d // self.REDUCTION, 2)
        self.bottleneck = nn.Sequential(nn.Linear(2 * d, narrow), nn.ReLU(), nn.Linear(narrow, 2 * d))
        self.drop = nn.Dropout(arch.dropout)
        self.head = nn.Linear(d, arch.classes)

    def forward(self, image: ImageState, values: Tensor, known: Tensor) -> HeadOutput:
        """See `FusionHead.forward`."""
        mean = image.tokens.mean(1)
        scale, shift = self.bottleneck(torch.cat([mean, self.clinical_sum(values, known)], -1)).chunk(2, -1)
        moved = F.relu(image.tokens * (1 + scale[:, None]) + shift[:, None]).mean(1)
        return HeadOutput(self.head(self.drop(moved)))


class ImageReader(FusedNetwork):
    """The image branch in the shape of a fused network that knows no field, so that map methods read it alike."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__(arch, ClinicalSchema(()))

    def encode_clinical(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, 0, d): no field."""
        return values.new_zeros(len(values), 0, self.arch.width)

    def fuse(self, image: ImageState, tokens: Tensor) -> tuple[Fused, FieldTerms]:
        """The image's own logits."""
        b, d, m = len(image.logits), self.arch.width, self.arch.queries
        gate = image.logits.new_tensor([[1.0, 0.0]]).expand(b, -1)
        none = image.logits.new_zeros
        terms = FieldTerms(
            none(b, 0, d), none(b, m, 0), none(b, 0, d), none(b, self.arch.heads, 0, image.tokens.shape[1])
        )
        return Fused(image.logits, gate, torch.zeros_like(image.logits)), terms
