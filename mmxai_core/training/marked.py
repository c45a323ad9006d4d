"""What the models say where a reader has marked the lesion, beside what they say where they found it themselves.

The reader is whoever drew the cohort's outlines or boxes: the second glance is the square that these give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.evaluation.bootstrap import intervals
from mmxai_core.evaluation.compare import clustered_delong
from mmxai_core.evaluation.metrics import weighted_auc
from mmxai_core.model.glance import MISSED, square_overlap
from mmxai_core.training.augment import lesion_boxes
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.fusion_stage import StateCache, fused_logits
from mmxai_core.training.image_stage import encode_cases, image_logits
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.training.recipe import Fitted


def score_marked(fitted: Fitted, test: CohortArrays) -> Json:
    """The held-out cases that have an outline, with the second glance where it says.

    Args:
        fitted: Models of the fold.
        test: Its held-out cases.

    Returns:
        {"case_ids", "overlap": intersection over union of the square that the fused network's image branch finds and
        the outline's, "probabilities": by model, as `crossval.score_fold` has them}; empty where no case has one.
    """
    outlined = test.lesion.any(axis=(1, 2))
    if not outlined.any():
        return {}
    test = test.take(np.flatnonzero(outlined)).encoded(fitted.schema)
    encoder = fitted.network.image_encoder
    found = torch.cat([s.boxes.cpu() for s in encode_cases(encoder, test)])
    told = lesion_boxes(torch.from_numpy(test.lesion).float()[:, None], None)
    cache = StateCache.build(encoder, test, views=0, seed=0, marked=True)
    logits = {f"fused|{k}": v for k, v in fused_logits(fitted.network, cache, test, fitted.schema).items()}
    logits["image"] = image_logits(fitted.image, test, marked=True)
    return {
        "case_ids": list(test.case_ids),
        "overlap": square_overlap(found, told).tolist(),
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
        {"n", "overlap", "missed": shares with 95 % intervals by patient, "models": {key: {"found", "marked": pooled
        AUC, "difference": marked minus found, DeLong, clustered by patient}}, which is empty where fewer than two cases
        of a class have an outline}; None where a fold has no such entry or no case.
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
    if min(labels.sum(), (~labels).sum()) > 1:  # outlines of one class only tell nothing of both
        for key in folds[0]["marked"]["probabilities"]:
            own = np.array(of_kept([f["probabilities"][key] for f in folds]))
            told = np.concatenate([f["marked"]["probabilities"][key] for f in folds])
            aucs = {name: partial(weighted_auc, labels, p) for name, p in (("found", own), ("marked", told))}
            test = clustered_delong(labels, told, own, groups=groups)
            difference = {"value": test.difference.value, "low": test.difference.low, "high": test.difference.high}
            models[key] = _cells(aucs, groups, seed, replicates) | {"difference": {**difference, "p": test.p_value}}
    shares = {"overlap": _mean(overlap), "missed": _mean((overlap < MISSED).astype(np.float64))}
    return {"n": len(labels), **_cells(shares, groups, seed, replicates), "models": models}


def _cells(
    values: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]], groups: Sequence[str], seed: int,
    replicates: int,
) -> dict[str, Json]:  # fmt: skip
    """Weighted statistics by name -> {"value", "low", "high"} of each, 95 % by patient; None where undefined."""
    found = intervals(lambda w: {k: f(w) for k, f in values.items()}, groups, replicates=replicates, seed=seed)
    return {
        k: None if i is None else {"value": i.value, "low": i.low, "high": i.high} for k, i in found.items()
    }  # fmt: skip


def _mean(values: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda w: np.asarray(w @ values / w.sum(1), np.float64)
