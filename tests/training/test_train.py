"""The whole recipe on a tiny synthetic cohort: a bundle that loads, complete results, and the same again."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.config import Architecture
from mmxai_core.training.card_file import other_seeds
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.missing import LEVELS
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.settings_file import load_config
from mmxai_core.training.train import train_bundle, train_folds

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    validation=0.5, pretrain_validation=0.5, folds=2, views=1, phantoms=4, init="none",
    arch=Architecture(backbone="test_efficientnet", canvas=96, glance=64, width=16, heads=2, depth=1),
    pretrain=StageConfig(epochs=1), image=StageConfig(epochs=1, samples=16), fusion=StageConfig(epochs=3),
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder, rng, cases = tmp_path_factory.mktemp("cohort"), np.random.default_rng(0), []
    for i in range(24):
        malignant = i % 3 == 0
        grey = rng.integers(90, 160, (70, 90)).astype(np.uint8)
        mask = np.zeros((70, 90), np.uint8)
        mask[25:45, 30:55] = 255
        grey[mask > 0] //= 4 if malignant else 2
        Image.fromarray(grey).save(folder / f"{i}.png")
        Image.fromarray(mask).save(folder / f"{i}_mask.png")
        clinical = {"age": float(rng.normal(60 if malignant else 45, 8)), "palpable": bool(rng.random() < 0.5)}
        cases.append(
            Case(
                f"c{i}", f"p{i}", folder / f"{i}.png", (folder / f"{i}_mask.png",),
                "malignant" if malignant else "benign", clinical if i % 5 else {},
            )
        )  # fmt: skip
    schema = ClinicalSchema(
        (
            Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110)),
            Field("palpable", "Palpable", "yes_no", "history"),
        )
    )
    return Cohort(
        "synthetic", tuple(cases), schema, ("benign", "malignant"), "malignant", "Drawn.", ("truth",), (("none", 0),),
        "CC0", "this test", "nowhere",
    )  # fmt: skip


def test_a_bundle_is_written_and_repeats_itself(cohort: Cohort, tmp_path: Path) -> None:
    first = train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-a"))
    again = train_bundle(cohort, tmp_path / "b", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-b"))
    assert load_bundle(tmp_path / "a").sha256 == again.sha256 == first.sha256

    results, same = first.results(), again.results()
    for found in (results, same):
        del found["training"]["seconds"]
    assert results == same
    assert _numbers(tmp_path / "run-a") == _numbers(tmp_path / "run-b")
    assert load_config(tmp_path / "run-a" / "config.toml") == CONFIG
    cv = results["cross_validation"]
    assert cv["n"] == 24 and cv["folds"] == 2
    assert {f"fused|{level}" for level in LEVELS} | {"image"} <= set(cv["models"])
    auc = cv["models"]["image"]["auc"]
    assert auc["low"] <= auc["value"] <= auc["high"]
    assert cv["localization"]["n"] == 24
    assert results["phantoms"]["n"] == 4
    assert first.schema["age"].fences is not None and first.metadata["saliency_reference"] > 0

    card = first.model_card()
    assert "Research use only" in card and f"{auc['value']:.3f}" in card and "truth" in card
    rows = first.background()
    ages = {c.clinical.get("age") for c in cohort.cases}
    assert len(rows) == 100 and not {float(v) for v in rows["age"] if v not in ("", None)} & ages


def _numbers(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["metric"] != "seconds"]
    assert {r["stage"] for r in rows} >= {"pretrain", "fold 1 image", "fold 1 fusion", "all cases clinical"}
    # Without another cohort each fold pretrains on its own training cases: the whole cohort holds its held-out ones.
    assert {r["stage"] for r in rows} >= {"fold 0 pretrain", "fold 1 pretrain"}
    return rows


def test_a_cancelled_run_resumes_to_the_same_bundle(cohort: Cohort, tmp_path: Path) -> None:
    whole = train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-a"))
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 9

    log = RunLog(tmp_path / "run-b", cancelled=cancelled)
    with pytest.raises(CancelledError):
        train_bundle(cohort, tmp_path / "b", name="tiny", config=CONFIG, log=log)
    resumed = train_bundle(cohort, tmp_path / "b", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-b"))
    assert resumed.sha256 == whole.sha256
    stages = [json.loads(line)["stage"] for line in (tmp_path / "run-b" / "log.jsonl").read_text().splitlines()]
    assert "pretrain" in stages and "all cases fusion" in stages


def test_another_seed_is_another_bundle(cohort: Cohort, tmp_path: Path) -> None:
    a = train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=RunLog(tmp_path / "ra"))
    b = train_bundle(cohort, tmp_path / "b", name="tiny", config=replace(CONFIG, seed=8), log=RunLog(tmp_path / "rb"))
    assert a.sha256 != b.sha256
    told = other_seeds([tmp_path / "rb"], a.results())
    assert told["seeds"] == [8]
    for model, entry in b.results()["cross_validation"]["models"].items():
        assert told["auc"][model] == [pytest.approx(entry["auc"]["value"], abs=1e-12)], model


def test_a_run_folder_of_an_older_version_is_gone_on_with(cohort: Cohort, tmp_path: Path) -> None:
    """What its settings do not name has the default; anything else is another run."""
    stopped = RunLog(tmp_path / "run", cancelled=lambda: True)
    with pytest.raises(CancelledError):
        train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=stopped)
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    del kept["settings"]["accumulate"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(kept))
    with pytest.raises(CancelledError):
        train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=stopped)
    with pytest.raises(CohortError, match="other settings or cases"):
        train_bundle(cohort, tmp_path / "a", name="tiny", config=replace(CONFIG, accumulate=2), log=stopped)


def test_a_run_folder_of_other_cases_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run", cancelled=lambda: True)
    with pytest.raises(CancelledError):
        train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=log)
    with pytest.raises(CohortError, match="other settings or cases"):
        train_bundle(replace(cohort, cases=cohort.cases[1:]), tmp_path / "a", name="tiny", config=CONFIG, log=log)


def test_folds_taken_one_by_one_are_those_of_the_whole_run(cohort: Cohort, tmp_path: Path) -> None:
    whole = train_bundle(cohort, tmp_path / "a", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-a"))
    run = tmp_path / "run-b"
    (second,) = train_folds(cohort, [1], config=CONFIG, log=RunLog(run))
    assert second["fold"] == 1 and sorted(p.name for p in run.glob("fold-*.json")) == ["fold-1.json"]
    assert second == json.loads((tmp_path / "run-a" / "fold-1.json").read_text())
    earlier = {k: v for k, v in second.items() if k not in ("task", "fields")}  # as earlier versions wrote it
    (run / "fold-1.json").write_text(json.dumps(earlier))
    done = (run / "fold-1.json").stat().st_mtime_ns
    assert train_bundle(cohort, tmp_path / "b", name="tiny", config=CONFIG, log=RunLog(run)).sha256 == whole.sha256
    assert (run / "fold-1.json").stat().st_mtime_ns == done
    with pytest.raises(CohortError, match="The folds are 0 to 1; got 2"):
        train_folds(cohort, [0, 2], config=CONFIG, log=RunLog(run))


def test_folds_of_a_cohort_without_fields(cohort: Cohort, tmp_path: Path) -> None:
    bare = replace(cohort, schema=ClinicalSchema(()), cases=tuple(replace(c, clinical={}) for c in cohort.cases))
    folds = train_folds(bare, [0, 1], config=CONFIG, log=RunLog(tmp_path / "run"))
    assert sorted(i for f in folds for i in f["case_ids"]) == sorted(c.case_id for c in cohort.cases)
    for f in folds:
        assert f["fields"] == [] and len(f["probabilities"]["image"]) == len(f["case_ids"])
        fused = [f["probabilities"][f"fused|{level}"] for level in ("image", *LEVELS)]
        assert all(values == fused[0] for values in fused)  # nothing to know
    with pytest.raises(CohortError, match="of other fields"):  # the folds are not taken for those of another schema
        train_folds(cohort, [0], config=CONFIG, log=RunLog(tmp_path / "run"))
    (tmp_path / "run" / "fold-0.json").unlink()
    with pytest.raises(CohortError, match=r"fold-0\.fitted of the run run was fitted to other fields"):
        train_folds(cohort, [0], config=CONFIG, log=RunLog(tmp_path / "run"))


def test_a_teacher_needs_categories_and_stands_on_the_card(cohort: Cohort, tmp_path: Path) -> None:
    taught = replace(CONFIG, teacher=0.5)
    with pytest.raises(CohortError, match="teacher needs cases with a BI-RADS category"):
        train_bundle(cohort, tmp_path / "a", name="tiny", config=taught, log=RunLog(tmp_path / "run-a"))
    assessed = replace(
        cohort, cases=tuple(replace(c, strata={"birads": str(2 + i % 4)}) for i, c in enumerate(cohort.cases))
    )
    bundle = train_bundle(assessed, tmp_path / "b", name="tiny", config=taught, log=RunLog(tmp_path / "run-b"))
    assert "was 50 % how often lesions of the same BI-RADS category are of each class" in bundle.model_card()
    plain = train_bundle(assessed, tmp_path / "c", name="tiny", config=CONFIG, log=RunLog(tmp_path / "run-c"))
    assert "BI-RADS category" not in plain.model_card() and plain.sha256 != bundle.sha256
    one, other = ({p.name for p in (tmp_path / r).glob("pretrained-*.pt")} for r in ("run-b", "run-c"))
    assert one and not one & other  # no encoder of one is taken for the other's
