"""Result files: what is written is what is read, a partial run says so, a broken file is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from comparison.example_run import LEVELS, PATIENTS, SEEDS, example_material, example_units, write_example_run

from mmxai_core.comparison import files
from mmxai_core.comparison.measure import write_files
from mmxai_core.comparison.results import METRICS
from mmxai_core.comparison.units import read_units
from mmxai_core.errors import CohortError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example_run(tmp_path_factory.mktemp("results") / "example")


def test_every_file_reads_back(run: Path) -> None:
    config, metrics = files.read_config(run), files.read_metrics(run)
    assert config.seeds == SEEDS and config.levels["history"] == ("history",)
    assert metrics.complete and metrics.status.startswith("complete")
    row = metrics.row("attention", "history+descriptor")
    assert row is not None and row.seeds == SEEDS and row.n == PATIENTS and set(row.metrics) == set(METRICS)
    auc = row.metrics["auc"]
    assert auc.low is not None and auc.value is not None and auc.high is not None
    assert 0.5 < auc.low < auc.value < auc.high <= 1
    assert row.roc is not None and row.roc.true_positive_rate[0] == 0 and row.roc.true_positive_rate[-1] == 1
    assert files.read_leakage(run) is not None and files.read_generalisation(run) is not None
    assert files.runs(run.parent) == (run,)


def test_confusion_counts_add_up_and_agree_with_predictions(run: Path) -> None:
    row = files.read_metrics(run).row("image", "image")
    assert row is not None and row.confusion is not None
    c = row.confusion
    assert all(abs(tp + fp + fn + tn - row.n) < 1e-5 for tp, fp, fn, tn in zip(c.tp, c.fp, c.fn, c.tn, strict=True))
    mine = [p for p in files.read_predictions(run) if (p.model, p.level) == ("image", "image")]
    assert len(mine) == PATIENTS * len(SEEDS)
    at_half = sum(p.probability >= 0.5 and p.label == 1 for p in mine) / len(SEEDS)
    assert c.tp[c.threshold.index(0.5)] == pytest.approx(at_half)


def test_tests_are_adjusted_within_a_level(run: Path) -> None:
    tests = files.read_tests(run).rows
    here = [t for t in tests if t.level == "history"]
    assert len(here) == 12 and len({t.a for t in here}) == 1
    for t in here:
        assert t.bootstrap_p is not None and t.bootstrap_p_holm is not None
        assert t.bootstrap_p <= t.bootstrap_p_holm <= 1
    assert {t.a for t in tests if t.level == "image"} == {"image"}


def test_subgroups_partition_the_cases(run: Path) -> None:
    rows = [r for r in files.read_subgroups(run).rows if (r.model, r.level, r.factor) == ("image", "image", "device")]
    assert {r.group for r in rows} == {"A", "B"} and sum(r.n for r in rows) == PATIENTS


def test_a_partial_run_says_so_and_counts_whole_seeds_only(tmp_path: Path) -> None:
    metrics = files.read_metrics(write_example_run(tmp_path / "part", without=((8, 1, "image"),)))
    assert not metrics.complete and metrics.status == "partial: 55 of 56 units"
    image, attention = metrics.row("image", "image"), metrics.row("attention", "history")
    assert image is not None and image.seeds == (7,) and image.units == 3 and image.units_all == 4
    assert attention is not None and attention.seeds == SEEDS


def test_a_model_without_a_whole_seed_has_no_figures(tmp_path: Path) -> None:
    gone = tuple((s, 0, "daft") for s in SEEDS)
    row = files.read_metrics(write_example_run(tmp_path / "part", without=gone)).row("daft", LEVELS[0])
    assert row is not None and row.metrics == {} and row.roc is None and row.n == 0


def test_files_are_drawn_from_unit_files_alone(run: Path, tmp_path: Path) -> None:
    units = read_units(run)
    assert len(units) == len(example_units())
    write_files(tmp_path, example_material(units))
    for name in ("metrics.json", "tests.json", "subgroups.json", "predictions.csv"):
        assert (tmp_path / name).read_text() == (run / name).read_text(), name


@pytest.mark.parametrize("change", [{"format": 9}, {"models": [{"model": 3}]}])
def test_a_file_that_does_not_fit_is_refused(run: Path, tmp_path: Path, change: dict[str, object]) -> None:
    value = json.loads((run / "metrics.json").read_text())
    (tmp_path / "metrics.json").write_text(json.dumps({**value, **change}))
    with pytest.raises(CohortError, match=r"metrics\.json"):
        files.read_metrics(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="cannot be read"):
        files.read_metrics(tmp_path)
    assert files.read_leakage(tmp_path) is None


def test_verdict_names_the_best(run: Path) -> None:
    metrics = files.read_metrics(run)
    for verdict in metrics.verdicts:
        rows = [r for r in metrics.models if r.level == verdict.level and r.metrics]
        best = max(rows, key=lambda r: r.metrics["auc"].value or np.nan)
        assert verdict.best == best.model and best.label in verdict.sentence


def test_a_file_from_before_the_common_scale_reads_and_says_nothing_of_it(run: Path, tmp_path: Path) -> None:
    value = json.loads((run / "metrics.json").read_text())
    assert "all its folds" in value.pop("calibration_rule")
    (tmp_path / "metrics.json").write_text(json.dumps(value))
    assert files.read_metrics(tmp_path).calibration_rule == ""
