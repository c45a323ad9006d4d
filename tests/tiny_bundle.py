"""A small seeded network, its schema, and a bundle that holds it: quick to run, and wrong in no way but size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.model.bundle import write_bundle
from mmxai_core.model.config import Architecture
from mmxai_core.model.network import FusedNetwork
from mmxai_core.study import PixelGeometry, Study, StudyImage

ARCH = Architecture(canvas=128, glance=64, width=32, heads=2, depth=2)
SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", unit="years", plausible=(0, 110), fences=(10, 90)),
        Field("palpable", "Palpable lump", "yes_no", "history"),
        Field("nipple_discharge", "Nipple discharge", "yes_no", "history"),
        Field("margin", "Margin", "categorical", "descriptor", categories=(("smooth", "Smooth"), ("spiky", "Spiky"))),
        Field("birads", "BI-RADS", "ordinal", "assessment", categories=tuple((str(i), f"BI-RADS {i}") for i in "2345")),
    )
)


def tiny_network(arch: Architecture = ARCH, schema: ClinicalSchema = SCHEMA, *, seed: int = 0) -> FusedNetwork:
    """Random weights, in evaluation mode; the layers that start at zero are random too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FusedNetwork(arch, schema).eval().requires_grad_(False)
    for layer in (network.fusion.gate[-1], network.fusion.joint[-1]):
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.3)
    return network


def write_tiny_bundle(path: Path, **changes: Any) -> Path:
    """Writes the tiny bundle, with any argument of `write_bundle` changed."""
    given: dict[str, Any] = {
        "name": "tiny",
        "network": tiny_network(),
        "arch": ARCH,
        "schema": SCHEMA,
        "classes": ("benign", "malignant"),
        "positive_class": "malignant",
        "temperature": 1.5,
        "threshold": 0.4,
        "intended_use": "Tests.",
        "training_data": {"cohorts": []},
        "background": pd.DataFrame({"age": [50.0], "palpable": ["yes"], "margin": [None]}),
        "model_card": "# Tiny\n",
        "results": {"auc": float("nan"), "n": np.int64(3)},
        "extra": {"saliency_reference": 2.5, "calibration": {"n": 7}},
    }
    write_bundle(path, **(given | changes))
    return path


def tiny_study(*, images: int = 1, shape: tuple[int, int] = (90, 120), seed: int = 0) -> Study:
    """Speckle with a dark disc in it; another place in each image."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(images):
        y, x = np.mgrid[: shape[0], : shape[1]]
        pixels = rng.rayleigh(0.25, shape)
        pixels[(y - shape[0] / 2) ** 2 + (x - 30 - 12 * i) ** 2 < 15**2] *= 0.2
        made.append(StudyImage(np.clip(pixels, 0, 1).astype(np.float32), PixelGeometry(shape), label=f"Image {i + 1}"))
    return Study(tuple(made), "png", sha256=f"{seed:064x}")
