"""A run as sections, in the order of the printed report; the page shows the same tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.components.performance_charts import (
    auc_forest,
    calibration_curves,
    decision_curves,
    difference_forest,
    roc_curves,
    shown_first,
)
from dashboard.components.performance_confusion import PRINTED, rates_table
from dashboard.components.performance_findings import (
    findings_forest,
    findings_table,
    subgroup_forest,
    subgroup_models,
    subgroup_table,
    whose_findings,
)
from dashboard.components.performance_measured import cautions, explanations_forest, measured_tables
from dashboard.components.performance_outlines import OUTLINES, evidence_inside
from dashboard.components.performance_shipped import shipped_section
from dashboard.components.performance_source import Measurement, Run, cohort_name
from dashboard.components.performance_tables import (
    ablation_table,
    cohort_table,
    folds_table,
    localisation_table,
    models_table,
    paired_table,
    performance_table,
)
from dashboard.components.performance_words import (
    chance_sentence,
    headline,
    leads,
    level_words,
    levels_of,
    reference_of,
)
from mmxai_core.figures.performance_parts import Block, Section, Table

LEAKAGE = "Leakage: what a model may read besides the disease"
GENERALISATION = "Generalisation: across cohorts, scanners, hospitals"


def first_lines(run: Run) -> tuple[str, ...]:
    """What is said first: whether the run is whole, who wins, whether anything beats chance."""
    status = run.metrics.status
    partial = () if run.metrics.complete else (f"This run is {status}: its figures will change.",)
    told = (*partial, headline(run), chance_sentence(run), *(w.sentence for w in leads(run)), *run.metrics.notes)
    return tuple(x for x in told if x)


def run_sections(run: Run, *, never_read: str = "") -> tuple[Section, ...]:
    """Everything a run holds; `never_read` as `cohort_table` takes it."""
    return (
        Section("verdict", "Who is ahead", first_lines(run) or ("Nothing was measured yet.",), (auc_forest(run),)),
        Section("cohort", "Cohort", (), (cohort_table(run, never_read=never_read), models_table(run))),
        Section("performance", "Performance", (), (performance_table(run), folds_table(run))),
        _curves(run),
        Section("ablation", "Ablation", (), (ablation_table(run),)),
        _tests(run),
        localisation_section(run),
        _subgroups(run),
        *findings_sections(run),
    )


def _curves(run: Run) -> Section:
    blocks: list[Block] = []
    for level in levels_of(run):
        models = shown_first(run, level)
        blocks += [roc_curves(run, level, models), calibration_curves(run, level, models),
                   decision_curves(run, level, models)]  # fmt: skip
        ours = reference_of(run, level)
        row = run.metrics.row(ours, level) if ours else None
        table = rates_table(run, row, PRINTED) if row else None
        blocks += [table] if table else []
    line = "Drawn: the best, ours, and the single branches; the page draws any model, and the matrix at any threshold."
    return Section("curves", "Curves and thresholds", (line,), tuple(blocks))


def _tests(run: Run) -> Section:
    table, forest = paired_table(run), difference_forest(run)
    blocks = [b for b in (forest, table) if b is not None]
    return Section("tests", "Statistical tests", () if blocks else ("Not measured: no paired test was made.",),
                   tuple(blocks))  # fmt: skip


def localisation_section(run: Run) -> Section:
    """Table 6, or why there is none."""
    table = localisation_table(run)
    if table is None:
        line = f"no map was compared with a lesion reference (reference of this cohort: {run.config.lesion_reference})"
        return Section("localisation", OUTLINES, (f"Not measured: {line}.",), ())
    return Section("localisation", OUTLINES, evidence_inside(run), (table,))


def _subgroups(run: Run) -> Section:
    table = subgroup_table(run)
    if table is None:
        return Section(
            "subgroups", "Subgroups", ("Not measured: the cohort states no group, or no seed is whole.",), ()
        )
    forests = tuple(subgroup_forest(run, m, level) for m, level in subgroup_models(run))
    return Section("subgroups", "Subgroups", (), (*forests, table))


def findings_sections(run: Run) -> tuple[Section, Section]:
    """Leakage and generalisation; what was not measured says so, and how to measure it."""
    out = []
    how = "Not measured: run `compare` with `--generalise`."
    for file, title, found in (
        ("leakage", LEAKAGE, run.leakage), ("generalisation", GENERALISATION, run.generalisation),
    ):  # fmt: skip
        if found is None or not found.rows:
            out.append(Section(file, title, (how,), ()))
            continue
        short = title.partition(":")[0]
        blocks = (findings_forest(run, found, file, f"{short}, measured and compared"),
                  findings_table(run, found, file, f"{short}: questions, methods, meaning"))  # fmt: skip
        out.append(Section(file, title, (whose_findings(run),) if file == "leakage" else (), blocks))
    return out[0], out[1]


def measured_sections(found: Sequence[Measurement], sha256: str) -> tuple[Section, ...]:
    """Explanations, input check and cost, from files beside the runs.

    Args:
        found: Measurements of the bundle.
        sha256: Of the bundle in use.
    """
    out = []
    if not any(m.kind == "explanations" for m in found):
        line = ("Not measured: run `python -m mmxai_core evaluate-explanations --bundle DIR --cohort NAME --root DIR "
                "--out DIR/results/explanations`.")  # fmt: skip
        out.append(Section("explanations", "Explanations (Table 5)", (line,), ()))
    titles = {"explanations": "Explanations", "inputs": "Input check", "cost": "Cost of explanations"}
    for m in sorted(found, key=lambda m: (list(titles).index(m.kind), m.name)):
        chart = (explanations_forest(m),) if m.kind == "explanations" else ()
        out.append(
            Section(f"{m.kind}_{m.name.replace('/', '_')}", _measured_title(m, titles[m.kind]), cautions(m, sha256),
                    (*chart, *measured_tables(m)))
        )  # fmt: skip
    return tuple(out)


def _measured_title(m: Measurement, kind: str) -> str:
    cohort = m.results.get("cohort")
    return f"{kind}, {cohort_name(str(cohort))}" if cohort else kind


def all_sections(
    run: Run | None, measured: Sequence[Measurement], bundle_results: Any, sha256: str, *, never_read: str = ""
) -> tuple[Section, ...]:
    """Everything, for the report.

    Args:
        run: The chosen run; None: the bundle alone.
        measured: Other measurements of the bundle.
        bundle_results: What results.json holds.
        sha256: Of the bundle in use.
        never_read: As `cohort_table` takes it.
    """
    return (
        *(run_sections(run, never_read=never_read) if run else ()), *measured_sections(measured, sha256),
        shipped_section(bundle_results),
    )  # fmt: skip


def tables_of(sections: Sequence[Section]) -> tuple[Table, ...]:
    """All tables, in order."""
    return tuple(b for s in sections for b in s.blocks if isinstance(b, Table))


__all__ = ["all_sections", "first_lines", "level_words", "measured_sections", "run_sections", "tables_of"]
