"""A few generated cases for an image stage, some of them without a lesion mask, and the smallest settings."""

from __future__ import annotations

import numpy as np

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.model.config import Architecture
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.data import CohortArrays

#: timm's network for tests: batch norm with and without a fused activation, as in the shipped one.
BACKBONE = "test_efficientnet"
CONFIG = TrainConfig(
    init="none",
    arch=Architecture(backbone=BACKBONE, canvas=96, glance=32, width=16, heads=2, depth=1, dropout=0.0),
)


def cases(count: int = 8, *, size: int = 96, masked: int = 3) -> CohortArrays:
    """Speckle; the first `masked` cases have a lesion mask, so that parts of a batch differ in how many they have."""
    rng = np.random.default_rng(0)
    lesion = np.zeros((count, size, size), np.uint8)
    lesion[:masked, 20:36, 24:44] = 1
    return CohortArrays(
        rng.integers(0, 255, (count, size, size)).astype(np.uint8), np.tile([0, 0, size, size], (count, 1)),
        lesion, np.arange(count) < masked, np.zeros((count, 0), np.float32), np.zeros((count, 0), np.bool_),
        np.arange(count) % 2, tuple(f"c{i}" for i in range(count)), tuple(f"p{i}" for i in range(count)),
        tuple(ClinicalRecord({}) for _ in range(count)),
    )  # fmt: skip
