"""The committed results: every file reads, no figure is typed by hand, no patient is on two sides of a split."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmxai_core.comparison import files
from mmxai_core.comparison.config import load_compare_config
from mmxai_core.comparison.models import SHIPPED, SHIPPED_IMAGE
from mmxai_core.comparison.units import read_units
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.settings_file import build_settings
from mmxai_core.types import Json

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"
RUNS = tuple(run for results in sorted(PRETRAINED.glob("*/results")) for run in files.runs(results))


@pytest.fixture(params=RUNS, ids=[f"{p.parents[1].name}-{p.name}" for p in RUNS])
def run(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


def test_there_are_runs() -> None:
    found = {(p.parents[1].name, p.name) for p in RUNS}
    assert found == {
        ("breast-us", "breast_lesions_usg"), ("breast-us", "bus_bra"), ("duke-mri", "duke"), ("lgg-mri", "lgg"),
    }  # fmt: skip


def test_every_file_reads(run: Path) -> None:
    config, metrics = files.read_config(run), files.read_metrics(run)
    status = {metrics.status, files.read_tests(run).status, files.read_subgroups(run).status}
    assert len(status) == 1
    done, planned = (int(n) for n in metrics.status.split(": ")[1].removesuffix(" units").split(" of "))
    assert planned == sum(m.seeds for m in config.models) * config.folds
    assert (done == planned) == metrics.complete
    files.read_leakage(run), files.read_generalisation(run)


def test_no_group_has_an_interval_without_width(run: Path) -> None:
    for row in files.read_subgroups(run).rows:
        for rate in (row.auc, row.sensitivity, row.specificity):
            assert rate.low is None or rate.high is None or rate.low < rate.high, (row.factor, row.group)


def test_auc_is_that_of_the_predictions(run: Path) -> None:
    config, metrics = files.read_config(run), files.read_metrics(run)
    scores: dict[tuple[str, str, int], dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for p in files.read_predictions(run):
        unit = p.patient if config.unit == "patient" else p.case
        scores[p.model, p.level, p.seed][unit].append((p.probability, p.label))
    for row in metrics.models:
        if not row.metrics:
            continue
        by_seed = []
        for seed in row.seeds:
            table = scores[row.model, row.level, seed].values()
            by_seed.append(
                roc_auc_score([max(y for _, y in v) for v in table], [np.mean([q for q, _ in v]) for v in table])
            )
            assert len(table) == row.n
        assert row.metrics["auc"].value == pytest.approx(np.mean(by_seed), abs=2e-5), (row.model, row.level)


def _settings(kept: Json) -> TrainConfig:
    """A setting that came later has its default."""
    config: TrainConfig = build_settings(TrainConfig, kept, "", TrainConfig())
    return config


def _recipe(run: Path, seed: int) -> TrainConfig:
    """The settings with which a unit of the shipped recipe must have been trained.

    On the bundle's own cohort: the bundle's, whatever the seed. On its pretraining cohort there is none to pretrain on:
    each fold's image branch comes from that fold's own training cases, of which as many are kept for validation as the
    bundle keeps of the pretraining cohort; and there is no bundle, of which phantoms could be asked.
    """
    shipped = _settings(json.loads((run.parents[1] / "results.json").read_text())["training"]["config"])
    shipped = replace(shipped, seed=seed)
    if files.read_config(run).cohort != shipped.pretrain_cohort:
        return shipped
    return replace(shipped, pretrain_cohort="", validation=shipped.pretrain_validation, phantoms=0)


def test_predictions_are_those_of_the_units_and_of_held_out_cases(run: Path) -> None:
    splits = {(s["seed"], s["fold"]): s for s in json.loads((run / "splits.json").read_text())["splits"]}
    units, patient = read_units(run), {p.case: p.patient for p in files.read_predictions(run)}
    for unit in units:
        split = splits[unit.seed, unit.fold]
        assert set(unit.test_ids) == set(split["test"]["case_ids"])
        if unit.model in (SHIPPED, SHIPPED_IMAGE):  # `train` cut the rest of the fold otherwise
            assert set(unit.validation_ids) <= set(split["train"]["case_ids"]) | set(split["validation"]["case_ids"])
            assert not {patient[c] for c in unit.validation_ids} & {patient[c] for c in unit.test_ids}
            assert _settings(unit.account["settings"]) == _recipe(run, unit.seed)
        else:
            assert set(unit.validation_ids) == set(split["validation"]["case_ids"])
    rows = sum(len(unit.test_ids) * len(unit.scores) for unit in units)
    assert len(files.read_predictions(run)) == rows


def test_settings_are_those_of_the_run(run: Path) -> None:
    """A run is gone on with only where its settings are the same; so a setting that came later must not show."""
    kept = json.loads((run / "config.json").read_text())["settings"]
    settings = load_compare_config(run / "settings.toml").to_json()
    assert json.loads(json.dumps(settings)) == kept


def test_no_patient_is_on_two_sides(run: Path) -> None:
    patient = {p.case: p.patient for p in files.read_predictions(run)}
    for split in json.loads((run / "splits.json").read_text())["splits"]:
        sides = [
            {patient[c] for c in split[part]["case_ids"] if c in patient} for part in ("train", "validation", "test")
        ]
        assert len(set.union(*sides)) == sum(map(len, sides))
