"""What a demanding reader must be told beside the figures: bars, seeds, cut axes, who stands in for a clinician."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison.example_run import write_example_run

from dashboard.components import performance_source as source
from dashboard.components.model_facts import coverage_spread
from dashboard.components.performance_charts import calibration_curves, decision_curves, roc_curves, shown_first
from dashboard.components.performance_confusion import matrix_table
from dashboard.components.performance_measured import (
    cautions,
    cost_table,
    explanations_forest,
    explanations_table,
    inputs_table,
)
from dashboard.components.performance_sections import localisation_section
from mmxai_core.comparison.results import ModelResult
from mmxai_core.evaluation.explanation_metrics import BARS
from mmxai_core.explain.benchmark import BARS as COST_BARS
from mmxai_core.figures.performance_parts import Number, cell_text, value_text
from mmxai_core.figures.performance_plotly import chart_figure
from mmxai_core.report.wording import percent

BUNDLE = Path(__file__).resolve().parents[2] / "pretrained" / "breast-us"
RESULTS = BUNDLE / "results"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> source.Run:
    return source.read_run(write_example_run(tmp_path_factory.mktemp("results") / "example"))


@pytest.fixture(scope="module")
def shipped() -> source.Run:
    """The committed run on BrEaST, where the recipe has one seed and its rivals three."""
    return source.read_run(RESULTS / "breast_lesions_usg")


def measured(name: str) -> source.Measurement:
    found = source.read_measurement(RESULTS / name / "results.json", RESULTS)
    assert found is not None
    return found


def row_of(run: source.Run, model: str, level: str) -> ModelResult:
    row = run.metrics.row(model, level)
    assert row is not None
    return row


def test_the_note_on_bars_names_the_code_that_has_them_and_the_rows_without() -> None:
    table = explanations_table(measured("explanations"))
    (note,) = [n for n in table.notes if n.startswith("Bars:")]
    assert "before these figures were measured" in note and "A row with “none” had none set" in note
    told = {row[5] for row in table.rows}
    assert told == {"none", *(f"{rule} {bar:g}" for bar, rule in BARS.values())}
    barred = source.Measurement("e", "explanations", {"shares": {}, "bars": {"ssim_noise": {"bar": 0.85}}}, {})
    (note,) = [n for n in explanations_table(barred).notes if n.startswith("Bars:")]
    assert "none set" not in note


def test_cases_of_training_and_known_fields_are_said_first() -> None:
    m = measured("explanations")
    assert m.results["trained_on_this_cohort"] and set(m.results["known"]) == {"history", "descriptor", "assessment"}
    told = cautions(m, str(m.results["bundle_sha256"]))
    assert told[0].startswith("Measured on cases that trained the model with every field known that the cohort states")
    some = replace(m, results={**m.results, "trained_on_this_cohort": False, "known": ["history"]})
    assert cautions(some, str(m.results["bundle_sha256"])) == (
        "Measured with the known fields of history: with other fields the figures may differ.",
    )


def test_every_point_of_the_chart_says_its_unit_and_the_one_where_low_is_good_says_so() -> None:
    chart = explanations_forest(measured("explanations"))
    labels = [p.label for p in chart.points]
    assert all(any(u in x for u in ("share", "SSIM", "Pearson", "-1 to 1")) for x in labels)
    assert [x for x in labels if "LOWER is better" in x] == ["Random weights, Pearson; LOWER is better; n = 201"]
    assert "but for random weights" in chart.axis
    shown = chart_figure(chart, light=True).layout.yaxis.ticktext
    assert list(shown) == labels, "no label is cut"


def test_the_row_of_random_weights_tells_the_layers_that_keep_the_map_alike() -> None:
    m = measured("explanations")
    table = explanations_table(m)
    row = next(r for r in table.rows if str(r[0]).startswith("Map: likeness to that of random weights"))
    stages = m.results["cascade"]
    assert all(f" {v:.2f}" in str(row[2]) for v in stages) and "every weight" in str(row[2])
    (note,) = [n for n in table.notes if n.startswith("Random weights:")]
    assert stages[1] >= 0.5 > stages[2] and "Up to “Transformer and pooling”" in note
    low = replace(m, results={**m.results, "cascade": [0.1, 0.2, 0.3, 0.4]})
    assert not any(n.startswith("Random weights:") for n in explanations_table(low).notes)


def test_the_gap_of_the_prediction_sets_stands_beside_the_spread_of_single_splits() -> None:
    m = measured("explanations")
    levels = json.loads((BUNDLE / "metadata.json").read_text())["conformal"]["levels"]
    ends = [c[k] for level in levels.values() for c in level.values() for k in ("low", "high")]
    row = next(r for r in explanations_table(m).rows if str(r[0]).startswith("Prediction sets"))
    assert f"on single splits {percent(min(ends))} to {percent(max(ends))}" in str(row[2])
    other = {"coverage": 0.9, "account": {"levels": {"image": {"coverage": {"a": {"value": 0.5}}}}}, "levels": levels}
    row = next(r for r in explanations_table(replace(m, conformal=other)).rows if str(r[0]).startswith("Prediction"))
    assert row[2] == "of the bundle, not of these cases", "another bundle's coverage is not told beside this gap"
    assert coverage_spread(None) == "" == coverage_spread({"coverage": 0.9, "levels": {}})


def test_costs_and_sets_are_told_in_words_and_three_digits() -> None:
    cost = cost_table(measured("benchmark"))
    names = [str(r[0]) for r in cost.rows]
    assert len(names) == len(set(names)) == len(COST_BARS)
    assert not any("_" in n or "gib" in n.lower() or "re encoding" in n for n in names)
    for row in cost.rows:
        assert isinstance(row[1], Number) and row[1].form == "short"
        assert len(value_text(row[1]).replace(",", "").replace(".", "").strip("0")) <= 3
    sets = [str(r[0]) for r in inputs_table(measured("inputs")).rows]
    assert "BrEaST, held out of statistics" in sets and not any("_" in s for s in sets)


@pytest.mark.parametrize(
    ("value", "text"), [(32126.994, "32,100"), (2.5896, "2.59"), (0.05039, "0.0504"), (0.9999, "1.00"), (0.0, "0")]
)
def test_short_numbers_have_three_digits(value: float, text: str) -> None:
    assert cell_text(Number(value, form="short")) == text


def test_outlines_are_said_to_stand_in_for_a_clinician_with_our_share_inside(shipped: source.Run) -> None:
    section = localisation_section(shipped)
    assert section.title == "Agreement with lesion outlines (in a clinician's place)"
    assert section.blocks[0].title == f"Table 6. {section.title}"
    held = row_of(shipped, "shipped", "history").localisation
    assert held is not None and held.energy.value is not None
    (line,) = section.lines
    assert f"{percent(held.energy.value)} (" in line and f"{percent(1 - held.energy.value)} outside" in line
    assert f"covers {percent(held.lesion_share)} of the image" in line
    rows = tuple(replace(r, localisation=None) for r in shipped.metrics.models)
    none = localisation_section(replace(shipped, metrics=replace(shipped.metrics, models=rows)))
    assert none.blocks == () and none.lines[0].startswith("Not measured")


def test_a_matrix_tells_the_seeds_of_its_own_model(shipped: source.Run) -> None:
    one = matrix_table(shipped, row_of(shipped, "no_cnn", "history"), 0.5)
    three = matrix_table(shipped, row_of(shipped, "daft", "history"), 0.5)
    assert one is not None and three is not None
    assert "1 seed of this model." in one.source and "means over seeds" not in one.source
    assert "3 seeds of this model. Counts are means over seeds" in three.source
    assert "for the counts of one seed" in three.source and "of one seed" not in one.source


def test_curves_drawn_first_are_ours_the_best_rival_and_the_single_branches(shipped: source.Run) -> None:
    for level in ("image", "history", "history+descriptor"):
        shown = shown_first(shipped, level)
        rivals = [r for r in shipped.metrics.models if r.level == level and r.family == "rival"]
        best = max(rivals, key=lambda r: r.metrics["auc"].value or 0.0)
        assert shown == ("shipped_image" if level == "image" else "shipped", best.model,
                         "image" if level == "image" else "clinical")  # fmt: skip


def test_the_decision_curve_says_where_it_falls_below_nothing_and_that_the_axis_is_cut(run: source.Run) -> None:
    level = "history"
    chart = decision_curves(run, level, ["logistic"])
    held = row_of(run, "logistic", level).decision
    assert held is not None
    first = next(t for t, b in zip(held.threshold, held.net_benefit, strict=True) if b < 0)
    assert f"Below 0, where acting on none is better: Logistic regression first at {first:.2f}" in chart.source
    assert f"The axis is cut at {chart.y_range[0]:.2f}" in chart.source
    rows = tuple(
        replace(r, decision=replace(r.decision, net_benefit=(0.1,) * len(r.decision.threshold))) if r.decision else r
        for r in run.metrics.models
    )
    above = decision_curves(replace(run, metrics=replace(run.metrics, models=rows)), level, ["logistic"])
    assert "No model's curve falls below 0." in above.source


@pytest.mark.parametrize("light", [True, False])
def test_acting_on_all_and_on_none_differ_by_their_lines(run: source.Run, light: bool) -> None:
    traces = {t.name: t for t in chart_figure(decision_curves(run, "history", ["logistic"]), light=light).data}
    lines: list[Any] = [t.line.dash for t in traces.values()]
    assert traces["act on all"].line.dash != traces["act on none"].line.dash and len(set(lines)) == 3


def test_legends_stand_above_the_plot_and_say_n_once(run: source.Run) -> None:
    for chart in (roc_curves(run, "history"), calibration_curves(run, "history"), decision_curves(run, "history")):
        assert chart.title.endswith("n = 60 patients") and not any("n =" in c.label for c in chart.curves)
        layout = chart_figure(chart, light=True).layout
        assert layout.legend.y == 1.0 and layout.legend.yanchor == "bottom"
        assert layout.margin.t >= 20 * len(chart.curves) and layout.height - layout.margin.t >= 350
    noise = row_of(run, "logistic", "history").calibration
    assert noise is not None
    assert f"Logistic regression {noise.ece_if_calibrated:.3f}" in calibration_curves(run, "history").source
