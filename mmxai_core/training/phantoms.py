"""A bundle's score on fresh synthetic phantoms: a check of the machinery, not of accuracy."""

from __future__ import annotations

import numpy as np
import torch

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.evaluation.bootstrap import metric_intervals
from mmxai_core.evaluation.metrics import Scored
from mmxai_core.model.network import FusedNetwork
from mmxai_core.phantom import make_phantoms
from mmxai_core.preprocess import prepare_image
from mmxai_core.types import Json


@torch.no_grad()
def score_phantoms(network: FusedNetwork, schema: ClinicalSchema, *, temperature: float, seed: int, count: int) -> Json:
    """AUC on `count` phantoms with their fields ("fused") and with none ("image").

    Args:
        network: In evaluation mode.
        schema: Its schema.
        temperature: Of the bundle.
        seed: Seed of the phantoms; kept apart from those of the shipped samples.
        count: How many.
    """
    network.eval()
    phantoms = make_phantoms(count, seed=10_000 + seed)
    scores: dict[str, list[float]] = {"fused": [], "image": []}
    for phantom in phantoms:
        canvas, _ = prepare_image(np.divide(phantom.pixels, 255, dtype=np.float32), canvas=network.arch.canvas)
        state = network.encode_image(torch.from_numpy(canvas)[None, None])
        encoded = schema.encode(schema.record({k: v for k, v in phantom.clinical.items() if k in schema.ids}))
        values = torch.from_numpy(encoded.values)[None]
        for name, known in (("fused", encoded.known), ("image", np.zeros_like(encoded.known))):
            tokens = network.encode_clinical(values, torch.from_numpy(known)[None])
            logits = network.fuse(state, tokens)[0].logits / temperature
            scores[name].append(float(torch.softmax(logits.double(), -1)[0, 1]))
    labels = np.array([p.label == "malignant" for p in phantoms])
    groups = [str(i) for i in range(count)]
    auc = {n: metric_intervals(Scored(labels, np.array(s)), groups, seed=seed)["auc"] for n, s in scores.items()}
    return {
        "n": count,
        "seed": 10_000 + seed,
        "auc": {n: None if i is None else {"value": i.value, "low": i.low, "high": i.high} for n, i in auc.items()},
    }
