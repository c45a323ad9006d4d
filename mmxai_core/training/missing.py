"""Random loss of fields in training: levels of groups, single fields, and a balance that takes out the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.clinical import GROUPS, ClinicalSchema
from mmxai_core.training.config import DropConfig

#: Groups offered at each level of a result table.
LEVELS: dict[str, tuple[str, ...]] = {
    "history": ("history",),
    "history+descriptor": ("history", "descriptor"),
    "history+descriptor+assessment": ("history", "descriptor", "assessment"),
}


def level_mask(schema: ClinicalSchema, groups: tuple[str, ...]) -> Tensor:
    """(F,) bool: fields whose group is among `groups`."""
    return torch.tensor([f.group in groups for f in schema.fields], dtype=torch.bool)


@dataclass(frozen=True, eq=False)
class MissingBalance:
    """How often to hide a block of fields, by class, so that P(unknown | class) is the same for all classes.

    Fields that are always missing together are one block. In BrEaST "not available" goes with malignancy (a site
    effect): without this a model learns that an empty form means cancer.

    Attributes:
        block: (F,) block of each field.
        rate: (blocks, K) probability of hiding a known block of a case of that class.
    """

    block: Tensor
    rate: Tensor

    @classmethod
    def measure(cls, known: NDArray[np.bool_], labels: NDArray[np.int64], classes: int) -> MissingBalance:
        """From the training cases: (N, F) known and (N,) labels."""
        patterns, block = np.unique(known, axis=1, return_inverse=True)
        rates = np.zeros((patterns.shape[1], classes), np.float32)
        for b in range(patterns.shape[1]):
            share = np.array([patterns[labels == k, b].mean() if (labels == k).any() else 1.0 for k in range(classes)])
            rates[b] = 1 - share.min() / np.maximum(share, 1e-9)
        return cls(torch.from_numpy(np.asarray(block).reshape(-1)), torch.from_numpy(rates))

    def hide(self, labels: Tensor, rng: torch.Generator) -> Tensor:
        """(B,) labels -> (B, F) bool, True where a field is hidden."""
        rate = self.rate[:, labels].T
        return (torch.rand(rate.shape, generator=rng) < rate)[:, self.block]


def drop_fields(
    known: Tensor, labels: Tensor, *, schema: ClinicalSchema, balance: MissingBalance, drop: DropConfig,
    rng: torch.Generator,
) -> Tensor:  # fmt: skip
    """(B, F) bool known -> what is left of it: balance, then a level of groups, then single fields, then all."""
    b, f = known.shape
    left = known & ~balance.hide(labels, rng)
    levels = torch.stack([level_mask(schema, GROUPS[: i + 1]) for i in range(len(GROUPS))])
    left = left & levels[torch.randint(len(levels), (b,), generator=rng)]
    left = left & (torch.rand(b, f, generator=rng) >= drop.field)
    return left & (torch.rand(b, 1, generator=rng) >= drop.clinical)
