"""Subgroups, leakage and generalisation of a run: forests and tables."""

from __future__ import annotations

from typing import Literal

from dashboard.components.performance_source import Run, cohort_name
from dashboard.components.performance_words import counted, label_of, level_words, number, source
from mmxai_core.comparison.results import Finding, Findings, SubgroupRow
from mmxai_core.figures.performance_parts import Cell, Forest, Number, Point, Table

_FACTORS = {"birads": "BI-RADS", "age_band": "Age"}
#: Why a small group has a count and no figure.
_FEW = "too few cases"


def factor_words(factor: str) -> str:
    """A subgroup factor as it is read."""
    return _FACTORS.get(factor, factor.replace("_", " ").capitalize())


def subgroup_models(run: Run) -> tuple[tuple[str, str], ...]:
    """(model, level) pairs measured by subgroup, most fields first."""
    rows = run.subgroups.rows if run.subgroups else ()
    return tuple(dict.fromkeys((r.model, r.level) for r in reversed(rows)))


def _of(run: Run, model: str, level: str) -> list[SubgroupRow]:
    rows = run.subgroups.rows if run.subgroups else ()
    return [r for r in rows if (r.model, r.level) == (model, level)]


def subgroup_forest(
    run: Run, model: str, level: str, *, figure: Literal["auc", "sensitivity", "specificity"] = "auc"
) -> Forest:
    """A model's figure in each group, below the figure of all.

    Args:
        run: A run with subgroups.
        model: Name.
        level: Level.
        figure: Which figure.
    """
    whole = run.metrics.row(model, level)
    all_cases = whole.metrics.get(figure) if whole else None
    points = [Point(f"All: n = {counted(run, whole.n, whole.positives)}", number(all_cases), "all")] if whole else []
    for r in _of(run, model, level):
        label = f"{factor_words(r.factor)} {r.group}: n = {r.n}, {r.positives} positive"
        points.append(Point(label, number(getattr(r, figure), why=_FEW), factor_words(r.factor)))
    name = "AUC" if figure == "auc" else figure.capitalize()
    return Forest(
        f"subgroups_{figure}", f"{name} by subgroup: {label_of(run, model)}, {level_words(level)}", name, tuple(points),
        source(run, "subgroups.json"), all_cases.value if all_cases else None, "all cases",
        run.subgroups.status if run.subgroups else "",
    )  # fmt: skip


def subgroup_table(run: Run) -> Table | None:
    """All subgroups of all measured models; None where there is none."""
    if run.subgroups is None or not run.subgroups.rows:
        return None
    rows: list[tuple[Cell, ...]] = [
        (label_of(run, r.model), level_words(r.level), factor_words(r.factor), r.group, r.n, r.positives,
         *(number(x, why=_FEW) for x in (r.auc, r.sensitivity, r.specificity)))
        for r in run.subgroups.rows
    ]  # fmt: skip
    return Table(
        "subgroups", "Subgroups",
        ("Model", "Known fields", "Factor", "Group", "n", "Positive", "AUC", "Sensitivity", "Specificity"),
        tuple(rows), source(run, "subgroups.json"), run.subgroups.status,
        ("Groups were not adjusted for one another, and no test was made: wide intervals that overlap show no "
         "difference.",),
    )  # fmt: skip


def _title(f: Finding) -> str:
    words = " ".join(cohort_name(w) for w in f.id.split(" "))
    return words if "->" in words else words.replace("_", " ").capitalize()


def findings_table(run: Run, found: Findings, file: str, title: str) -> Table:
    """Findings with question, method and meaning.

    Args:
        run: Their run.
        found: The findings.
        file: Their file's stem.
        title: Heading.
    """
    rows: list[tuple[Cell, ...]] = [
        (f.question, number(f.value), number(f.against) if f.against else "no comparison", f.against_is, f.n,
         f.how, f.note)
        for f in found.rows
    ]  # fmt: skip
    metrics = sorted({("AUC" if f.metric == "auc" else f.metric.replace("_", " ")) for f in found.rows})
    return Table(
        file, title, ("Question", " / ".join(metrics) or "Figure", "Against", "What that is", "n", "How", "Meaning"),
        tuple(rows), source(run, f"{file}.json"), found.status,
    )  # fmt: skip


def findings_forest(run: Run, found: Findings, file: str, title: str) -> Forest:
    """Each finding's figure above what it is compared with; arguments as `findings_table`."""
    points = []
    for f in found.rows:
        points.append(Point(f"{_title(f)}: n = {f.n:,}", number(f.value), "measured"))
        if f.against is not None:
            points.append(Point(f"against {f.against_is}", Number(f.against.value, f.against.low, f.against.high),
                                "compared with"))  # fmt: skip
    return Forest(
        f"{file}_chart", title, "AUC", tuple(points), source(run, f"{file}.json"), 0.5, "chance", found.status
    )  # fmt: skip
