"""One small case with its options, for the what-if tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from tiny_bundle import SCHEMA, tiny_network

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.explain.options import FieldOptions, OptionHead
from mmxai_core.explain.plausible import OptionChances
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.field_statistics import FieldStatistics, measure_field_statistics
from mmxai_core.model.network import FusedNetwork

TEMPERATURE = 1.5
CANVAS = torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))


@cache
def network(seed: int = 0) -> FusedNetwork:
    """A tiny network whose clinical side moves the output."""
    made = tiny_network(seed=seed)
    made.clinical_encoder.table.mul_(12)
    return made


@cache
def image(of: FusedNetwork, count: int = 1) -> ImageState:
    with torch.no_grad():
        return of.encode_image(CANVAS[:count])


def cohort(n: int = 400, *, seed: int = 0) -> tuple[list[ClinicalRecord], np.ndarray]:
    """Records whose fields go with the class: malignant ones are old, spiky and of high BI-RADS."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(np.int64)
    records = []
    for y in labels:
        raw = {
            "age": float(np.clip(rng.normal(65 if y else 42, 8), 15, 100).round()),
            "palpable": bool(rng.random() < (0.8 if y else 0.3)),
            "nipple_discharge": bool(rng.random() < 0.2),
            "margin": "spiky" if rng.random() < (0.9 if y else 0.1) else "smooth",
            "birads": "2345"[round(float(np.clip(rng.normal(2.6 if y else 0.6, 0.6), 0, 3)))],
        }
        records.append(ClinicalRecord({k: v for k, v in raw.items() if rng.random() < 0.9}))
    return records, labels


@cache
def statistics() -> FieldStatistics:
    records, labels = cohort()
    return measure_field_statistics(records, labels, schema=SCHEMA, classes=2, source="400 made-up cases")


def case(
    raw: Mapping[str, Any], *, of: FusedNetwork | None = None, images: int = 1
) -> tuple[OptionHead, OptionHead, OptionChances]:
    """(head, head without the image, chances) of one case."""
    net = of or network()
    options = FieldOptions.make(SCHEMA, SCHEMA.record(raw))
    with torch.no_grad():
        absent = OptionHead(net, net.encode_image(None), options, temperature=TEMPERATURE, positive=1)
    head = OptionHead(net, image(net, images), options, temperature=TEMPERATURE, positive=1) if images else absent
    return head, absent, OptionChances.make(statistics(), options)
