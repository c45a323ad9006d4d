"""A bundle's own recipe as a model of the comparison: what `train` measured, taken over fold by fold.

`train` and `compare` cut a cohort into the same folds for the same seed; within a fold the validation cases differ.
What is taken over must ask the same question of the same fields, and have held out the same cases; nothing is trained.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.cohort import Split
from mmxai_core.comparison.models import IMAGE_LEVEL, SHIPPED, SHIPPED_IMAGE, levels
from mmxai_core.comparison.units import Localised, Scores, Unit, write_unit
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.calibration import youden_threshold
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.settings_file import load_config
from mmxai_core.types import Json

if TYPE_CHECKING:
    from mmxai_core.comparison.run import Comparison

#: The entry of a fold's file that came last of those that must be there; an earlier version did not write it.
NEWEST = "fields"


def shipped_seeds(folder: Path) -> set[int]:
    """Seeds of which a results folder holds units of the shipped recipe."""
    return {int(p.name.split("-")[0]) for p in (folder / "units").glob(f"*-{SHIPPED}.json")}


def take_over(comparison: Comparison, run: Path) -> int:
    """Writes the units of a `train` run on the same cohort.

    Args:
        comparison: Where to.
        run: The run folder of `train`: config.toml and a fold-<k>.json for each fold.

    Returns:
        Number of folds.

    Raises:
        CohortError: A file is missing or malformed; the run's seed, folds, question or fields are not the comparison's;
            or its image branch saw held-out cases before.
    """
    comparison.prepare()  # another comparison's folder is refused before anything is written
    config = load_config(run / "config.toml")
    if config.pretrain_cohort == comparison.cohort.name or (not config.pretrain_cohort and not _within(run, config)):
        raise CohortError(
            f"The run {run.name} pretrained its image branch on {comparison.cohort.name} itself; a run that joins the "
            "comparison must have another cohort as pretrain_cohort, or have pretrained within each fold."
        )
    splits = [s for s in comparison.splits.values() if s.seed == config.seed]
    if not splits:
        listed = ", ".join(str(s) for s in sorted({s for s, _ in comparison.splits}))
        raise CohortError(f"The run {run.name} has seed {config.seed}; this comparison has the seeds {listed}.")
    if config.folds != len(splits):
        raise CohortError(f"The run {run.name} has {config.folds} folds; this comparison has {len(splits)}.")
    units = [unit for s in splits for unit in _units(comparison, run, config, s)]
    for unit in units:
        write_unit(comparison.plan.out, unit)
    return len(splits)


def _within(run: Path, config: TrainConfig) -> bool:
    """Whether each fold pretrained an image branch of its own, on its own training cases, as the run's log tells."""
    try:
        rows = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        stages = {str(json.loads(row)["stage"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return {f"fold {k} pretrain" for k in range(config.folds)} <= stages


def _units(comparison: Comparison, run: Path, config: TrainConfig, split: Split) -> tuple[Unit, Unit]:
    path = run / f"fold-{split.fold}.json"
    offered = (IMAGE_LEVEL, *levels(comparison.cohort.schema))
    try:
        fold = json.loads(path.read_text(encoding="utf-8"))
        if NEWEST not in fold:
            raise CohortError(
                f"{path.name} of the run {run.name} was written by an earlier version; delete it and run `train` "
                "again, which scores the fold without training it."
            )
        units = _fused(fold, config, split.fold, offered), _image(fold, config, split.fold)
        asked = (fold["task"], fold["fields"])
        labels = dict(zip(fold["case_ids"], fold["labels"], strict=True))
        whole = all(
            len(unit.test_ids) == len(s.test) and len(unit.validation_ids) == len(s.validation)
            for unit in units
            for s in unit.scores.values()
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise CohortError(f"{path.name} of the run {run.name} cannot be read: {error!r}.") from error
    data, cohort = comparison.data, comparison.cohort
    if asked != (cohort.task, [f.id for f in cohort.schema.fields]):
        raise CohortError(f"{path.name} of the run {run.name} asked another question, or of other fields.")
    if not whole or labels != {data.case_ids[i]: int(data.labels[i]) for i in split.test}:
        raise CohortError(f"{path.name} of the run {run.name} has other held-out cases than this comparison's fold.")
    if {data.patients[i] for i in split.test} & _patients(comparison, units[0].validation_ids):
        raise CohortError(f"{path.name} of the run {run.name} has a held-out patient among its validation cases.")
    return units


def _patients(comparison: Comparison, case_ids: tuple[str, ...]) -> set[str]:
    known = dict(zip(comparison.data.case_ids, comparison.data.patients, strict=True))
    return {known[c] for c in case_ids if c in known}


def _fused(fold: Json, config: TrainConfig, k: int, offered: tuple[str, ...]) -> Unit:
    temperature = fold["temperature"]["fused"]
    scores = {
        level: _scores(fold, fold["probabilities"][f"fused|{level}"], fold["validation_logits"][level], temperature)
        for level in offered
    }
    rows = fold["localization"]
    found = None
    if rows:
        ids = tuple(str(r["case_id"]) for r in rows)
        found = Localised(ids, *(tuple(float(r[n]) for r in rows) for n in ("hit", "iou", "energy", "lesion_share")))
    return _unit(fold, config, k, SHIPPED, scores, found)


def _image(fold: Json, config: TrainConfig, k: int) -> Unit:
    scores = _scores(
        fold, fold["probabilities"]["image"], fold["image_validation_logits"], fold["temperature"]["image"]
    )
    altered = {str(name): tuple(float(v) for v in p) for name, p in fold.get("image_altered", {}).items()}
    if any(len(p) != len(fold["case_ids"]) for p in altered.values()):
        raise ValueError("image_altered has another number of cases")
    return replace(_unit(fold, config, k, SHIPPED_IMAGE, {IMAGE_LEVEL: scores}, None), extra=altered)


def _scores(fold: Json, test: list[float], logits: list[list[float]], temperature: float) -> Scores:
    x = np.asarray(logits, np.float64)
    validation: NDArray[np.float64] = 1 / (1 + np.exp(-(x[:, 1] - x[:, 0]) / temperature))
    threshold = youden_threshold(np.asarray(fold["validation_labels"]).astype(bool), validation)
    return Scores(np.asarray(test, np.float64), validation, threshold, temperature)


def _unit(
    fold: Json, config: TrainConfig, k: int, model: str, scores: dict[str, Scores], found: Localised | None
) -> Unit:
    account: dict[str, Any] = {
        "command": "train", "stages": fold["stages"], "train": fold["split"]["train"], "settings": config.to_json(),
        "refit": "training and validation cases, for the best number of epochs" if config.refit else "none",
    }  # fmt: skip
    return Unit(
        config.seed, k, model, tuple(fold["case_ids"]), tuple(fold["validation_ids"]), scores, found, account, {}
    )
