"""Subgroups, leakage and generalisation of a run: forests and tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from dashboard.components.performance_source import Run, cohort_name
from dashboard.components.performance_words import METRIC_NAMES, counted, label_of, level_words, number, source
from mmxai_core.comparison.leakage import OF_SHIPPED
from mmxai_core.comparison.results import Finding, Findings, SubgroupRow
from mmxai_core.figures.performance_parts import Cell, Forest, Number, Point, Table

_FACTORS = {"birads": "BI-RADS", "age_band": "Age", "field_strength_tesla": "Field strength, T"}
#: Why a small group has a count and no figure.
_FEW = "too few cases"


def factor_words(factor: str) -> str:
    """A subgroup factor as it is read."""
    return _FACTORS.get(factor, factor.replace("_", " ").capitalize())


def group_words(group: str) -> str:
    """A group of a factor as it is read: "mostly_fat" is "mostly fat"."""
    return group.replace("_", " ")


def subgroup_models(run: Run) -> tuple[tuple[str, str], ...]:
    """(model, level) pairs measured by subgroup, most fields first."""
    rows = run.subgroups.rows if run.subgroups else ()
    return tuple(dict.fromkeys((r.model, r.level) for r in reversed(rows)))


def _of(run: Run, model: str, level: str) -> list[SubgroupRow]:
    rows = run.subgroups.rows if run.subgroups else ()
    return _in_order([r for r in rows if (r.model, r.level) == (model, level)])


def _in_order(rows: Sequence[SubgroupRow]) -> list[SubgroupRow]:
    """Groups within their model, level and factor as a reader expects them."""
    blocks = list(dict.fromkeys((r.model, r.level, r.factor) for r in rows))

    def key(r: SubgroupRow) -> tuple[int, bool, bool, str]:
        # "under 40" is the youngest, and what is not known comes last
        block = blocks.index((r.model, r.level, r.factor))
        return block, r.group == "unknown", not r.group.startswith("under"), r.group

    return sorted(rows, key=key)


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
        label = f"{factor_words(r.factor)} {group_words(r.group)}: n = {r.n}, {r.positives} positive"
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
        (label_of(run, r.model), level_words(r.level), factor_words(r.factor), group_words(r.group), r.n, r.positives,
         *(number(x, why=_FEW) for x in (r.auc, r.sensitivity, r.specificity)))
        for r in _in_order(run.subgroups.rows)
    ]  # fmt: skip
    return Table(
        "subgroups", "Subgroups",
        ("Model", "Known fields", "Factor", "Group", "n", "Positive", "AUC", "Sensitivity", "Specificity"),
        tuple(rows), source(run, "subgroups.json"), run.subgroups.status,
        ("Groups were not adjusted for one another, and no test was made: wide intervals that overlap show no "
         "difference. Where a bootstrap has no width, as of a handful of cases that are all called alike, a rate has "
         "Wilson's interval (1927), which takes cases for independent, and an AUC none.",),
    )  # fmt: skip


def _named(text: str) -> str:
    """Text in which cohorts have the names that their publishers write."""
    return re.sub(r"[a-z]\w+", lambda word: cohort_name(word[0]), text)


def _title(f: Finding) -> str:
    words = _named(f.id)
    return words if "->" in words else words.replace("_", " ").capitalize()


def _figure(f: Finding) -> str:
    return METRIC_NAMES.get(f.metric, f.metric.replace("_", " "))


def whose_findings(run: Run) -> str:
    """Whose image branches were asked, in a sentence: the reader must not take them for the model that answers."""
    rows = run.leakage.rows if run.leakage else ()
    if all(r.against_is != OF_SHIPPED for r in rows):
        return "Measured on the models of this comparison, or on no model, not on the model that answers here."
    return (
        f"Rows against “{OF_SHIPPED}” are of the shipped recipe itself, each fold's own fit. All others are of the "
        "comparison's models, which are trained otherwise (see Cohort), or of no model at all."
    )


def findings_table(run: Run, found: Findings, file: str, title: str) -> Table:
    """Findings with question, method and meaning.

    Args:
        run: Their run.
        found: The findings.
        file: Their file's stem.
        title: Heading.
    """
    rows: list[tuple[Cell, ...]] = [
        (_named(f.question), _figure(f), number(f.value), number(f.against) if f.against else "no comparison",
         _named(f.against_is), f.n, f.note, _named(f.how))
        for f in found.rows
    ]  # fmt: skip
    return Table(
        file, title, ("Question", "Figure", "Measured", "Against", "What that is", "n", "Meaning", "How"),
        tuple(rows), source(run, f"{file}.json"), found.status,
    )  # fmt: skip


def findings_forest(run: Run, found: Findings, file: str, title: str) -> Forest:
    """Each finding's AUC above what it is compared with; arguments as `findings_table`. Other figures: in the table."""
    points = []
    for f in (f for f in found.rows if f.metric == "auc"):
        points.append(Point(f"{_title(f)}: n = {f.n:,}", number(f.value), "measured"))
        if f.against is not None and f.against_is != "chance":  # chance is the dashed line
            other = Number(f.against.value, f.against.low, f.against.high)
            points.append(Point(f"against {_named(f.against_is)}", other, "compared with"))
    return Forest(
        f"{file}_chart", title, "AUC", tuple(points), source(run, f"{file}.json"), 0.5, "chance", found.status
    )  # fmt: skip
