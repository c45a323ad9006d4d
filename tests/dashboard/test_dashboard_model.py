"""The model pages: drawn from the bundle, nothing typed by hand."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from comparison.example_run import write_example_run
from streamlit.testing.v1 import AppTest
from tiny_bundle import ARCH, SCHEMA, tiny_network, write_tiny_bundle

from dashboard.components import performance_summary
from dashboard.components.architecture import WORDS, AnswerFacts, architecture_rows, architecture_svg, equations
from dashboard.components.model_facts import (
    card_section,
    comparison_bins,
    coverage_rows,
    ece_bins_note,
    ece_note,
    operating_point,
    operating_rows,
    training_rows,
)
from dashboard.components.results_tables import number
from mmxai_core.evaluation.metrics import weighted_calibration_errors, weighted_ece
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.shapes import network_shapes

ROOT = Path(__file__).resolve().parents[2]
SOME_ECE = {"a": {"ece": {"value": 0.05, "low": 0.04, "high": 0.1}}}
FACTS = AnswerFacts("efficientnet_lite0", 1.5, 0.4, None, ("benign", "malignant"))


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_drawing_shows_the_networks_own_shapes() -> None:
    network = tiny_network()
    shapes = network_shapes(network, SCHEMA)
    assert shapes.parameters == sum(p.numel() for p in network.parameters()) == sum(s.parameters for s in shapes.stages)
    patches = 2 * ARCH.grid**2
    assert shapes["tokens"].shape == (patches, ARCH.width)
    assert shapes["clinical_to_image"].shape == (ARCH.heads, len(SCHEMA.fields), patches)
    said = texts(architecture_svg(shapes, SCHEMA, FACTS, theme="dark"))
    for part in (f"1 × {ARCH.canvas} × {ARCH.canvas}", f"{patches} × {ARCH.width} tokens", "2 blocks", "5 fields",
                 f"{ARCH.heads} × 5 × {patches}", "3 history, 1 descriptor, 1 assessment", "threshold 0.400",
                 "scores ÷ 1.500", "exclusions not calibrated"):  # fmt: skip
        assert part in said, part


def test_another_network_is_another_drawing() -> None:
    arch = replace(ARCH, width=64, depth=1, queries=7)
    shapes = network_shapes(tiny_network(arch), SCHEMA)
    said = texts(architecture_svg(shapes, SCHEMA, replace(FACTS, coverage=0.9), theme="light"))
    assert "7 × 64" in said and "1 blocks" in said and "wrong exclusions: 10 %" in said
    assert "7 image summaries" in equations(shapes) and "$d = 64$" in equations(shapes)


def test_a_network_that_finds_the_lesion_is_drawn_and_counted() -> None:
    plain, own = (network_shapes(tiny_network(replace(ARCH, finder=on)), SCHEMA) for on in (False, True))
    assert own.parameters == sum(s.parameters for s in own.stages)
    more = own["lesion_map"].parameters - plain["lesion_map"].parameters
    assert more == own.parameters - plain.parameters > plain["features"].parameters
    said = [texts(architecture_svg(s, SCHEMA, FACTS, theme="dark")) for s in (plain, own)]
    assert "CNN of its own" in said[1] and "CNN of its own" not in said[0]
    told = [next(r for r in architecture_rows(s) if r["Step"] == "Lesion map")["What it does"] for s in (plain, own)]
    assert "of its own" in told[1] and "of its own" not in told[0]


def test_both_themes_differ_in_ink_alone() -> None:
    shapes = network_shapes(tiny_network(), SCHEMA)
    dark, light = (architecture_svg(shapes, SCHEMA, FACTS, theme=t) for t in ("dark", "light"))
    assert dark != light and re.sub("#[0-9a-f]{6}", "", dark) == re.sub("#[0-9a-f]{6}", "", light)


def test_every_step_is_told_in_words() -> None:
    shapes = network_shapes(tiny_network(), SCHEMA)
    assert [s.key for s in shapes.stages] == list(WORDS)
    rows = architecture_rows(shapes)
    assert len(rows) == len(WORDS) and all(all(r.values()) for r in rows)


def test_the_cards_sections_are_found() -> None:
    card = "# A\n## Limits\n- one\n- two\n### deeper\nx\n## Next\ny\n"
    assert card_section(card, "limits") == "- one\n- two\n### deeper\nx" and card_section(card, "None") == ""


@pytest.mark.parametrize(("value", "noted"), [(0.05, True), (0.07, False)])
def test_a_calibration_error_outside_its_interval_is_explained(value: float, noted: bool) -> None:
    entry = {"value": value, "low": 0.06, "high": 0.1}
    assert bool(ece_note({"a": {"models": {"x": {"ece": entry}}}})) is noted
    assert ("†" in (number(entry) or "")) is noted


def test_the_note_on_bins_tells_why_the_same_scores_have_another_error_in_a_run() -> None:
    """The committed run holds the very scores of the shipped bundle's own cross-validation, beside other seeds'."""
    bundle = ROOT / "pretrained" / "breast-us"
    run, level = bundle / "results" / "breast_lesions_usg", "history"
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["model"], r["level"]) == ("shipped", level)]
    own, there = map(int, re.findall(r"(\d+) bins", ece_bins_note(SOME_ECE)))
    equal_width, equal_mass = {}, {}
    for seed in {r["seed"] for r in rows}:
        these = [r for r in rows if r["seed"] == seed]
        labels, even = np.array([r["label"] == "1" for r in these]), np.ones((1, len(these)))
        p = np.array([float(r["probability"]) for r in these])
        equal_width[seed] = weighted_ece(labels, p, even, bins=own)[0]
        equal_mass[seed] = weighted_calibration_errors(labels, p, even, bins=there)[0][0]
    held = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["models"]
    shipped = next(r for r in held if (r["model"], r["level"]) == ("shipped", level))
    assert comparison_bins(len(rows) // len(equal_mass)) == there == len(shipped["calibration"]["count"])
    assert sorted(map(int, equal_mass)) == shipped["seeds"]
    assert np.mean(list(equal_mass.values())) == pytest.approx(shipped["metrics"]["ece"]["value"], abs=1e-5)
    results = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
    seed = str(results["training"]["config"]["seed"])
    told = results["cross_validation"]["models"][f"fused|{level}"]["ece"]["value"]
    assert equal_width[seed] == pytest.approx(told, abs=1e-5) and abs(told - equal_mass[seed]) > 0.01
    assert ece_bins_note({}) == "" == ece_bins_note(None)


def test_figures_at_the_threshold_are_shown_only_for_this_threshold(tmp_path: Path) -> None:
    bundle = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    entry = {"value": 0.8, "low": 0.7, "high": 0.9}
    measured = {"threshold": 0.4, "models": {"fused|history+descriptor": {"sensitivity": entry, "ppv": entry}}}
    found = operating_rows({"cross_validation": {"at_operating_threshold": measured}}, bundle)
    assert found == [
        {
            "Known fields": "history, descriptor",
            "Sensitivity": "0.800 (0.700 to 0.900)",
            "PPV": "0.800 (0.700 to 0.900)",
        }
    ]
    other = {"cross_validation": {"at_operating_threshold": measured | {"threshold": 0.5}}}
    assert operating_rows(other, bundle) == [] == operating_rows({}, bundle)
    assert operating_point(bundle) == "The model calls a case malignant from a probability of 0.400 on."


def test_the_shipped_bundle_is_told_from_its_metadata() -> None:
    bundle = load_bundle(Path(__file__).resolve().parents[2] / "pretrained" / "breast-us")
    assert "Youden" in operating_point(bundle) and f"{bundle.threshold:.3f}" in operating_point(bundle)
    rows = coverage_rows(bundle)
    assert rows and all("%" in r["True class kept, measured"] for r in rows)
    assert [r["Cohort"] for r in training_rows(bundle)] == [c["cohort"] for c in bundle.metadata["training_data"]]
    assert card_section(bundle.model_card(), "Limits").startswith("- ")


def test_the_page_shows_each_part(app: AppTest) -> None:
    app.switch_page("views/model.py").run()
    assert not app.exception and not app.error
    assert [t.label for t in app.tabs] == [
        "Model card", "Limits", "How this works", "Results", "Provenance", "Clinical fields", "Glossary",
    ]  # fmt: skip
    said = " ".join(m.value for m in app.markdown).replace("\\", "")
    for part in ("A card for tests", "Shapley value", "from a probability of 0.400", "softmax"):
        assert part in said, part


def test_the_page_says_that_performance_has_another_auc(
    app: AppTest, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "tiny"
    shutil.copytree(tiny_bundle, own)
    write_example_run(own / "results" / "example")
    monkeypatch.setenv("MMXAI_BUNDLE", str(own))
    said = "AUC here: seed 7 alone."  # of which runs it is said: see test_performance_summary
    monkeypatch.setattr(performance_summary, "which_seeds", lambda run, held, *, page: said if page == "Model" else "")
    app.switch_page("views/model.py").run()
    assert not app.exception, app.exception
    for tab in (app.tabs[0], app.tabs[3]):
        assert said in [c.value.replace("\\", "") for c in tab.caption]


def test_training_settings_stand_below_the_results_under_their_own_heading(
    tmp_path: Path, app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ci = {"value": 0.8, "low": 0.7, "high": 0.9}
    told = {"training": {"config": {"arch": {"width": 64, "depth": 2}}}, "localization": {"hit": ci, "energy": ci}}
    monkeypatch.setenv("MMXAI_BUNDLE", str(write_tiny_bundle(tmp_path / "tiny", results=told)))
    app.switch_page("views/model.py").run()
    assert not app.exception, app.exception
    heads = [s.value for s in app.tabs[3].subheader]
    assert heads.index("Localization") < heads.index("Training settings")
    assert "Training, config, arch" not in heads
    shown = [str(h.proto.body) for h in app.tabs[3].get("html")]
    assert any("Pointing game (hit)" in h and "0.800<small>0.700 to 0.900</small>" in h for h in shown)
    assert any("<td" in h and "64" in h for h in shown)
