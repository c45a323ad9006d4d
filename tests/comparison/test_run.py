"""A whole comparison on a generated cohort: it repeats itself, it resumes, it refuses a folder of another run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from comparison.tiny_cohort import CONFIG, tiny_cohort

from mmxai_core.cohorts.case import Cohort
from mmxai_core.comparison import files, tabular
from mmxai_core.comparison.findings import write_generalisation, write_leakage
from mmxai_core.comparison.measure import write_results
from mmxai_core.comparison.models import MODELS
from mmxai_core.comparison.run import Comparison, plan_of
from mmxai_core.errors import CancelledError, CohortError

DRAWN = ("metrics.json", "tests.json", "subgroups.json", "predictions.csv", "splits.json")


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """Boosting with one small setting: what is tested here is the run, not the rival."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tabular._GRIDS, "boosting", (tabular._GRIDS["boosting"][0], ({"depth": 1, "trees": 5},)))
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def whole(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    comparison = Comparison(plan_of(cohort, folder / "run", config=CONFIG, folds=2, seeds=1, cache=folder / "cache"))
    comparison.run()
    write_results(comparison)
    return folder / "run"


def test_every_model_has_scores_for_every_case(whole: Path, cohort: Cohort) -> None:
    metrics = files.read_metrics(whole)
    assert metrics.complete
    assert {r.model for r in metrics.models} == {m.name for m in MODELS}
    assert all(r.n == len(cohort.cases) and r.metrics["auc"].value is not None for r in metrics.models)
    with_map = {r.model for r in metrics.models if r.localisation}
    assert {"image", "attention", "attention_coherence", "no_transformer", "no_cnn", "no_lesion_loss"} <= with_map


def test_no_patient_is_on_both_sides_of_a_split(whole: Path) -> None:
    for split in json.loads((whole / "splits.json").read_text())["splits"]:
        parts = [set(split[p]["case_ids"]) for p in ("train", "validation", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 24


def test_a_cut_off_run_without_its_encoders_resumes_to_the_same_files(
    whole: Path, cohort: Cohort, tmp_path: Path
) -> None:
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 14

    def plan(**more: object) -> Comparison:
        return Comparison(
            plan_of(cohort, tmp_path / "run", config=CONFIG, folds=2, seeds=1, cache=tmp_path / "cache", **more)
        )

    with pytest.raises(CancelledError):
        plan(cancelled=cancelled).run()
    done = len(list((tmp_path / "run" / "units").glob("*.json")))
    assert 0 < done < 28
    partial = plan()
    assert write_results(partial)["status"] == f"partial: {done} of 28 units"
    shutil.rmtree(tmp_path / "cache")  # another machine: only the committed files are there
    partial.run()
    write_results(partial)
    for name in DRAWN:
        assert (tmp_path / "run" / name).read_text() == (whole / name).read_text(), name


def test_a_folder_of_another_run_is_refused(whole: Path, cohort: Cohort, tmp_path: Path) -> None:
    other = replace(CONFIG, seed=8)
    with pytest.raises(CohortError, match="other settings or cases"):
        Comparison(plan_of(cohort, whole, config=other, folds=2, seeds=1, cache=tmp_path)).prepare()


def test_folds_start_from_the_source_and_images_join_to_patients(tmp_path: Path) -> None:
    source = tiny_cohort(tmp_path / "b", name="source", fields=False)
    target = tiny_cohort(tmp_path / "a", name="target", images=2)
    config = replace(CONFIG, source_cohort="source")
    plan = plan_of(
        target, tmp_path / "run", config=config, folds=2, seeds=1, cache=tmp_path / "cache", source=source,
        only=("image", "clinical", "late_average", "radiomics"),
    )  # fmt: skip
    comparison = Comparison(plan)
    comparison.run()
    write_results(comparison)
    metrics = files.read_metrics(tmp_path / "run")
    row = metrics.row("image", "image")
    assert metrics.status == "partial: 8 of 28 units" and row is not None and row.n == 24
    account = comparison.finished()[0].account["encoder"]
    assert account["first_weights"] == f"encoder {comparison.source_encoder('main', 0).key} of source"
    assert account["replay_images"] == 24
    write_leakage(comparison, encoders=True)
    write_leakage(comparison, encoders=False)  # keeps what the encoders were asked
    leakage = files.read_leakage(tmp_path / "run")
    assert leakage is not None
    assert {r.id for r in leakage.rows} == {
        "borders_masked", "markers_masked", "lesion_blanked", "only_lesion", "missingness", "source_from_features",
        "manufacturer_from_features",
    }  # fmt: skip
    write_generalisation(comparison)
    found = files.read_generalisation(tmp_path / "run")
    assert found is not None
    by_id = {r.id: r for r in found.rows if r.metric == "auc"}
    assert by_id["source -> target"].n == 48 and by_id["target -> source"].n == 24
    assert by_id["image: without A"].n == 12 and by_id["image: without A"].against is not None
    before = (tmp_path / "run" / "generalisation.json").read_text()
    write_generalisation(comparison)  # from its unit files
    assert (tmp_path / "run" / "generalisation.json").read_text() == before
    # The source's own comparison finds the same encoders in the cache: it trains none.
    own = Comparison(
        plan_of(source, tmp_path / "own", config=config, folds=2, seeds=1, cache=tmp_path / "cache", only=("image",))
    )
    own.run()
    rows = [json.loads(r) for r in (tmp_path / "own" / "progress.jsonl").read_text().splitlines()]
    assert not [r for r in rows if "stage" in r]
    assert {u.account["encoder"]["key"] for u in own.finished()} == {
        comparison.source_encoder("main", k).key for k in (0, 1)
    }


def test_a_source_that_is_missing_is_named(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="--source-root"):
        plan_of(cohort, tmp_path, config=replace(CONFIG, source_cohort="bus_bra"), folds=2, seeds=1, cache=tmp_path)
