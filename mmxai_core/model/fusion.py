"""Cross-attention fusion that is additive over fields before the head.

Every field's contribution depends only on that field (known or unknown) and on the image, and enters through sums, so
that any coalition of fields costs a sum of precomputed vectors and a small head: exact Shapley values stay affordable.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmxai_core.model.attention import attend, attention_weights
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ImageState


class FieldTerms(NamedTuple):
    """What each field adds, given the image. Sums over F of these are all the head needs of the fields.

    Attributes:
        vector: (B, F, d): the field with what it saw in the image; summed.
        weight: (B, M, F): exp(score) of each image summary query on each field; the softmax's numerator weights.
        value: (B, F, d): what the image's queries take from each field.
        attention: (B, heads, F, N): clinical -> image attention; rows sum to 1.
    """

    vector: Tensor
    weight: Tensor
    value: Tensor
    attention: Tensor


class FieldSums(NamedTuple):
    """Sums of `FieldTerms` over fields (or over a coalition). Leading axes are free.

    Attributes:
        vector: (..., d).
        numerator: (..., M, d).
        denominator: (..., M).
    """

    vector: Tensor
    numerator: Tensor
    denominator: Tensor


class Fused(NamedTuple):
    """The fusion's answer. Leading axes are free.

    Attributes:
        logits: (..., K).
        gate: (..., 2): weights of image and clinical branch; sum to 1.
        clinical_logits: (..., K): the clinical branch's own logits, given what it saw.
    """

    logits: Tensor
    gate: Tensor
    clinical_logits: Tensor


class Fusion(nn.Module):
    """Clinical -> image and image -> clinical cross-attention, gate, joint head.

    logits = 2 (w_image l_image + w_clinical l_clinical) + l_joint, with (w_image, w_clinical) = softmax(gate).
    """

    #: Scores of the image queries on the fields lie in (-BOUND, BOUND): exp() needs no running maximum, so that
    #: numerators and denominators of different coalitions can be added.
    BOUND = 4.0

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        d, k = arch.width, arch.classes
        self.heads = arch.heads
        self.field_norm, self.image_norm, self.summary_norm = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.seen = nn.Sequential(nn.Linear(2 * d, d), nn.GELU(), nn.Dropout(arch.dropout), nn.Linear(d, d))
        self.back_q, self.back_k, self.back_v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.gate = nn.Sequential(nn.Linear(3 * d, d // 2), nn.GELU(), nn.Linear(d // 2, 2))
        self.clinical_head = nn.Linear(2 * d, k)
        self.joint = nn.Sequential(nn.Linear(3 * d, d), nn.GELU(), nn.Dropout(arch.dropout), nn.Linear(d, k))
        for layer in (self.gate[-1], self.joint[-1]):  # starts as plain late fusion, and learns what to add
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def field_terms(self, tokens: Tensor, image: ImageState) -> FieldTerms:
        """(B, F, d) field tokens and the image's state -> what each field adds."""
        fields, seen = self.field_norm(tokens), self.image_norm(image.tokens)
        attention = attention_weights(self.q(fields), self.k(seen), heads=self.heads)
        vector = tokens + self.seen(torch.cat([fields, attend(attention, self.v(seen))], -1))
        queries = self.back_q(self.summary_norm(image.summary))
        score = queries @ self.back_k(fields).transpose(1, 2) * queries.shape[-1] ** -0.5
        return FieldTerms(
            vector, torch.exp(self.BOUND * torch.tanh(score / self.BOUND)), self.back_v(fields), attention
        )

    @staticmethod
    def sums(terms: FieldTerms) -> FieldSums:
        """Sums over all fields."""
        return FieldSums(terms.vector.sum(1), terms.weight @ terms.value, terms.weight.sum(2))

    @staticmethod
    def context(pooled: Tensor, sums: FieldSums, *, fields: int) -> Tensor:
        """(..., 3 d) the fused vector the head reads: image, clinical data, what the image took from the fields.

        Args:
            pooled: (..., d) image vector.
            sums: Sums over the fields.
            fields: F, for the scale of the sum.
        """
        clinical = sums.vector / max(fields, 1) ** 0.5
        back = (sums.numerator / sums.denominator.clamp_min(1e-6)[..., None]).mean(-2)
        return torch.cat([pooled, clinical, back], -1)

    def combine(self, pooled: Tensor, image_logits: Tensor, sums: FieldSums, *, fields: int) -> Fused:
        """The head: everything after the sums.

        Args:
            pooled: (..., d) image vector.
            image_logits: (..., K).
            sums: Sums over the fields.
            fields: F, for the scale of the sum.
        """
        context = self.context(pooled, sums, fields=fields)
        clinical_logits = self.clinical_head(context[..., pooled.shape[-1] :])
        gate = torch.softmax(self.gate(context), -1)
        logits = 2 * (gate[..., :1] * image_logits + gate[..., 1:] * clinical_logits) + self.joint(context)
        return Fused(logits, gate, clinical_logits)

    def forward(self, image: ImageState, tokens: Tensor) -> tuple[Fused, FieldTerms]:
        """Image state and (B, F, d) field tokens -> the answer and the terms it was made of."""
        terms = self.field_terms(tokens, image)
        return self.combine(image.pooled, image.logits, self.sums(terms), fields=tokens.shape[1]), terms
