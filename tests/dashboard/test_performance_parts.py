"""What the Performance page draws is what the result files hold; what they lack is said, never drawn."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison.example_run import SEEDS, write_example_run
from statsmodels.stats.proportion import proportion_confint

from dashboard.components import performance_source as source
from dashboard.components.model_facts import never_read
from dashboard.components.performance_charts import (
    auc_forest,
    calibration_curves,
    decision_curves,
    difference_forest,
    roc_curves,
    shown_first,
)
from dashboard.components.performance_confusion import counts_at, matrix_table, rates, rates_table
from dashboard.components.performance_findings import (
    factor_words,
    findings_forest,
    findings_table,
    group_words,
    subgroup_forest,
    subgroup_table,
    whose_findings,
)
from dashboard.components.performance_measured import cautions, cost_table, explanations_table, inputs_table
from dashboard.components.performance_sections import all_sections, measured_sections, run_sections
from dashboard.components.performance_shipped import shipped_forest, shipped_headline, shipped_section
from dashboard.components.performance_tables import (
    ablation_table,
    cohort_table,
    folds_table,
    localisation_table,
    paired_table,
    performance_table,
)
from dashboard.components.performance_words import METRIC_NAMES, chance_sentence, headline, leads, level_words
from mmxai_core.comparison.curves import Estimate
from mmxai_core.comparison.results import METRICS
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.explanation_metrics import ExplanationRow, summarise_explanations
from mmxai_core.evaluation.metrics import ECE_BINS
from mmxai_core.figures.performance_parts import Number, Table, cell_text

ROOT = Path(__file__).resolve().parents[2]
MISSING = tuple((s, 0, "no_cnn") for s in SEEDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example_run(tmp_path_factory.mktemp("results") / "example", without=MISSING)


@pytest.fixture(scope="module")
def run(folder: Path) -> source.Run:
    return source.read_run(folder)


@pytest.fixture(scope="module")
def raw(folder: Path) -> dict[str, Any]:
    return {n: json.loads((folder / f"{n}.json").read_text()) for n in ("metrics", "tests", "subgroups", "leakage")}


def measured(raw: dict[str, Any], level: str) -> dict[str, Any]:
    return {r["label"]: r for r in raw["metrics"]["models"] if r["level"] == level and r["metrics"]}


def same(number: Any, estimate: dict[str, float]) -> bool:
    return (number.value, number.low, number.high) == (estimate["value"], estimate["low"], estimate["high"])


def test_performance_table_holds_every_metric_of_the_file(run: source.Run, raw: dict[str, Any]) -> None:
    assert tuple(METRIC_NAMES) == METRICS
    level = "history"
    table, held = performance_table(run, level), measured(raw, level)
    rows = {str(r[0]).removesuffix(" (ours)"): r for r in table.rows}
    for label, entry in held.items():
        row = dict(zip(table.columns, rows[label], strict=True))
        for name, shown in METRIC_NAMES.items():
            assert same(row[shown], entry["metrics"][name]), (label, name)
        assert row["n"] == f"{entry['n']} patients, {entry['positives']} malignant"
        value = entry["metrics"]["auc"]
        assert cell_text(row["AUC"]) == f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    drawn = [p.number.value for p in auc_forest(run, level).points]
    assert drawn[:-1] == sorted((e["metrics"]["auc"]["value"] for e in held.values()), reverse=True)


def test_what_was_not_measured_says_how_far_it_got(run: source.Run) -> None:
    row = next(r for r in performance_table(run, "history").rows if r[0] == "Without CNN")
    assert all(c.value is None and c.why == "not measured: 2 of 4 units" for c in row[2:13] if isinstance(c, Number))
    point = auc_forest(run, "history").points[-1]
    assert point.label == "Without CNN" and cell_text(point.number) == "not measured: 2 of 4 units"
    assert roc_curves(run, "history").missing == "Not measured: Without CNN (2 of 4 units)."


def test_a_partial_run_says_so_on_every_table_and_chart(run: source.Run) -> None:
    blocks = [b for s in run_sections(run) if s.id not in ("leakage", "generalisation") for b in s.blocks]
    assert len(blocks) > 15
    assert {b.status for b in blocks} == {"partial: 54 of 56 units"}
    assert all(b.source.startswith("Computed from example/") for b in blocks)


def test_the_joined_auc_stands_beside_the_mean_of_the_folds(run: source.Run, raw: dict[str, Any]) -> None:
    table = folds_table(run)
    for row in raw["metrics"]["models"]:
        shown = [dict(zip(table.columns, r, strict=True)) for r in table.rows if r[0] == row["label"]]
        found = [r for r in shown if r["Known fields"] == level_words(row["level"])]
        aucs = [v for v in row["auc_by_fold"] if v is not None]
        assert len(found) == bool(aucs)
        if aucs:
            assert same(found[0]["Folds joined"], row["metrics"]["auc"])
            assert found[0]["Mean of the folds"].value == pytest.approx(np.mean(aucs))
            assert found[0]["Lowest"].value <= found[0]["Mean of the folds"].value <= found[0]["Highest"].value


def test_curves_are_those_of_the_file(run: source.Run, raw: dict[str, Any]) -> None:
    for label, entry in measured(raw, "history").items():
        name = next(m.name for m in run.config.models if m.label == label)
        (roc,), (calibration,) = (
            roc_curves(run, "history", [name]).curves,
            calibration_curves(run, "history", [name]).curves,
        )
        assert roc.x == tuple(entry["roc"]["false_positive_rate"]) and roc.y == tuple(
            entry["roc"]["true_positive_rate"]
        )
        assert calibration.y == tuple(entry["calibration"]["observed"]) and calibration.low == tuple(
            entry["calibration"]["low"]
        )
        decision, everybody, nobody = decision_curves(run, "history", [name]).curves
        assert decision.y == tuple(entry["decision"]["net_benefit"]) and everybody.y == tuple(
            entry["decision"]["treat_all"]
        )
        assert set(nobody.y) == {0.0}
    assert "attention" in shown_first(run, "history") or "attention_coherence" in shown_first(run, "history")


def test_confusion_counts_are_read_at_every_threshold(run: source.Run, raw: dict[str, Any]) -> None:
    row = run.metrics.row("image", "image")
    assert row is not None
    held = measured(raw, "image")["Image only"]["confusion"]
    for i, t in enumerate(held["threshold"]):
        assert counts_at(row, t) == (held["tp"][i], held["fp"][i], held["fn"][i], held["tn"][i])
    table, at = matrix_table(run, row, 0.3), held["threshold"].index(0.3)
    assert table is not None
    assert [c.value for c in table.rows[0][1:]] == [held["tp"][at], held["fn"][at], held["tp"][at] + held["fn"][at]]
    assert [c.value for c in table.rows[1][1:]] == [held["fp"][at], held["tn"][at], held["fp"][at] + held["tn"][at]]
    sensitivity = rates(counts_at(row, 0.3))["Sensitivity"]
    low, high = proportion_confint(held["tp"][at], held["tp"][at] + held["fn"][at], method="wilson")
    assert (sensitivity.low, sensitivity.high) == pytest.approx((low, high), abs=1e-6)
    assert rates((0.0, 0.0, 3.0, 4.0))["PPV"].value is None
    missing = run.metrics.row("no_cnn", "history")
    assert missing is not None and matrix_table(run, missing, 0.5) is None and rates_table(run, missing, (0.5,)) is None


def test_tests_ablation_and_localisation_are_those_of_the_files(run: source.Run, raw: dict[str, Any]) -> None:
    table = paired_table(run)
    assert table is not None and len(table.rows) == len(raw["tests"]["rows"])
    labels = {m.name: m.label for m in run.config.models}
    for t in raw["tests"]["rows"]:
        row = next(r for r in table.rows if (r[0], r[2]) == (level_words(t["level"]), labels[t["b"]]))
        assert same(row[3], t["difference"]) and (row[5].value, row[8].value) == (
            t["bootstrap_p_holm"],
            t["delong_p_holm"],
        )
    forest = difference_forest(run, "history")
    assert forest is not None
    values = [p.number.value for p in forest.points]
    assert values == sorted(t["difference"]["value"] for t in raw["tests"]["rows"] if t["level"] == "history")
    ablation = {str(r[0]): r for r in ablation_table(run, "history").rows}
    assert same(ablation["Without Transformer"][2], measured(raw, "history")["Without Transformer"]["metrics"]["auc"])
    assert sum(r[3] == "is the reference" for r in ablation.values()) == 1
    hits = localisation_table(run)
    assert hits is not None
    for r in hits.rows:
        level = next(k for k in ("image", "history") if level_words(k) == r[1])
        assert same(r[2], measured(raw, level)[str(r[0])]["localisation"]["hit"])


def test_the_shipped_recipe_stands_for_us_and_ablations_keep_their_own_whole() -> None:
    """The committed run on BrEaST, where the recipe has one seed and its rivals three."""
    folder = ROOT / "pretrained" / "breast-us" / "results" / "breast_lesions_usg"
    run, level = source.read_run(folder), "history+descriptor"
    tests = [t for t in json.loads((folder / "tests.json").read_text())["rows"] if t["level"] == level]
    assert {t["a"] for t in tests} == {"shipped", "attention"}
    table, forest = paired_table(run, level), difference_forest(run, level)
    assert table is not None and forest is not None
    ours = {t["b"]: t["difference"]["value"] for t in tests if t["a"] == "shipped"}
    assert sorted(r[3].value for r in table.rows) == sorted(ours.values())  # type: ignore[union-attr]
    assert [p.number.value for p in forest.points] == sorted(ours.values())
    ablation = {str(r[0]): r for r in ablation_table(run, level).rows}
    assert ablation["Attention fusion (whole; the comparison's own)"][3] == "is the reference"
    whole = next(t for t in tests if (t["a"], t["b"]) == ("attention", "concatenation"))
    assert same(ablation["Concatenation"][3], whole["difference"])
    assert ablation["Clinical only"][3] != "is the reference"
    assert any("not the fusion's alone" in note for note in performance_table(run, level).notes)
    lead = next(x for x in leads(run) if x.level == level)
    assert (lead.ahead == "rival") == (min(ours.values()) < 0)


def test_the_bins_of_the_calibration_error_are_told_beside_those_of_the_model_page(run: source.Run) -> None:
    held = {len(r.calibration.count) for r in run.metrics.models if r.level == "history" and r.calibration}
    (note,) = [n for n in performance_table(run, "history").notes if n.startswith("ECE here")]
    assert [int(n) for n in re.findall(r"(\d+) bins", note)] == [*held, ECE_BINS] and "Model page" in note
    assert not any(n.startswith("ECE here") for n in performance_table(run, "history", metrics=("auc",)).notes)


def test_subgroups_and_findings_are_those_of_the_files(run: source.Run, raw: dict[str, Any], folder: Path) -> None:
    table, held = subgroup_table(run), raw["subgroups"]["rows"]
    assert table is not None and len(table.rows) == len(held)
    words = {m["name"]: m["label"] for m in json.loads((folder / "config.json").read_text())["models"]}
    shown = {r[:4]: r for r in table.rows}
    for h in held:
        row = shown[words[h["model"]], level_words(h["level"]), factor_words(h["factor"]), group_words(h["group"])]
        assert row[4:6] == (h["n"], h["positives"]) and same(row[6], h["auc"])
    here = [h for h in held if (h["model"], h["level"]) == ("image", "image")]
    forest = subgroup_forest(run, "image", "image", figure="specificity")
    of_group = {f"{factor_words(h['factor'])} {group_words(h['group'])}": h["specificity"]["value"] for h in here}
    assert {p.label.partition(":")[0]: p.number.value for p in forest.points[1:]} == of_group
    assert run.leakage is not None
    leak = findings_table(run, run.leakage, "leakage", "Leakage")
    first = dict(zip(leak.columns, leak.rows[0], strict=True))
    assert same(first["Measured"], raw["leakage"]["rows"][0]["value"]) and leak.status == "complete"
    assert first["Figure"] == "AUC" and "not on the model that answers here" in whose_findings(run)
    without = run_sections(replace(run, leakage=None, generalisation=None, subgroups=None, tests=None))
    said = {s.id: s for s in without if not s.blocks}
    assert said.keys() == {"leakage", "generalisation", "subgroups", "tests"}
    assert all(s.lines[0].startswith("Not measured") for s in said.values())


def with_auc(run: source.Run, model: str, value: float) -> source.Run:
    rows = tuple(
        replace(r, metrics={**r.metrics, "auc": Estimate(value, value - 0.1, value + 0.1)}) if r.model == model else r
        for r in run.metrics.models
    )
    return replace(run, metrics=replace(run.metrics, models=rows))


def test_only_an_auc_is_drawn_on_the_axis_of_the_auc(run: source.Run) -> None:
    """A Brier score of 0.19 beside the AUCs was read as one far below chance."""
    assert run.leakage is not None
    row = run.leakage.rows[0]
    both = replace(
        run.leakage,
        rows=(
            replace(row, id="bus_bra -> breast_lesions_usg", question="Does it hold on breast_lesions_usg?"),
            replace(row, metric="brier", value=Estimate(0.19, 0.17, 0.21)),
        ),
    )
    forest, table = (f(run, both, "generalisation", "x") for f in (findings_forest, findings_table))
    assert {p.number.value for p in forest.points} == {row.value.value, row.against.value if row.against else None}
    assert [r[1] for r in table.rows] == ["AUC", "Brier"]
    assert table.rows[0][0] == "Does it hold on BrEaST?" and forest.points[0].label.startswith("BUS-BRA -> BrEaST")


def test_the_reader_is_told_whose_findings_and_whose_ablations_they_are(run: source.Run) -> None:
    shipped = source.read_run(ROOT / "pretrained" / "breast-us" / "results" / "breast_lesions_usg")
    assert "of the shipped recipe itself" in whose_findings(shipped)
    ages = [p.label for p in subgroup_forest(shipped, "shipped", "history").points if p.label.startswith("Age")]
    assert ages[0].startswith("Age under 40") and ages[-1].startswith("Age unknown")
    assert shipped.leakage is not None
    drawn = findings_forest(shipped, shipped.leakage, "leakage", "x").points
    assert not any("against chance" in p.label for p in drawn), "chance is the dashed line"
    assert ablation_table(shipped, "history").notes[0].startswith("The shipped recipe itself was not ablated")
    assert not any("was not ablated" in n for n in ablation_table(run, "history").notes)


@pytest.mark.parametrize("level", ["history+descriptor+assessment", None])
def test_the_two_models_that_differences_are_taken_from_are_named_apart(level: str | None) -> None:
    """-0.019 in Table 3 and +0.003 in Table 4 were both "ours minus Without CNN"."""
    run = source.read_run(ROOT / "pretrained" / "breast-us" / "results" / "breast_lesions_usg")
    ablation, paired, forest = ablation_table(run, level), paired_table(run, level), difference_forest(run, level)
    assert paired is not None and forest is not None
    assert "Attention fusion" in ablation.columns[3] and "Attention fusion" in ablation.title
    assert "not of the shipped recipe" in ablation.title
    said = [ablation.title, *ablation.columns, *ablation.notes, *(str(r[0]) for r in ablation.rows)]
    assert not any(re.search(r"\bours\b", x, re.IGNORECASE) for x in said)
    assert "Shipped recipe" in forest.title and "Shipped recipe" in paired.title
    assert "Attention fusion" not in forest.title and "Attention fusion" not in paired.title
    assert any("Shipped recipe: their differences" in n for n in ablation.notes)


def test_where_a_rival_wins_it_is_said_first(run: source.Run) -> None:
    for model in ("concatenation", "late_average", "daft", "logistic", "boosting", "radiomics", "gradients"):
        run = with_auc(run, model, 0.4)
    assert "rival" not in headline(run)
    lost = with_auc(run, "logistic", 0.9999)
    assert headline(lost).startswith(
        "A rival has a higher AUC than ours at 2 of 3 levels of known fields, within chance"
    )
    assert leads(lost)[0].ahead == "rival"
    assert lost.tests is not None
    rows = tuple(
        replace(t, difference=Estimate(-0.1, -0.2, -0.05), bootstrap_p_holm=0.01) if t.b == "logistic" else t
        for t in lost.tests.rows
    )
    beaten = replace(lost, tests=replace(lost.tests, rows=rows))
    assert "beyond chance: history; history + descriptor" in headline(beaten)
    first = run_sections(beaten)[0].lines
    assert first[0].startswith("This run is partial") and first[1].startswith("A rival has a higher AUC")


def test_a_level_without_skill_is_said_to_be_chance(run: source.Run) -> None:
    assert chance_sentence(run) == ""
    for m in run.config.models:
        run = with_auc(run, m.name, 0.55)
    assert chance_sentence(run).startswith("No model is shown to be better than chance at these levels: image alone;")


@pytest.mark.parametrize(
    ("bundle", "name"), [("breast-us", "breast_lesions_usg"), ("duke-mri", "duke"), ("lgg-mri", "lgg")]
)
def test_the_cohort_lists_as_never_read_what_the_card_lists(bundle: str, name: str) -> None:
    folder = ROOT / "pretrained" / bundle
    listed = never_read((folder / "MODEL_CARD.md").read_text(encoding="utf-8"))
    run = source.read_run(folder / "results" / name)
    assert listed and all(leak in listed.split(", ") for leak in run.config.raw["leaks"])
    (section,) = [s for s in all_sections(run, (), {}, "a", never_read=listed) if s.id == "cohort"]
    (table,) = [b for b in section.blocks if isinstance(b, Table) and b.id == "table1_cohort"]
    row = dict(table.rows)["Never read, because they leak the outcome"]
    assert str(row).startswith(listed) and (bundle != "breast-us" or "Histology (of BrEaST and of BUS-BRA" in str(row))
    alone = dict(cohort_table(run).rows)["Never read, because they leak the outcome"]
    assert alone == ", ".join(run.config.raw["leaks"]), "a run of another cohort has its own alone"
    assert never_read("no such line") == ""


def test_cohort_table_is_the_configuration(run: source.Run) -> None:
    rows = dict(cohort_table(run).rows)
    assert rows["Images"] == "60, 33 % of them malignant" and rows["Patients"] == "60"
    assert rows["Split"].endswith("2 folds, seeds 7, 8")


def test_started_runs_and_their_command(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results" / "half"
    shutil.copytree(folder, copy)
    (copy / "settings.toml").write_text("")
    assert source.started_runs(tmp_path / "results") == () and [
        p.name for p in source.run_folders(tmp_path / "results")
    ] == ["half"]
    (copy / "metrics.json").unlink()
    (found,) = source.started_runs(tmp_path / "results")
    assert (found.units, found.planned) == (54, 56)
    command = source.resume_command(found.name, found.config, bundle="b")
    assert "--cohort example --root DIR --folds 2 --seeds 2" in command and command.endswith(
        "--out pretrained/b/results/half"
    )
    (copy / "metrics.json").write_text("{}")
    with pytest.raises(CohortError, match=r"metrics\.json"):
        source.read_run(copy)


def explanations() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    keys = ("ssim_noise", "pearson_noise", "deletion_gain", "field_gain")
    rows = [
        ExplanationRow(f"c{i}", f"p{i}", "malignant", "malignant" if i % 2 else "benign", 0.5,
                       {k: float(rng.random() - 0.3) for k in keys}, (0.9, 0.2))
        for i in range(20)
    ]  # fmt: skip
    found = summarise_explanations(rows, positive_class="malignant", replicates=50)
    return found | {"cohort": "bus_bra", "known": ["history"], "trained_on_this_cohort": True, "drawn": True}


def test_explanations_show_every_figure_and_say_what_was_missed(tmp_path: Path) -> None:
    place = tmp_path / "explanations" / "bus_bra"
    place.mkdir(parents=True)
    told = explanations()
    (place / "results.json").write_text(json.dumps(told))
    (place / "config.json").write_text(json.dumps({"bundle_sha256": "1" * 64}))
    (path,) = source.measurement_files(tmp_path)
    m = source.read_measurement(path, tmp_path)
    assert m is not None and (m.kind, m.name) == ("explanations", "explanations/bus_bra")
    rows = {str(r[0]): r for r in explanations_table(m).rows}
    assert same(rows["Map: deletion beats random regions"][3], told["shares"]["deletion_beats_random"])
    assert rows["Map: SSIM under small shifts"][3].value is None
    assert rows["Map: SSIM under noise"][5:] == ("at least 0.85", "missed")
    said = " ".join(cautions(m, "2" * 64))
    assert "Bars missed" in said and "trained the model" in said and "another version of this bundle" in said
    assert [s.title for s in measured_sections([m], "1" * 64)] == ["Explanations, BUS-BRA"]
    assert measured_sections([], "1" * 64)[0].lines[0].startswith("Not measured")


def test_input_check_and_cost_are_told_from_their_files() -> None:
    share = {"value": 0.1, "low": 0.05, "high": 0.2, "interval": "95 % Clopper-Pearson"}
    sets = {"mammography": {"n": 20, "flagged": 2, "share": share, "own": False}}
    bars = {"mammography": {"value": 0.1, "bar": 0.95, "rule": "at least", "met": False}}
    m = source.Measurement("inputs", "inputs", {"sets": sets, "bars": bars}, {})
    (row,) = inputs_table(m).rows
    assert same(row[2], share) and row[3] == "2 of 20" and row[6] == "missed"
    ratios = {"faster_than_shap_exact": {"value": 4.0, "bar": 5.0, "met": False, "unit": "times faster"}}
    cost = source.Measurement("benchmark", "cost", {"ratios": ratios, "notes": ["Medians."], "repeats": 5}, {})
    (row,) = cost_table(cost).rows
    assert (row[1].value, row[3], row[4]) == (4.0, "at least 5", "missed")


def test_the_bundles_own_results_are_those_of_its_file() -> None:
    held = json.loads((ROOT / "pretrained" / "breast-us" / "results.json").read_text())
    models = held["cross_validation"]["models"]
    forest, text = shipped_forest(held), shipped_headline(held)
    assert forest is not None
    drawn = [p.number.value for p in forest.points]
    assert drawn == sorted((e["auc"]["value"] for e in models.values()), reverse=True)
    worse = [
        k for k, e in models.items()
        if k.startswith("fused|") and k != "fused|image"
        for other in ("image", k.replace("fused", "clinical")) if models[other]["auc"]["value"] > e["auc"]["value"]
    ]  # fmt: skip
    assert text.startswith(
        f"A branch alone is ahead of the fused model in {len(worse)} of" if worse else "The fused model"
    )
    assert shipped_section({}).lines == ("This bundle reports no results: not measured.",)
    ids = [b.id for s in all_sections(None, (), held, "a") for b in s.blocks if isinstance(b, Table)]
    assert len(ids) == len(set(ids)) > 3
