"""The plain sentences at the head of the report: every figure is the file's, and what speaks against us is said."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from dashboard.components import performance_source as source
from dashboard.components.model_facts import operating_rows
from dashboard.components.performance_sections import all_sections
from dashboard.components.performance_shipped import shipped_forest
from dashboard.components.performance_summary import HOW_GOOD, is_own, summary_lines, which_seeds
from mmxai_core.figures.performance_parts import Section
from mmxai_core.model.bundle import load_bundle
from mmxai_core.report.performance import PerformanceReport
from mmxai_core.report.wording import RESEARCH_USE

BUNDLES = Path(__file__).resolve().parents[2] / "pretrained"
BUNDLE = BUNDLES / "breast-us"


def results(name: str = "breast-us") -> dict[str, Any]:
    held: dict[str, Any] = json.loads((BUNDLES / name / "results.json").read_text(encoding="utf-8"))
    return held


@pytest.fixture(scope="module")
def run() -> source.Run:
    return source.read_run(BUNDLE / "results" / "breast_lesions_usg")


def test_aucs_external_test_and_use_are_those_of_the_files(run: source.Run) -> None:
    lines, told = summary_lines(run, results()), results()
    for level, model in (("image", "shipped_image"), ("history", "shipped"), ("history+descriptor", "shipped")):
        row = run.metrics.row(model, level)
        assert row is not None
        auc = row.metrics["auc"]
        assert f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})" in lines[0]
    assert "BrEaST, n = 201 patients, 5 folds, mean of 3 seeds" in lines[0]
    assert lines[1].startswith("AUC of the shipped recipe here: the mean over 3 seeds. The Model page has seed 7 alone")
    assert lines[2] == f"What follows is of the bundle's own cross-validation, with seed {told['seed']} alone."
    (outside,) = told["external_test"].values()
    auc = outside["external"]["auc"]
    (line,) = [x for x in lines if x.startswith("External test (")]
    assert f"n = 201): AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in line
    assert "No external test of the fused model is on file." in lines
    at = told["cross_validation"]["at_operating_threshold"]
    (line,) = [x for x in lines if x.startswith("Sensitivity and specificity")]
    assert f"threshold of {at['threshold']:.3f}" in line
    assert f"history {at['models']['fused|history']['sensitivity']['value']:.3f}" in line
    assert lines[-1] == f"{RESEARCH_USE}."


def test_either_page_says_which_auc_it_has_and_that_the_other_has_the_other(run: source.Run) -> None:
    here, there = (which_seeds(run, results(), page=page) for page in ("Performance", "Model"))
    assert here.startswith("AUC of the shipped recipe here: the mean over 3 seeds. The Model page has seed 7 alone")
    assert there.startswith("AUC here: seed 7 alone") and "The Performance page has the mean over 3 seeds" in there
    other = source.read_run(BUNDLE / "results" / "bus_bra")
    assert which_seeds(other, results()) == "" and which_seeds(run, results("lgg-mri")) == "" == which_seeds(run, None)


def test_the_fused_model_without_a_field_is_not_called_the_network_of_images_alone(run: source.Run) -> None:
    lines = summary_lines(run, results())
    assert "Shipped recipe, image only: image alone" in lines[0]
    (line,) = [x for x in lines if x.startswith("Sensitivity and specificity of the fused model")]
    assert "no field known" in line and "image alone" not in line
    own = summary_lines(None, results())[0]
    assert "Fused model: no field known" in own and "image alone" not in own
    assert "5 folds, seed 7 alone)" in own
    bundle = load_bundle(BUNDLE)
    first, *rest = operating_rows(results(), bundle)
    assert first["Known fields"] == "history" and rest[-1]["Known fields"].startswith("none (the fused model")
    forest = shipped_forest(results())
    assert forest is not None and any(p.label.startswith("fused, no field known") for p in forest.points)


def test_a_run_of_one_seed_says_nothing_of_seeds() -> None:
    lines = summary_lines(source.read_run(BUNDLE / "results" / "bus_bra"), results())
    assert "n = 1,599 images, 5 folds)" in lines[0] and not any("seed" in line for line in lines)


def test_without_a_run_images_of_the_same_patients_are_not_called_cases() -> None:
    assert "n = 428 images of 214 patients, 5 folds" in " ".join(summary_lines(None, results("duke-mri")))
    assert "n = 201 cases, 5 folds" in " ".join(summary_lines(None, results()))


def with_p(told: dict[str, Any], p: float, value: float) -> dict[str, Any]:
    out = copy.deepcopy(told)
    for test in out["cross_validation"]["auc_difference_delong"].values():
        test.update(p=p, value=test["value"] + value)
    return out


def test_fused_is_said_to_be_better_only_where_it_is_so_than_both_branches_after_correction() -> None:
    """p of 0.01 is 0.06 after Holm's correction for six tests: within chance."""
    told = results()
    assert any(x.startswith("With no set of known fields is the fused model") for x in summary_lines(None, told))
    won = summary_lines(None, with_p(told, 0.001, 1.0))
    assert any("known: history; history + descriptor; history + descriptor + assessment." in x for x in won)
    within = summary_lines(None, with_p(told, 0.01, 1.0))
    assert any(x.startswith("With no set of known fields") for x in within)
    lost = " ".join(summary_lines(None, with_p(told, 0.001, -2.0)))
    assert "worse than the image alone" in lost and "better than the" not in lost.replace("better than both", "")


def test_guessing_missing_tests_and_missing_files_are_said() -> None:
    lgg = summary_lines(None, results("lgg-mri"))
    assert any("Not shown to be better than guessing" in x and "image alone; history" in x for x in lgg)
    assert any(x.startswith("No external test is on file") for x in lgg)
    assert "history + descriptor + assessment" not in " ".join(lgg), "a level without fields of its own is not repeated"
    for nothing in ({}, None, {"cross_validation": 3}):
        lines = summary_lines(None, nothing)
        assert lines[0] == "How well it ranks cases was not measured." and lines[-1] == f"{RESEARCH_USE}."


def test_a_run_of_other_models_is_told_from_the_model_that_answers(run: source.Run) -> None:
    other = source.read_run(BUNDLE / "results" / "bus_bra")
    said = [x for x in summary_lines(other, results()) if "not the one that answers" in x]
    assert said == ["These are the run's models, not the one that answers. Of that one, on BrEaST:"]
    assert not any("not the one that answers" in x for x in summary_lines(run, results()))


def test_the_report_answers_first_and_names_the_bundles_tables_by_content(run: source.Run) -> None:
    first = Section("summary", HOW_GOOD, summary_lines(run, results()), ())
    bare = replace(run, subgroups=None, leakage=None, generalisation=None)
    sections = [s for s in all_sections(bare, (), results(), "a") if s.id in ("cohort", "bundle")]
    report = PerformanceReport("Performance: x", ("Bundle x.",), (first, *sections))
    page = " ".join(PdfReader(io.BytesIO(report.pdf())).pages[0].extract_text().split())
    row = run.metrics.row("shipped", "history")
    assert row is not None
    auc = row.metrics["auc"]
    shown = f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    assert page.index(HOW_GOOD) < page.index(shown) < page.index("External test (")
    with zipfile.ZipFile(io.BytesIO(report.csv_zip())) as archive:
        names = [n for n in archive.namelist() if n.startswith("bundle_")]
    assert "bundle_cross_validation_models.csv" in names and "bundle_phantoms_auc.csv" in names
    assert not any(n.removeprefix("bundle_").removesuffix(".csv").isdigit() for n in names)


def test_the_bundles_figures_are_not_taken_for_another_cohorts(run: source.Run) -> None:
    """Its figures on its own cohort are said to be that cohort's, also in a run that it joins."""
    other = replace(run, config=replace(run.config, cohort="bus_bra"))
    lines = summary_lines(other, results())
    said = lines.index("These are the run's models, not the one that answers. Of that one, on BrEaST:")
    assert said < next(i for i, x in enumerate(lines) if x.startswith("Sensitivity and specificity"))
    assert not is_own(other, results()) and is_own(run, results(), task="") and not is_own(run, results(), task="grade")
    assert not is_own(run, ["torn"])


def test_images_and_patients_are_both_counted_where_they_differ() -> None:
    duke = source.read_run(BUNDLES / "duke-mri" / "results" / "duke")
    (line,) = [x for x in summary_lines(duke, results("duke-mri")) if x.startswith("Fused against each alone")]
    assert "n = 428 images of 214 patients" in line and "clustered by patient" in line
