"""A generated cohort of 24 pictures and the smallest settings that exercise every model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.model.config import Architecture
from mmxai_core.training.config import StageConfig

_ONE = StageConfig(epochs=1, batch=8)
CONFIG = CompareConfig(
    validation=0.5, views=1, init="none", replicates=40, source_folds=2,
    arch=Architecture(canvas=96, glance=32, width=16, heads=2, depth=1),
    main=StageConfig(epochs=2, batch=8), tune=_ONE, ablation=_ONE, heads=StageConfig(epochs=2, batch=8),
)  # fmt: skip
SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110)),
        Field("margin", "Margin", "categorical", "descriptor", categories=(("smooth", "Smooth"), ("spiky", "Spiky"))),
    )
)


def tiny_cohort(folder: Path, *, name: str = "synthetic", images: int = 1, fields: bool = True) -> Cohort:
    """24 patients, every third malignant: a darker lesion, an older patient.

    Args:
        folder: Where the pictures go.
        name: Of the cohort.
        images: Pictures a patient.
        fields: Whether there are clinical fields.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    cases = []
    for i in range(24):
        malignant = i % 3 == 0
        clinical = {"age": float(rng.normal(60 if malignant else 45, 8)), "margin": "spiky" if i % 2 else "smooth"}
        for k in range(images):
            stem = f"{name}-{i}-{k}"
            grey = rng.integers(90, 160, (56, 64)).astype(np.uint8)
            mask = np.zeros((56, 64), np.uint8)
            mask[18:36, 20:44] = 255
            grey[mask > 0] //= 4 if malignant else 2
            Image.fromarray(grey).save(folder / f"{stem}.png")
            Image.fromarray(mask).save(folder / f"{stem}_mask.png")
            cases.append(
                Case(
                    stem, f"{name}-p{i}", folder / f"{stem}.png", (folder / f"{stem}_mask.png",),
                    "malignant" if malignant else "benign", clinical if fields and i % 5 else {},
                    {"manufacturer": "A" if i % 2 else "B"},
                )
            )  # fmt: skip
    return Cohort(
        name, tuple(cases), SCHEMA if fields else ClinicalSchema(()), ("benign", "malignant"), "malignant", "Drawn.",
        ("truth",), (("none", 0),), "CC0", "this test", "nowhere",
    )  # fmt: skip
