"""The figures of a run: AUC by model, ROC, calibration, decision curve, differences."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.components.performance_source import Run
from dashboard.components.performance_tables import rows_at
from dashboard.components.performance_words import (
    counted,
    family,
    level_words,
    levels_of,
    metric,
    number,
    reference_name,
    reference_of,
    source,
    tests_at,
)
from mmxai_core.comparison.curves import DecisionCurve
from mmxai_core.comparison.results import ModelResult
from mmxai_core.figures.performance_parts import Curve, Curves, Forest, Point, cell_text
from mmxai_core.report.wording import class_name
from mmxai_core.results.typography import listed


def auc_forest(run: Run, level: str | None = None) -> Forest:
    """AUC of every model, best first, at a level or at all."""
    points = []
    for r in rows_at(run, level):
        ours = ", ours" if r.model == reference_of(run, r.level) else ""
        known = "" if level else f" ({level_words(r.level)})"
        points.append(Point(f"{r.label}{known}{ours}", metric(r, "auc"), family(r)))
    return Forest(
        "auc_by_model", "AUC by model" + (f", {level_words(level)}" if level else ""), "AUC", tuple(points),
        source(run, "metrics.json"), 0.5, "chance", run.metrics.status,
    )  # fmt: skip


def shown_first(run: Run, level: str) -> tuple[str, ...]:
    """Models whose curves are drawn unless the reader chooses others: ours, the best rival, and the single branches.

    A single branch stands only where it was measured: the image branch at "image alone", the clinical branch at every
    other level.
    """
    measured = [r for r in rows_at(run, level) if r.metrics]
    rival = next((r.model for r in measured if r.family == "rival"), None)
    wanted = dict.fromkeys((reference_of(run, level), rival, "image", "clinical"))
    return tuple(m for m in wanted if m is not None and any(r.model == m for r in measured))


def _chosen(run: Run, level: str, models: Sequence[str] | None) -> list[ModelResult]:
    return [r for r in rows_at(run, level) if models is None or r.model in models]


def _n(run: Run, rows: list[ModelResult]) -> str:
    """How many cases all drawn curves are of, for the title; "" where they differ, and each curve then says its own."""
    counts = {r.n for r in rows if r.metrics}
    return f", n = {counted(run, counts.pop())}" if len(counts) == 1 else ""


def _curve_label(run: Run, row: ModelResult, figure: str, title_n: str) -> str:
    return f"{row.label}: {figure}" + ("" if title_n else f", n = {counted(run, row.n)}")


def _missing(rows: list[ModelResult], what: str) -> str:
    without = [f"{r.label} ({r.units} of {r.units_all} units)" for r in rows if getattr(r, what) is None]
    return f"Not measured: {listed(without)}." if without else ""


def roc_curves(run: Run, level: str, models: Sequence[str] | None = None) -> Curves:
    """ROC curves at a level.

    Args:
        run: A run.
        level: A level.
        models: Names; None: all.
    """
    rows = _chosen(run, level, models)
    n = _n(run, rows)
    curves = tuple(
        Curve(_curve_label(run, r, f"AUC {cell_text(metric(r, 'auc'))}", n),
              r.roc.false_positive_rate, r.roc.true_positive_rate)
        for r in rows if r.roc
    )  # fmt: skip
    return Curves(
        f"roc_{level.replace('+', '_')}", f"ROC curves, {level_words(level)}{n}", "1 - specificity", "Sensitivity",
        curves, source(run, "metrics.json"), "chance", missing=_missing(rows, "roc"), status=run.metrics.status,
    )  # fmt: skip


def calibration_curves(run: Run, level: str, models: Sequence[str] | None = None) -> Curves:
    """Observed share of positives in bins of equal numbers of cases, with Wilson intervals; as `roc_curves`."""
    rows = _chosen(run, level, models)
    n, curves, noise = _n(run, rows), [], []
    for r in rows:
        if c := r.calibration:
            label = _curve_label(run, r, f"ECE {cell_text(metric(r, 'ece'))}", n)
            curves.append(Curve(label, c.predicted, c.observed, c.low, c.high))
            noise.append(f"{r.label} {c.ece_if_calibrated:.3f}, up to {c.ece_if_calibrated_high:.3f}")
    chance = f" ECE that noise alone gives, were the model calibrated: {'; '.join(noise)}." if noise else ""
    positive = class_name(run.config.positive_class)
    return Curves(
        f"calibration_{level.replace('+', '_')}", f"Calibration, {level_words(level)}{n}",
        f"Predicted probability of {positive}", f"Observed share of {positive}", tuple(curves),
        f"{source(run, 'metrics.json', intervals=False)} Bins of equal numbers of cases; bars are 95 % Wilson "
        f"intervals for the count of one seed.{chance}",
        "perfect calibration", True, missing=_missing(rows, "calibration"), status=run.metrics.status,
    )  # fmt: skip


def decision_curves(run: Run, level: str, models: Sequence[str] | None = None) -> Curves:
    """Net benefit at each threshold probability (Vickers and Elkin 2006), against acting on all and on none."""
    rows = _chosen(run, level, models)
    measured, n = [(r, r.decision) for r in rows if r.decision], _n(run, rows)
    curves = [
        Curve(_curve_label(run, r, f"AUC {cell_text(metric(r, 'auc'))}", n), d.threshold, d.net_benefit)
        for r, d in measured
    ]  # fmt: skip
    top = run.config.prevalence
    if measured:
        r, d = measured[0]
        top = r.positives / r.n
    y_range = (-0.25 * top, 1.05 * top)
    if measured:
        curves.append(Curve("act on all", d.threshold, d.treat_all, plain=True))
        curves.append(Curve("act on none", d.threshold, (0.0,) * len(d.threshold), plain=True))
    return Curves(
        f"decision_{level.replace('+', '_')}", f"Decision curve, {level_words(level)}{n}", "Threshold probability",
        "Net benefit", tuple(curves),
        f"{source(run, 'metrics.json', intervals=False)} The files hold no interval of the net benefit; read small "
        f"differences between curves by the intervals of the AUC.{_below(measured, y_range[0])}",
        y_range=y_range, missing=_missing(rows, "decision"), status=run.metrics.status,
    )  # fmt: skip


def _below(measured: list[tuple[ModelResult, DecisionCurve]], end: float) -> str:
    """From which threshold on a curve lies below 0, where acting on none is better, and where the axis is cut."""
    if not measured:
        return ""
    said = []
    for r, d in measured:
        loses = [t for t, b in zip(d.threshold, d.net_benefit, strict=True) if b < 0]
        lowest = min(d.net_benefit)
        if loses:
            said.append(f"{r.label} first at {min(loses):.2f}" + (f", down to {lowest:.2f}" if lowest < end else ""))
    below = f"Below 0, where acting on none is better: {'; '.join(said)}" if said else "No model's curve falls below 0"
    return f" {below}. The axis is cut at {end:.2f}; “act on all” falls further."


def difference_forest(run: Run, level: str | None = None) -> Forest | None:
    """AUC of ours minus each other model's; None where no test was made."""
    if run.tests is None or not run.tests.rows:
        return None
    names = {m.name: m for m in run.config.models}
    order = levels_of(run)
    rows = tests_at(run, level)
    points = []
    for t in sorted(rows, key=lambda t: (order.index(t.level), t.difference.value or 0.0)):
        known = "" if level else f" ({level_words(t.level)})"
        entry = names.get(t.b)
        points.append(
            Point(f"against {entry.label if entry else t.b}{known}", number(t.difference, form="signed"),
                  family(entry) if entry else "")
        )  # fmt: skip
    return Forest(
        "auc_differences",
        f"AUC: {reference_name(run, level)} minus each other model" + (f", {level_words(level)}" if level else ""),
        "Difference in AUC", tuple(points), source(run, "tests.json"), 0.0, "no difference; left of it the other wins",
        run.tests.status,
    )  # fmt: skip
