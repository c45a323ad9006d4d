"""Writes a bundle's model card anew from its results, and takes up what its recipe came to with other seeds."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.metrics import auc
from mmxai_core.model.bundle import Bundle, load_bundle, refresh_hashes
from mmxai_core.model.bundle_format import MODEL_CARD, RESULTS, dump_json
from mmxai_core.training.card import model_card
from mmxai_core.training.common_scale import on_one_scale
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.enrich import read_folds
from mmxai_core.training.settings_file import build_settings
from mmxai_core.training.split import split_hash
from mmxai_core.types import Json

#: Settings in which runs of one recipe may differ: the last says when checkpoints are written, and changes no number.
_FREE = ("seed", "checkpoint_steps")


def config_of(results: Mapping[str, Any]) -> TrainConfig:
    """The settings that a bundle's results were made with.

    Args:
        results: Content of its `results.json`.

    Raises:
        CohortError: They are not there, or of a version that this one cannot read.
    """
    kept = results.get("training", {}).get("config")
    if not isinstance(kept, dict):
        raise CohortError(f"{RESULTS} does not hold the settings of the training (training.config).")
    config: TrainConfig = build_settings(TrainConfig, kept, "", TrainConfig())
    return config


def other_seeds(runs: Sequence[Path], results: Mapping[str, Any]) -> Json:
    """What the recipe came to on the same cases with other seeds: pooled out-of-fold AUC, on one scale.

    Args:
        runs: Run folders of `train`, with config.json and every fold-<k>.json.
        results: Content of the bundle's `results.json`.

    Returns:
        {"seeds": [...], "auc": {model: [one a seed]}}, by rising seed.

    Raises:
        CohortError: A run is not whole, is of other settings or other cases, or repeats a seed.
    """
    own, kept = config_of(results).to_json(), results["cross_validation"]["models"]
    found: dict[int, dict[str, float]] = {}
    for run in runs:
        try:
            kept_run = json.loads((run / "config.json").read_text(encoding="utf-8"))
            settings, inputs = kept_run["settings"], dict(kept_run["cohorts"][results["cohort"]])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CohortError(
                f"The run folder {run.name} has no config.json that `train` wrote for {results['cohort']}."
            ) from error
        theirs = build_settings(TrainConfig, settings, "", TrainConfig()).to_json()
        if other := sorted(k for k in own.keys() | theirs.keys() if k not in _FREE and own.get(k) != theirs.get(k)):
            raise CohortError(f"The run {run.name} is of another recipe than the bundle: {', '.join(other)} differ.")
        seed = int(theirs["seed"])
        if seed == own["seed"] or seed in found:
            raise CohortError(f"The run {run.name} has seed {seed}, which is there already.")
        if inputs.get("cases") != results["training"]["cases"]:
            raise CohortError(f"The run {run.name} is of other cases than the bundle.")
        folds = read_folds(run)
        if len(folds) != own["folds"]:
            raise CohortError(f"The run {run.name} has {len(folds)} of {own['folds']} folds.")
        found[seed] = _pooled_auc(run, folds, models=kept)
    seeds = sorted(found)
    return {"seeds": seeds, "auc": {k: [found[s][k] for s in seeds] for k in kept}}


def _pooled_auc(run: Path, folds: Sequence[Json], *, models: Collection[str]) -> dict[str, float]:
    scaled, found = on_one_scale(folds), dict[str, float]()
    try:
        labels = np.concatenate([f["labels"] for f in scaled]).astype(bool)
        for model in models:
            value = auc(labels, np.concatenate([f["probabilities"][model] for f in scaled]))
            if value is None:
                raise CohortError(f"The run {run.name} tested cases of one class only.")
            found[model] = value
    except (KeyError, ValueError) as error:
        raise CohortError(f"A fold of the run {run.name} lacks scores that the bundle has: {error}.") from error
    return found


def rewrite_card(path: Path, cohort: Cohort, *, pretrain: Cohort | None = None, runs: Sequence[Path] = ()) -> Bundle:
    """Writes `MODEL_CARD.md` anew, as this version words it; and other seeds into `results.json` where runs are given.

    Args:
        path: The bundle's folder.
        cohort: The cohort it was trained on.
        pretrain: The cohort its image branch was first trained on; needed where its settings name one.
        runs: Runs of the same recipe with other seeds; none: those already in `results.json` stay.

    Raises:
        BundleError: The bundle cannot be read.
        CohortError: It is of another cohort, of other cases or of another task; or see `other_seeds`.
    """
    bundle = load_bundle(path)
    results = dict(bundle.results())
    if results.get("cohort") != cohort.name:
        raise CohortError(f"Bundle {bundle.name!r} is of cohort {results.get('cohort')}; got {cohort.name}.")
    config = config_of(results)
    if cohort.task != bundle.metadata.get("task", cohort.task):
        raise CohortError(f"Bundle {bundle.name!r} answers {bundle.metadata['task']}; got {cohort.task}: give --task.")
    if split_hash([c.case_id for c in cohort.cases]) != results["training"]["cases"]:
        raise CohortError(f"The folder of {cohort.name} holds other cases than bundle {bundle.name!r} was trained on.")
    if (pretrain.name if pretrain else "") != config.pretrain_cohort:
        wanted = config.pretrain_cohort or "no other cohort"
        raise CohortError(f"The image branch of bundle {bundle.name!r} was first trained on {wanted}; give that one.")
    if runs:
        results["other_seeds"] = other_seeds(runs, results)
    card = model_card(bundle.name, cohort, pretrain, config, results)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path) as stage:
        for name, text in ((MODEL_CARD, card), (RESULTS, dump_json(results))):
            (Path(stage) / name).write_text(text, encoding="utf-8")
            (Path(stage) / name).replace(path / name)
    return refresh_hashes(path)
