"""What the models say where a reader has marked the lesion, beside what they say where they found it themselves.

The reader is the expert who drew the cohort's outlines: the second glance is the square that the outline gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmxai_core.evaluation.bootstrap import metric_intervals
from mmxai_core.evaluation.compare import clustered_delong
from mmxai_core.evaluation.metrics import Scored
from mmxai_core.model.glance import square_overlap
from mmxai_core.training.augment import lesion_boxes
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.fusion_stage import StateCache, fused_logits
from mmxai_core.training.image_stage import encode_cases, image_logits
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.training.recipe import Fitted

#: The second glance is elsewhere where it overlaps the expert's by less.
MISSED = 0.1


def score_marked(fitted: Fitted, test: CohortArrays) -> Json:
    """The held-out cases that have an outline, with the second glance where it says.

    Args:
        fitted: Models of the fold.
        test: Its held-out cases.

    Returns:
        {"case_ids", "overlap": intersection over union of the square that the fused network's image branch finds and
        the outline's, "probabilities": by model, as `crossval.score_fold` has them}; empty where no case has one.
    """
    if not test.has_mask.any():
        return {}
    test = test.take(np.flatnonzero(test.has_mask)).encoded(fitted.schema)
    encoder = fitted.network.image_encoder
    found = torch.cat([s.boxes.cpu() for s in encode_cases(encoder, test)])
    outlined = lesion_boxes(torch.from_numpy(test.lesion).float()[:, None], None)
    cache = StateCache.build(encoder, test, views=0, seed=0, marked=True)
    logits = {f"fused|{k}": v for k, v in fused_logits(fitted.network, cache, test, fitted.schema).items()}
    logits["image"] = image_logits(fitted.image, test, marked=True)
    return {
        "case_ids": list(test.case_ids),
        "overlap": square_overlap(found, outlined).tolist(),
        "probabilities": {
            k: torch.softmax(v.double() / fitted.temperature[k.split("|")[0]], -1)[:, 1].tolist()
            for k, v in logits.items()
        },
    }


def summarise_marked(folds: Sequence[Mapping[str, Any]], *, seed: int, replicates: int = 2000) -> Json | None:
    """AUC where the expert marks the lesion and where the model finds it, of the same cases, out of fold.

    Args:
        folds: Of one cross-validation, on one scale.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.

    Returns:
        {"n", "overlap", "missed": shares with 95 % intervals by patient, "models": {key: {"found", "marked": AUC,
        "difference": marked minus found, DeLong, clustered by patient}}}; None where a fold has no such entry or no
        case.
    """
    if not all(f.get("marked") for f in folds):
        return None
    overlap = np.concatenate([f["marked"]["overlap"] for f in folds])
    keep = [[f["case_ids"].index(c) for c in f["marked"]["case_ids"]] for f in folds]

    def of_kept(values: Sequence[Sequence[Any]]) -> list[Any]:
        return [v[i] for v, index in zip(values, keep, strict=True) for i in index]

    labels = np.array(of_kept([f["labels"] for f in folds])).astype(bool)
    groups = of_kept([f["patients"] for f in folds])
    models: dict[str, Json] = {}
    for key in folds[0]["marked"]["probabilities"]:
        own = np.array(of_kept([f["probabilities"][key] for f in folds]))
        told = np.concatenate([f["marked"]["probabilities"][key] for f in folds])
        test = clustered_delong(labels, told, own, groups=groups)
        difference = {"value": test.difference.value, "low": test.difference.low, "high": test.difference.high}
        models[key] = {
            "found": _auc(labels, own, groups, seed, replicates),
            "marked": _auc(labels, told, groups, seed, replicates),
            "difference": {**difference, "p": test.p_value},
        }
    return {
        "n": len(labels),
        "overlap": _mean(overlap, groups, seed, replicates),
        "missed": _mean((overlap < MISSED).astype(float), groups, seed, replicates),
        "models": models,
    }


def _auc(labels: Any, scores: Any, groups: Sequence[str], seed: int, replicates: int) -> Json:
    interval = metric_intervals(Scored(labels, scores), groups, replicates=replicates, seed=seed)["auc"]
    return None if interval is None else {"value": interval.value, "low": interval.low, "high": interval.high}


def _mean(values: Any, groups: Sequence[str], seed: int, replicates: int) -> Json:
    """Mean with a percentile interval over patients drawn with replacement."""
    names, of = np.unique(np.asarray(groups), return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(0, len(names), (replicates, len(names)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return {"value": float(np.mean(values)), "low": float(low), "high": float(high)}
