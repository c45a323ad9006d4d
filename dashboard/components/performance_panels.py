"""The panels of the Performance page: each takes a run and draws one subject of it."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from dashboard.components.performance_charts import (
    auc_forest,
    calibration_curves,
    decision_curves,
    difference_forest,
    roc_curves,
    shown_first,
)
from dashboard.components.performance_confusion import counts_at, matrix_table, rates
from dashboard.components.performance_findings import (
    subgroup_forest,
    subgroup_models,
    subgroup_table,
)
from dashboard.components.performance_sections import findings_sections, localisation_section
from dashboard.components.performance_show import show, show_figures, show_section
from dashboard.components.performance_source import Run
from dashboard.components.performance_tables import (
    SHORT,
    ablation_table,
    cohort_table,
    folds_table,
    models_table,
    paired_table,
    performance_table,
    rows_at,
)
from dashboard.components.performance_words import label_of, leads, level_words, reference_of
from dashboard.messages import markdown_safe

Rate = Literal["auc", "sensitivity", "specificity"]


def models_panel(run: Run, level: str, *, seeds: str = "") -> None:
    """AUC of every model, and Table 2.

    Args:
        run: The run.
        level: Known fields.
        seeds: Of which seeds its figures are, and where others stand; "" where there are no others.
    """
    for lead in leads(run):
        if lead.level == level:
            mark = ":material/warning:" if lead.ahead else ":material/check:"
            st.markdown(f"{mark} {markdown_safe(lead.sentence)}")
    if seeds:
        st.caption(markdown_safe(seeds))
    if any(r.metrics for r in rows_at(run, level)):
        show(auc_forest(run, level), key="auc-forest")
    else:
        st.markdown("Not measured: no model has a whole seed at this level yet.")
    show(performance_table(run, level, metrics=SHORT), key="table2")
    with st.expander("All metrics, and AUC by fold"):
        show(performance_table(run, level), key="table2-all", titled=False)
        show(folds_table(run), key="folds")
    with st.expander("What each model is"):
        show(models_table(run), key="models", titled=False)


def curves_panel(run: Run, level: str) -> None:
    """ROC, calibration and decision curves of the models the reader picks."""
    names = [r.model for r in rows_at(run, level)]
    if not shown_first(run, level):
        st.markdown("Not measured: no model has a whole seed at this level yet.")
        return
    picked = st.multiselect(
        "Models drawn", names, list(shown_first(run, level)), format_func=lambda m: label_of(run, m),
        key=f"curves-{run.name}-{level}", persist_state="session", placeholder="Choose models",
    )  # fmt: skip
    if not picked:
        st.caption("Choose a model to draw its curves.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        show(roc_curves(run, level, picked), key="roc")
    with right:
        show(calibration_curves(run, level, picked), key="calibration")
    show(decision_curves(run, level, picked), key="decision")


@st.fragment
def threshold_panel(run: Run, level: str, operating: float | None = None) -> None:
    """The confusion matrix at a threshold the reader moves; its counts are read, not computed.

    Args:
        run: The run.
        level: Known fields.
        operating: The bundle's own threshold, where the slider starts; None where the run is not of its question.
    """
    measured = [r for r in rows_at(run, level) if r.confusion]
    if not measured:
        st.markdown("Not measured: no model has a whole seed at this level yet.")
        return
    names, ours = [r.model for r in measured], reference_of(run, level)
    left, right = st.columns([2, 3], gap="large", vertical_alignment="bottom")
    model = left.selectbox(
        "Model", names, names.index(ours) if ours in names else 0, format_func=lambda m: label_of(run, m),
        key=f"threshold-model-{run.name}-{level}", persist_state="session",
    )  # fmt: skip
    first = 0.5 if operating is None else round(operating, 2)
    threshold = right.slider(
        "Threshold: called positive from this probability on", 0.0, 1.0, first, 0.01,
        key=f"threshold-{run.name}", persist_state="session",
    )  # fmt: skip
    if operating is not None:
        st.caption(
            f"The model that answers here calls from {operating:.3f} on. Sensitivity and specificity under Models are "
            "at each fold's own threshold, not at one for all."
        )
    row = next(r for r in measured if r.model == model)
    table, counts = matrix_table(run, row, threshold), counts_at(row, threshold)
    if table is None or counts is None:
        return
    show_figures(rates(counts))
    show(table, key="confusion")


def tests_panel(run: Run, level: str) -> None:
    """Table 3 and Table 4, with the differences drawn."""
    forest, table = difference_forest(run, level), paired_table(run, level)
    if forest is None or table is None:
        st.markdown("Not measured: no paired test was made.")
    else:
        show(forest, key="differences")
    show(ablation_table(run, level), key="ablation")
    if table is not None:
        show(table, key="tests")


def subgroups_panel(run: Run, level: str) -> None:
    """How a model does in each group; first ours, with the fields known that the page is about."""
    pairs, table = subgroup_models(run), subgroup_table(run)
    if table is None:
        st.markdown("Not measured: the cohort states no group, or no seed is whole.")
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    ours = (reference_of(run, level), level)
    pair = left.selectbox(
        "Model and known fields", pairs, pairs.index(ours) if ours in pairs else 0,
        key=f"subgroup-{run.name}-{level}", persist_state="session",
        format_func=lambda p: f"{label_of(run, p[0])}, {level_words(p[1])}",
    )  # fmt: skip
    figures: list[Rate] = ["auc", "sensitivity", "specificity"]
    figure = right.segmented_control(
        "Figure", figures, default="auc", required=True, key=f"subgroup-figure-{run.name}", persist_state="session",
        format_func=lambda f: "AUC" if f == "auc" else f.capitalize(),
    )  # fmt: skip
    show(subgroup_forest(run, *pair, figure=figure), key="subgroups")
    with st.expander("All subgroups as a table"):
        show(table, key="subgroup-table", titled=False)


def findings_panel(run: Run) -> None:
    """Leakage and generalisation."""
    for section in findings_sections(run):
        show_section(section, key=section.id)


def cohort_panel(run: Run, *, never_read: str = "") -> None:
    """Table 1; `never_read` as `cohort_table` takes it."""
    show(cohort_table(run, never_read=never_read), key="cohort")


def explanations_panel(run: Run | None, measured: Any) -> None:
    """Table 5 from the bundle's measurements, and Table 6 from the run.

    Args:
        run: The chosen run, or None.
        measured: Sections of the bundle's measurements.
    """
    for section in measured:
        show_section(section, key=section.id)
    if run is not None:
        show_section(localisation_section(run), key="localisation")
