"""Patient-grouped cross-validation of the whole recipe, fold by fold, resumable."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.bootstrap import metric_intervals
from mmxai_core.evaluation.compare import clustered_delong
from mmxai_core.evaluation.localization import localize
from mmxai_core.evaluation.metrics import Scored, auc
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.altered_inputs import altered_inputs
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.fusion_stage import StateCache, clinical_logits, fused_logits
from mmxai_core.training.image_stage import image_logits
from mmxai_core.training.marked import score_marked, summarise_marked
from mmxai_core.training.missing import LEVELS, level_mask
from mmxai_core.training.pretrain import pretrain_encoder
from mmxai_core.training.recipe import Fitted, fit_split
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.saliency_scale import case_maps
from mmxai_core.training.split import hold_out, patient_folds, split_hash
from mmxai_core.types import Json

#: The entry of a fold's file that came last.
NEWEST = "marked"


def _probability(logits: torch.Tensor, temperature: float) -> list[float]:
    """(N, 2) logits -> calibrated probability of the positive (second) class."""
    return torch.softmax(logits.double() / temperature, -1)[:, 1].tolist()


def score_fold(fitted: Fitted, test: CohortArrays) -> dict[str, list[float]]:
    """Calibrated probabilities of the held-out cases, by model and level of field groups.

    Keys: "fused|<level>", "clinical|<level>", "image" (the image-only sibling), "fused|image" (fused, no field known).
    """
    test = test.encoded(fitted.schema)
    cache = StateCache.build(fitted.network.image_encoder, test, views=0, seed=0)
    fused = fused_logits(fitted.network, cache, test, fitted.schema)
    single = clinical_logits(fitted.clinical, test, fitted.schema)
    t = fitted.temperature
    out = {f"fused|{k}": _probability(v, t["fused"]) for k, v in fused.items()}
    out |= {f"clinical|{k}": _probability(v, t["clinical"]) for k, v in single.items()}
    out["image"] = _probability(image_logits(fitted.image, test), t["image"])
    return out


def score_altered(fitted: Fitted, test: CohortArrays) -> dict[str, list[float]]:
    """Calibrated probabilities of the image-only sibling on the held-out images with something taken out.

    Returns:
        By what was taken out; see `altered_inputs`.
    """
    t = fitted.temperature["image"]
    return {name: _probability(image_logits(fitted.image, x), t) for name, x in altered_inputs(test).items()}


def localise_fold(fitted: Fitted, test: CohortArrays) -> list[Json]:
    """Grad-CAM++ of the more probable class against each held-out case's mask; history known; padding left out.

    Cases without a lesion mask are left out.

    Returns:
        "case_id", "hit", "iou", "energy" and "lesion_share" of each; see `evaluation.localization.Localization`.
    """
    test = test.encoded(fitted.schema)
    known = torch.from_numpy(test.known) & level_mask(fitted.schema, LEVELS["history"])
    size, rows = test.grey.shape[-1], []
    for i, grid in enumerate(case_maps(fitted.network, test, known)):
        if not test.lesion[i].any():
            continue
        y, x, h, w = test.content[i].tolist()
        fine = F.interpolate(torch.from_numpy(grid)[None, None], size=(size, size), mode="bilinear")[0, 0].numpy()
        found = localize(fine[y : y + h, x : x + w], test.lesion[i][y : y + h, x : x + w].astype(bool))
        rows.append(
            {"case_id": test.case_ids[i], "hit": float(found.hit), "iou": found.iou, "energy": found.energy,
             "lesion_share": found.lesion_share}
        )  # fmt: skip
    return rows


def cross_validate(
    data: CohortArrays, *, pretrained: ImageEncoder | None, replay: CohortArrays | None, schema: ClinicalSchema,
    config: TrainConfig, log: RunLog, folds: int = 5, task: str = "", only: Collection[int] | None = None,
) -> list[Json]:  # fmt: skip
    """Runs the recipe on each fold; each finished fold lies in fold-<k>.json and is not run again.

    A file of an earlier version that lacks an entry is written again, from the fold's kept models where they are there.

    Args:
        data: The cohort.
        pretrained: Image branch to start from, trained on another cohort; None: each fold pretrains one on its own
            training cases, so that no held-out case is seen.
        replay: Cases of the other cohort to mix in, or None.
        schema: Fields.
        config: Settings.
        log: Log and checkpoints.
        folds: Number of folds.
        task: The cohort's question, for the fold's file.
        only: Numbers of the folds to run, from 0; None: all.

    Returns:
        One dict a fold: case ids, labels, probabilities by model, localisation, temperatures; ids, labels and logits of
        its validation cases, those of the siblings apart; what the image-only one says with parts of the image taken
        out; what the models say where the expert's outline places the second glance. Each is
        calibrated by its own validation cases: see `common_scale.on_one_scale` before they are pooled.
    """
    out = []
    for k, (rest, held) in enumerate(patient_folds(data.labels, data.patients, folds=folds, seed=config.seed)):
        if only is not None and k not in only:
            continue
        path = log.folder / f"fold-{k}.json"
        if not _is_whole(path):
            inner = data.take(rest)
            train, validation = hold_out(inner.labels, inner.patients, part=config.validation, seed=config.seed + k)
            start = pretrained or pretrain_encoder(
                inner.take(train),
                config=config,
                log=log,
                name=f"fold {k} pretrain",
                validation=inner.take(validation),
            )
            fitted = fit_split(
                inner.take(train), inner.take(validation), pretrained=start, replay=replay, schema=schema,
                config=config, log=log, name=f"fold {k}", seed=config.seed + k,
            )  # fmt: skip
            test, seen = data.take(held), inner.take(validation).encoded(fitted.schema)
            result: dict[str, Any] = {
                "fold": k,
                "task": task,
                "fields": [f.id for f in schema.fields],
                "case_ids": list(test.case_ids),
                "patients": list(test.patients),
                "labels": test.labels.tolist(),
                "split": {"train": split_hash(inner.take(train).case_ids), "test": split_hash(test.case_ids)},
                "probabilities": score_fold(fitted, test),
                "localization": localise_fold(fitted, test),
                "temperature": dict(fitted.temperature),
                "validation_logits": {n: v.tolist() for n, v in fitted.validation_logits.items()},
                "image_validation_logits": image_logits(fitted.image, seen).tolist(),
                "clinical_validation_logits": {
                    n: v.tolist() for n, v in clinical_logits(fitted.clinical, seen, fitted.schema).items()
                },
                "validation_ids": list(inner.take(validation).case_ids),
                "validation_labels": fitted.validation_labels.tolist(),
                "stages": {n: dict(v) for n, v in fitted.stages.items()},
                "image_altered": score_altered(fitted, test),
                "marked": score_marked(fitted, test),
            }
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps(result), encoding="utf-8")
            partial.replace(path)
        kept = json.loads(path.read_text(encoding="utf-8"))
        asked = task, [f.id for f in schema.fields]
        if (kept.get("task", asked[0]), kept.get("fields", asked[1])) != asked:  # earlier versions did not write them
            raise CohortError(
                f"{path.name} of the run {log.folder.name} asked another question, or of other fields; give another "
                "run folder."
            )
        out.append(kept)
    return out


def _is_whole(path: Path) -> bool:
    """Whether a fold's file is there, with what later versions came to need: else the fold is scored again."""
    return path.is_file() and NEWEST in json.loads(path.read_text(encoding="utf-8"))


def _pooled(folds: list[Json], key: str) -> NDArray[np.float64]:
    return np.concatenate([f["probabilities"][key] for f in folds])


def summarise(folds: list[Json], *, seed: int, replicates: int = 2000) -> Json:
    """Pooled out-of-fold metrics with patient-bootstrap 95 % intervals, paired tests, localisation.

    Pooling is over cases: every case is scored once, by the model that never saw its patient.
    """
    labels = np.concatenate([f["labels"] for f in folds]).astype(bool)
    groups = [p for f in folds for p in f["patients"]]

    def table(key: str) -> Json:
        scored = Scored(labels, _pooled(folds, key))
        return {
            n: (None if i is None else {"value": i.value, "low": i.low, "high": i.high})
            for n, i in metric_intervals(scored, groups, replicates=replicates, seed=seed).items()
        }

    models = {key: table(key) for key in folds[0]["probabilities"]}
    tests: dict[str, Json] = {}
    for level in LEVELS:
        for rival in ("image", f"clinical|{level}"):
            test = clustered_delong(labels, _pooled(folds, f"fused|{level}"), _pooled(folds, rival), groups=groups)
            tests[f"fused|{level} - {rival}"] = {
                "value": test.difference.value, "low": test.difference.low, "high": test.difference.high,
                "p": test.p_value,
            }  # fmt: skip
    rows = [r for f in folds for r in f["localization"]]
    return {
        "n": len(labels),
        "patients": len(set(groups)),
        "folds": len(folds),
        "prevalence": float(labels.mean()),
        "models": models,
        "auc_difference_delong": tests,
        "auc_by_fold": {
            key: [fold_auc(f, key) for f in folds] for key in ("image", *(f"fused|{level}" for level in LEVELS))
        },
        "localization": {"n": len(rows)} | {m: _interval([r[m] for r in rows], seed) for m in ("hit", "iou", "energy")}
        if rows
        else None,
    } | ({} if (marked := summarise_marked(folds, seed=seed, replicates=replicates)) is None else {"marked": marked})


def at_threshold(folds: list[Json], threshold: float, *, seed: int, replicates: int = 2000) -> Json:
    """What the fused network's calls at one threshold are worth, out of fold, with patient-bootstrap 95 % intervals.

    Args:
        folds: What `cross_validate` gives.
        threshold: On the positive class's probability, from the folds' validation cases; another fold was
            tested on each of them.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.

    Returns:
        {"threshold", "models": {key: {"sensitivity", "specificity", "ppv", "npv", "accuracy"}}}.
    """
    labels = np.concatenate([f["labels"] for f in folds]).astype(bool)
    groups = [p for f in folds for p in f["patients"]]
    models: dict[str, Json] = {}
    for key in (k for k in folds[0]["probabilities"] if k.startswith("fused|")):
        scored = Scored(labels, _pooled(folds, key), threshold=threshold)
        found = metric_intervals(scored, groups, replicates=replicates, seed=seed)
        models[key] = {
            n: {"value": i.value, "low": i.low, "high": i.high}
            for n in ("sensitivity", "specificity", "ppv", "npv", "accuracy")
            if (i := found[n]) is not None
        }
    return {"threshold": threshold, "models": models}


def fold_auc(fold: Mapping[str, Any], key: str) -> float | None:
    """The AUC of a fold's held-out cases by one entry of its probabilities; None where they are of one class."""
    return auc(fold["labels"], fold["probabilities"][key])


def _interval(values: list[float], seed: int, replicates: int = 2000) -> Json:
    """Mean with bootstrap percentile interval over cases."""
    x = np.array(values)
    means = x[np.random.default_rng(seed).integers(0, len(x), (replicates, len(x)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"value": float(x.mean()), "low": float(low), "high": float(high)}
