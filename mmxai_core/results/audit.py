"""Attention with its audit: what was looked at, what that was worth, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.types import FloatArray, FloatMap


@dataclass(frozen=True, eq=False)
class AttentionAudit:
    """The cross-modal attention of every known field against what knocking out image blocks does through that field.

    Attributes:
        fields: Ids of the known fields, F of them.
        relevance: (F, h, w) float32 on the canvas grid: gradient x attention relevance, as mass (sum over the canvas).
        blocks: (h, w) int8 on the canvas grid: index of the block; B blocks.
        attention_mass: (F, B) part of each field's attention that lies in each block; rows sum to 1.
        relevance_mass: (F, B) relevance in each block.
        effect: (F, B) log-odds of the target with everything seen, minus log-odds when this field alone cannot see the
            block. Above 0: what the field reads there speaks for the class.
        attended_effect: (F,) absolute change when the field cannot see its most attended blocks.
        random_effect: (F,) mean absolute change over random sets of as many blocks.
        attention_rank: (F,) Spearman correlation of attention with the absolute effect over blocks; NaN where one of
            them is constant.
        relevance_rank: (F,) Spearman correlation of relevance with the effect.
        between_rank: (F,) Spearman correlation of attention with relevance.
        threshold: Below it, `attention_rank` is not told from chance (one-sided 5 % level for B blocks).
        removed: How many blocks the most attended set holds.
        verdicts: One plain sentence a field.
        target_class: The class that relevance and effect speak of.
        semantics: What the numbers mean.
    """

    fields: tuple[str, ...]
    relevance: FloatMap
    blocks: NDArray[np.int8]
    attention_mass: FloatArray
    relevance_mass: FloatArray
    effect: FloatArray
    attended_effect: FloatArray
    random_effect: FloatArray
    attention_rank: FloatArray
    relevance_rank: FloatArray
    between_rank: FloatArray
    threshold: float
    removed: int
    verdicts: tuple[str, ...]
    target_class: str
    semantics: str

    @property
    def disagrees(self) -> tuple[bool, ...]:
        """By field: True where the attention view is not borne out by its knockout and must be marked as such."""
        return tuple(
            not (rank >= self.threshold and out >= by_chance)
            for rank, out, by_chance in zip(
                self.attention_rank, self.attended_effect, self.random_effect, strict=True
            )
        )  # fmt: skip
