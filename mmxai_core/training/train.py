"""One command trains a bundle: pretraining, cross-validation, last fit on all cases, calibration, model card."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError, MmxaiError
from mmxai_core.evaluation.bootstrap import metric_intervals
from mmxai_core.evaluation.calibration import fit_temperature, youden_threshold
from mmxai_core.evaluation.metrics import Scored
from mmxai_core.model.bundle import Bundle, write_bundle
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.background import synthetic_background
from mmxai_core.training.card import model_card
from mmxai_core.training.common_scale import on_one_scale
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.crossval import at_threshold, cross_validate, summarise
from mmxai_core.training.data import CohortArrays, load_arrays
from mmxai_core.training.enrich import Setting, Source, enrich
from mmxai_core.training.execution import check_amp
from mmxai_core.training.image_stage import image_logits
from mmxai_core.training.phantoms import score_phantoms
from mmxai_core.training.pretrain import pretrain_encoder
from mmxai_core.training.purpose import intended_use, purpose_of
from mmxai_core.training.recipe import fit_split
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.saliency_scale import saliency_reference
from mmxai_core.training.settings_file import build_settings, save_config
from mmxai_core.training.split import hold_out, split_hash
from mmxai_core.types import Json


def _external(encoder: ImageEncoder, source: CohortArrays, target: CohortArrays, *, config: TrainConfig) -> Json:
    """The image branch of the source cohort alone, on its own held-out patients and on the whole target cohort."""
    _, held = hold_out(source.labels, source.patients, part=config.pretrain_validation, seed=config.seed)
    inner = source.take(held)
    logits = image_logits(encoder, inner)
    temperature = fit_temperature(logits.numpy(), inner.labels)
    out = {}
    for name, data, x in (("validation_split", inner, logits), ("external", target, image_logits(encoder, target))):
        scored = Scored(data.labels.astype(bool), torch.softmax(x.double() / temperature, -1)[:, 1].numpy())
        table = metric_intervals(scored, list(data.patients), seed=config.seed)
        out[name] = {"n": len(data)} | {
            m: None if i is None else {"value": i.value, "low": i.low, "high": i.high} for m, i in table.items()
        }
    return out


def _same_run(path: Path, config: TrainConfig, inputs: Json) -> bool:
    """Whether a run folder's settings and cases are these; a setting that the folder does not name has its default."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        settings = build_settings(TrainConfig, kept["settings"], "", TrainConfig())
    except (ValueError, KeyError, TypeError, AttributeError, MmxaiError):
        return False
    return bool(settings == config and kept["cohorts"] == inputs)


def _kept_epochs(folds: list[Json]) -> dict[str, int]:
    """Median best epoch of each stage over the folds: how long the last fit on all cases runs."""
    stages = [s for s in ("finder", "image", "fusion", "clinical") if s in folds[0]["stages"]]
    return {s: int(np.median([f["stages"][s]["best_epoch"] for f in folds])) for s in stages}


def _calibration(folds: list[Json]) -> tuple[float, float, Json]:
    """(temperature, threshold, account) from the folds' validation splits, all levels of field groups together."""
    levels = [k for k in folds[0]["validation_logits"] if k != "image"]
    logits = np.concatenate([np.array(f["validation_logits"][k]) for f in folds for k in levels])
    labels = np.concatenate([np.array(f["validation_labels"]) for f in folds for _ in levels])
    temperature = fit_temperature(logits, labels)
    margin = (logits[:, 1] - logits[:, 0]) / temperature
    threshold = youden_threshold(labels.astype(bool), 1 / (1 + np.exp(-margin)))
    account = {
        "data": "validation splits of the cross-validation folds; a fold's own test cases are not in its split, "
        "those of other folds are",
        "cases": len(labels),
        "levels": levels,
        "threshold_rule": "largest sensitivity + specificity - 1 (Youden)",
    }
    return temperature, threshold, account


def _begin(
    cohort: Cohort, *, config: TrainConfig, log: RunLog, pretrain: Cohort | None
) -> tuple[CohortArrays, CohortArrays | None]:
    """Starts or resumes a run: its settings are written down, and the cases read, those of `pretrain` second.

    Raises:
        CohortError: See `train_bundle`; or the folder holds another run.
    """
    check_amp(config.amp, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    log.folder.mkdir(parents=True, exist_ok=True)
    inputs = {
        c.name: {"task": c.task, "cases": split_hash([case.case_id for case in c.cases])}
        for c in (cohort, pretrain)
        if c is not None
    }
    kept_settings = log.folder / "config.json"
    if kept_settings.is_file() and not _same_run(kept_settings, config, inputs):
        raise CohortError(
            f"The run folder {log.folder.name} holds a run with other settings or cases; give another one."
        )
    kept_settings.write_text(json.dumps({"settings": config.to_json(), "cohorts": inputs}, indent=1), encoding="utf-8")
    save_config(config, log.folder / "config.toml")

    def read(c: Cohort) -> CohortArrays:
        return load_arrays(
            c, schema=cohort.schema, canvas=config.arch.canvas,
            progress=lambda done, total: log.progress(f"reading {c.name}", done, total),
        )  # fmt: skip

    data = read(cohort)
    source = read(pretrain) if pretrain else None
    if config.teacher and not any(a for part in (data, source) if part is not None for a in part.assessed):
        raise CohortError("Training setting teacher needs cases with a BI-RADS category; none has one.")
    if config.arch.finder:
        for cohort_, part in ((cohort, data), (pretrain, source)):
            if cohort_ is not None and part is not None and not part.lesion.any():
                raise CohortError(
                    f"Training setting arch.finder needs cases with a lesion mask; {cohort_.name} has none."
                )
    return data, source


def train_folds(
    cohort: Cohort, folds: Collection[int], *, config: TrainConfig, log: RunLog, pretrain: Cohort | None = None
) -> list[Json]:
    """Runs the recipe on some folds and writes no bundle; `train_bundle` of the same cohort goes on from there.

    For a cohort of which no bundle is made but whose folds join a comparison; and for processes that take different
    folds, each in a copy of one run folder.

    Args:
        cohort: Images, masks, fields and labels of two classes.
        folds: Numbers of the folds, from 0.
        config: Settings.
        log: Run folder, progress and cancel.
        pretrain: Cohort for the first training of the image branch, or None.

    Returns:
        See `cross_validate`.

    Raises:
        CohortError: There is no such fold; or see `train_bundle`.
        CancelledError: The run was cancelled; it resumes from its last checkpoint.
    """
    if missing := [k for k in folds if not 0 <= k < config.folds]:
        raise CohortError(f"The folds are 0 to {config.folds - 1}; got {missing[0]}.")
    data, source = _begin(cohort, config=config, log=log, pretrain=pretrain)
    encoder = pretrain_encoder(source, config=config, log=log) if source is not None else None
    return cross_validate(
        data, pretrained=encoder, replay=source, schema=cohort.schema, config=config, log=log, folds=config.folds,
        task=cohort.task, only=folds,
    )  # fmt: skip


def planes_of(cohort: Cohort) -> list[str]:
    """Names of the planes that its pictures show as red, green and blue; empty for grey pictures."""
    return [c.name for c in cohort.cases[0].channels] if cohort.cases else []


def train_bundle(
    cohort: Cohort, out: Path, *, name: str, config: TrainConfig, log: RunLog, pretrain: Cohort | None = None
) -> Bundle:
    """Trains, cross-validates and writes a bundle; started again with the same `log.folder`, it resumes.

    Args:
        cohort: Images, masks, fields and labels of two classes.
        out: Folder of the bundle.
        name: Bundle name.
        config: Settings.
        log: Run folder, progress and cancel.
        pretrain: Cohort for the first training of the image branch, or None.

    Raises:
        CohortError: The cohort cannot be read, has too few patients a class, or the device cannot do `config.amp`.
        CancelledError: The run was cancelled; it resumes from its last checkpoint.
    """
    data, source = _begin(cohort, config=config, log=log, pretrain=pretrain)
    encoder = pretrain_encoder(source if source is not None else data, config=config, log=log)
    results: dict[str, Any] = {"cohort": cohort.name, "seed": config.seed}
    if source is not None and pretrain is not None:
        results["external_test"] = {
            f"image branch trained on {pretrain.name} alone, on {cohort.name}": _external(
                encoder, source, data, config=config
            )
        }
    folds = on_one_scale(cross_validate(
        data, pretrained=encoder if source is not None else None, replay=source, schema=cohort.schema, config=config,
        log=log, folds=config.folds, task=cohort.task,
    ))  # fmt: skip
    results["cross_validation"] = summarise(folds, seed=config.seed)
    temperature, threshold, account = _calibration(folds)
    results["cross_validation"]["at_operating_threshold"] = at_threshold(folds, threshold, seed=config.seed)
    kept = _kept_epochs(folds)
    _, watch = hold_out(data.labels, data.patients, part=config.validation, seed=config.seed)
    fitted = fit_split(
        data, data.take(watch), pretrained=encoder, replay=source, schema=cohort.schema, config=config, log=log,
        name="all cases", seed=config.seed, keep_epochs=kept,
    )  # fmt: skip
    if config.phantoms:
        results["phantoms"] = score_phantoms(
            fitted.network, fitted.schema, temperature=temperature, seed=config.seed, count=config.phantoms
        )
    results["training"] = {
        "config": config.to_json(), "kept_epochs": kept, "cases": split_hash(data.case_ids),
        "folds": [f["split"] for f in folds], "seconds": log.seconds(), "processes": log.team.size,
        "image_stage_device": "cuda" if torch.cuda.is_available() else "cpu",
    }  # fmt: skip
    parts = [c for c in (cohort, pretrain) if c]
    training_data = [
        {"cohort": c.name, "images": len(c.cases), "patients": c.patients, "licence": c.licence, "citation": c.citation,
         "label": c.label, "dropped": [list(d) for d in c.dropped]} for c in parts
    ]  # fmt: skip
    reference = saliency_reference(fitted.network, data.encoded(fitted.schema))
    bundle = write_bundle(
        out, name=name, network=fitted.network, arch=config.arch, schema=fitted.schema, classes=cohort.classes,
        positive_class=cohort.positive_class, temperature=temperature, threshold=threshold,
        intended_use=intended_use(purpose_of(cohort), [c.licence for c in parts]),
        training_data=training_data, background=synthetic_background(data, fitted.schema, seed=config.seed),
        model_card=model_card(name, cohort, pretrain, config, results), results=results,
        extra={
            "calibration": account, "saliency_reference": reference, "task": cohort.task, "planes": planes_of(cohort),
        },
    )  # fmt: skip
    setting = Setting(
        bundle, fitted.network, Source(cohort.name, data.encoded(fitted.schema)),
        (Source(pretrain.name, source),) if pretrain is not None and source is not None else (), tuple(folds),
        config.seed, log.progress,
    )  # fmt: skip
    bundle, _ = enrich(setting)
    for checkpoint in log.folder.glob("*.checkpoint"):
        checkpoint.unlink()
    return bundle
