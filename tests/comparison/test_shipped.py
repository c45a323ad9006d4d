"""What `train` measured joins the comparison as it is: same folds, same figures, or a refusal in a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from comparison.tiny_cohort import CONFIG, tiny_cohort

from mmxai_core.cohorts.case import Cohort
from mmxai_core.comparison import files
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.findings import write_leakage
from mmxai_core.comparison.measure import write_results
from mmxai_core.comparison.run import Comparison, plan_of
from mmxai_core.comparison.shipped import take_over
from mmxai_core.comparison.units import read_units
from mmxai_core.comparison.verdicts import verdicts
from mmxai_core.errors import CohortError
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.settings_file import save_config
from mmxai_core.training.train import train_bundle
from mmxai_core.types import Json

RECIPE = TrainConfig(
    seed=7, pretrain_cohort="bus_bra", validation=0.5, pretrain_validation=0.5, folds=2, views=1, init="none",
    arch=CONFIG.arch, pretrain=StageConfig(epochs=1), image=StageConfig(epochs=1, samples=16),
    fusion=StageConfig(epochs=3),
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def trained(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    """(run folder, results of the bundle)."""
    folder = tmp_path_factory.mktemp("trained")
    source = tiny_cohort(folder / "source", name="bus_bra", fields=False)
    bundle = train_bundle(
        cohort, folder / "tiny", name="tiny", config=RECIPE, log=RunLog(folder / "run"), pretrain=source
    )
    return folder / "run", bundle.results()


def _comparison(cohort: Cohort, folder: Path, *, seeds: int = 1, folds: int = 2, **config: object) -> Comparison:
    settings = replace(CONFIG, **config)  # type: ignore[arg-type]
    plan = plan_of(
        cohort, folder / "out", config=settings, folds=folds, seeds=seeds, cache=folder / "cache", only=("logistic",)
    )
    return Comparison(plan)


def test_figures_are_those_of_the_training_run(cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path) -> None:
    run, results = trained
    comparison = _comparison(cohort, tmp_path, seeds=2)
    assert take_over(comparison, run) == 2
    comparison.run()  # trains what it was asked for, and nothing of the recipe
    write_results(comparison)
    metrics, measured = files.read_metrics(tmp_path / "out"), results["cross_validation"]["models"]
    for level in ("history", "history+descriptor", "image"):
        row = metrics.row("shipped", level)
        assert row is not None and row.seeds == (7,) and row.n == 24 and row.units == row.units_all == 2
        assert row.metrics["auc"].value == pytest.approx(measured[f"fused|{level}"]["auc"]["value"], abs=1e-6)
    alone = metrics.row("shipped_image", "image")
    assert alone is not None
    assert alone.metrics["auc"].value == pytest.approx(measured["image"]["auc"]["value"], abs=1e-6)
    shown = metrics.row("shipped", "history")
    assert shown is not None and shown.localisation is not None
    found = results["cross_validation"]["localization"]
    assert shown.localisation.n == found["n"] == 24
    assert shown.localisation.iou.value == pytest.approx(found["iou"]["value"], abs=1e-5)


def test_the_leakage_page_asks_the_shipped_image_branch_where_train_did(
    cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path
) -> None:
    comparison = _comparison(cohort, tmp_path)
    take_over(comparison, trained[0])
    comparison.run()
    write_results(comparison)
    write_leakage(comparison, encoders=False)
    fold = json.loads((trained[0] / "fold-0.json").read_text())
    unit = next(u for u in read_units(tmp_path / "out") if (u.model, u.fold) == ("shipped_image", 0))
    assert set(unit.extra) == set(fold["image_altered"]) >= {"borders_masked", "markers_masked"}
    assert unit.extra["borders_masked"] == pytest.approx(fold["image_altered"]["borders_masked"], abs=1e-6)
    assert unit.extra["borders_masked"] != pytest.approx(fold["probabilities"]["image"], abs=1e-6)
    found = files.read_leakage(tmp_path / "out")
    alone = files.read_metrics(tmp_path / "out").row("shipped_image", "image")
    assert found is not None and alone is not None
    row = next(r for r in found.rows if r.id == "borders_masked")
    assert row.against_is == "plain images, shipped image branch"
    assert row.against is not None and row.against.value == pytest.approx(alone.metrics["auc"].value, abs=1e-6)

    torn = json.loads((trained[0] / "fold-0.json").read_text())
    run = tmp_path / "torn"
    shutil.copytree(trained[0], run)
    torn["image_altered"]["borders_masked"].pop()
    (run / "fold-0.json").write_text(json.dumps(torn))
    with pytest.raises(CohortError, match="image_altered has another number of cases"):
        take_over(_comparison(cohort, tmp_path / "again"), run)


def test_it_stands_for_the_project_and_is_compared_on_the_seed_both_have(
    cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path
) -> None:
    """The run has seed 7, the comparison 6 and 7: not the first that it has."""
    comparison = _comparison(cohort, tmp_path, seeds=2, seed=6)
    take_over(comparison, trained[0])
    comparison.run()
    write_results(comparison)
    metrics, tests = files.read_metrics(tmp_path / "out"), files.read_tests(tmp_path / "out")
    verdict = next(v for v in metrics.verdicts if v.level == "history")
    assert verdict.reference == "shipped" and "on seed 7, the only one that both have" in verdict.sentence
    test = next(t for t in tests.rows if (t.level, t.a, t.b) == ("history", "shipped", "logistic"))
    once = _comparison(cohort, tmp_path / "once")
    take_over(once, trained[0])
    once.run()
    write_results(once)
    row = {m: files.read_metrics(tmp_path / "once" / "out").row(m, "history") for m in ("shipped", "logistic")}
    ours, theirs = (r.metrics["auc"].value for r in row.values() if r is not None)
    assert ours is not None and theirs is not None
    assert test.difference.value == pytest.approx(ours - theirs, abs=2e-6)
    behind = replace(test, difference=Estimate(-0.05, -0.1, 0.01), bootstrap_p_holm=0.3)
    (told,) = verdicts(metrics.models, (behind,), {"history": "shipped"})
    whole = metrics.row("logistic", "history")
    assert whole is not None and told.best == "logistic"
    assert f"with {ours + 0.05:.3f} there and {whole.metrics['auc'].value:.3f} over its own 2 (diff" in told.sentence


def test_a_run_of_another_seed_or_cut_is_refused(cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"run run has seed 7; this comparison has the seeds 11\."):
        take_over(_comparison(cohort, tmp_path / "a", seed=11), trained[0])
    with pytest.raises(CohortError, match="has 2 folds; this comparison has 3"):
        take_over(_comparison(cohort, tmp_path / "b", folds=3, validation=0.34), trained[0])


def test_a_run_on_other_cases_or_a_torn_file_is_refused(
    cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    whole = (run / "fold-1.json").read_text()
    other, fewer, older, fields = (json.loads(whole) for _ in range(4))
    other["case_ids"][0] = "another"
    fewer["probabilities"]["fused|history"].pop()
    del older["fields"]
    fields["fields"] = ["age"]
    comparison = _comparison(cohort, tmp_path)
    for text, words in (
        (json.dumps(other), "has other held-out cases"), (json.dumps(fewer), "has other held-out cases"),
        (json.dumps(older), "was written by an earlier version"), (json.dumps(fields), "of other fields"),
        (whole[:100], "cannot be read"), ("", "cannot be read"),
    ):  # fmt: skip
        (run / "fold-1.json").write_text(text)
        with pytest.raises(CohortError, match=rf"fold-1\.json of the run run .*{words}"):
            take_over(comparison, run)
    (run / "fold-1.json").unlink()
    with pytest.raises(CohortError, match=r"fold-1\.json of the run run cannot be read"):
        take_over(comparison, run)
    assert not (tmp_path / "out" / "units").exists()  # nothing is written by halves


def test_a_run_that_pretrained_on_the_cohort_itself_is_refused(
    cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    save_config(replace(RECIPE, pretrain_cohort=""), run / "config.toml")
    with pytest.raises(CohortError, match="pretrained its image branch on synthetic itself"):
        take_over(_comparison(cohort, tmp_path), run)
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:  # one fold alone is not enough
        log.write(json.dumps({"stage": "fold 0 pretrain", "epoch": 0}) + "\n")
    with pytest.raises(CohortError, match="or have pretrained within each fold"):
        take_over(_comparison(cohort, tmp_path), run)


def test_a_run_that_pretrained_within_each_fold_joins(cohort: Cohort, tmp_path: Path) -> None:
    own = replace(RECIPE, pretrain_cohort="")
    bundle = train_bundle(cohort, tmp_path / "tiny", name="tiny", config=own, log=RunLog(tmp_path / "run"))
    comparison = _comparison(cohort, tmp_path)
    assert take_over(comparison, tmp_path / "run") == 2
    comparison.run()
    write_results(comparison)
    auc = bundle.results()["cross_validation"]["models"]["fused|history"]["auc"]["value"]
    metrics = files.read_metrics(tmp_path / "out")
    found = next(r for r in metrics.models if r.model == "shipped" and r.level == "history")
    assert found.metrics["auc"].value == pytest.approx(auc, abs=1e-6)
    told = files.read_config(tmp_path / "out").image_input
    assert told.endswith("image branch pretrained on the training cases of each fold")


def test_another_comparisons_folder_is_left_as_it_was(
    cohort: Cohort, trained: tuple[Path, Json], tmp_path: Path
) -> None:
    _comparison(cohort, tmp_path, views=2).prepare()
    with pytest.raises(CohortError, match="other settings or cases"):
        take_over(_comparison(cohort, tmp_path), trained[0])
    assert not (tmp_path / "out" / "units").exists()
