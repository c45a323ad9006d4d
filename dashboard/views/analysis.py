"""Analysis of a reader study, for its coordinator: results in plain lines, figures, tables, exports."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import state, tasks
from dashboard.components.analysis_source import Source, choose_source
from dashboard.components.pressing import pressed
from dashboard.components.study_charts import study_chart
from dashboard.messages import boundary, incident, markdown_safe
from dashboard.views.coordinator import coordinator_or_stop
from mmxai_core.errors import CancelledError, MmxaiError
from mmxai_core.model.worker import Cancelled, Progress
from mmxai_core.reader_study.analysis.section import Section
from mmxai_core.reader_study.analysis.study_analysis import Options, StudyAnalysis, analyse_study
from mmxai_core.reader_study.exports.package import export_files, zip_bytes


def options() -> Options:
    """Choices that have a safe default, out of the way."""
    with st.popover("Options", icon=":material/tune:"):
        (a, b), (c, d) = st.columns(2), st.columns(2)
        scale = a.text_input(
            "Rating scale", key="analysis-scale", persist_state="session", placeholder="the commonest",
            help="Its name in the readings; blank: the one with most readings.",
        )  # fmt: skip
        threshold = b.number_input(
            "Positive from", value=None, key="analysis-threshold", persist_state="session", placeholder="as planned",
            help="A rating at or above it calls the case positive.",
        )  # fmt: skip
        replicates = c.number_input(
            "Bootstrap draws", 200, 20_000, 2000, 200, key="analysis-replicates", persist_state="session"
        )
        seed = d.number_input("Seed of the draws", 0, 10**9, 0, key="analysis-seed", persist_state="session")
    return Options(scale=scale.strip() or None, threshold=threshold, replicates=replicates, seed=seed)


def start(source: Source, chosen: Options) -> None:
    """Analyse beside the page."""

    def work(report: Progress, cancelled: Cancelled) -> StudyAnalysis:
        report("Reading the tables", 0.0)
        tables = source.tables()
        return analyse_study(
            tables, chosen, cancelled=cancelled, progress=lambda what, n, total: report(f"{what}: done", n / total)
        )

    task = tasks.start(work)
    task.step = "Starting"
    state.update_analysis_desk(task=task, purpose="analysis", problem="", files={})


def start_exports(analysis: StudyAnalysis) -> None:
    """Make every file beside the page."""

    def work(report: Progress, cancelled: Cancelled) -> dict[str, bytes]:
        def step(what: str, done: int, total: int) -> None:
            if cancelled():
                raise CancelledError("The export was cancelled.")
            report(f"Writing {what}", done / total)

        files = export_files(analysis, progress=step)
        return {"": zip_bytes(files), **files}

    task = tasks.start(work)
    task.step = "Starting"
    state.update_analysis_desk(task=task, purpose="exports", problem="")


@st.fragment(run_every=1.0)
def follow() -> None:
    """Progress and Cancel; the page runs again when the work is done."""
    with boundary():
        desk = state.analysis_desk()
        task = desk.task
        if task is None:
            return
        if task.done:
            error = task.error
            done: dict[str, Any] = {"task": None, "purpose": ""}
            if error is None:
                kept = {"analysis": task.result(), "section": "overview"} if desk.purpose == "analysis" else {
                    "files": task.result()
                }  # fmt: skip
                state.update_analysis_desk(**done, **kept)
            elif isinstance(error, CancelledError):
                state.update_analysis_desk(**done)
            else:
                state.update_analysis_desk(
                    **done, problem=str(error) if isinstance(error, MmxaiError) else incident(error)
                )
            st.rerun()
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.progress(task.fraction, text=task.step)
        right.button("Cancel", on_click=task.cancel, key="analysis-cancel", width="stretch")


def show_section(section: Section) -> None:
    """Lines first, then figures, then tables and how it was computed."""
    st.subheader(section.title, anchor=False)
    if section.undefined:
        st.info(f"Not defined: {markdown_safe(section.undefined)}", icon=":material/block:")
    else:
        st.markdown("\n".join(f"- {markdown_safe(line)}" for line in section.lines))
    for number, chart in enumerate(section.charts):
        with st.container(border=True):
            study_chart(chart, key=f"chart-{section.id}-{number}")
    for name, frame in section.tables.items():
        with st.expander(f"Table: {name.replace('_', ' ')} ({len(frame)} rows)", icon=":material/table:"):
            st.dataframe(frame, hide_index=True, width="stretch")
    for note in section.notes:
        st.caption(markdown_safe(note))


def exports(analysis: StudyAnalysis) -> None:
    """Files to take away; they are made when asked for."""
    desk = state.analysis_desk()
    st.markdown("**Exports**")
    if not desk.files:
        if pressed("Prepare the exports", icon=":material/inventory_2:", key="prepare", width="stretch",
                     disabled=desk.task is not None):  # fmt: skip
            start_exports(analysis)
            st.rerun()
        st.caption("Report (PDF), tidy tables (CSV, Parquet), iMRMC, data dictionary, checklists, figures.")
        return
    name = "".join(c if c.isalnum() else "-" for c in analysis.study.lower()).strip("-") or "study"
    st.download_button("Everything (zip)", desk.files[""], f"{name}-analysis.zip", "application/zip", key="get-zip",
                       icon=":material/download:", on_click="ignore", width="stretch", type="primary")  # fmt: skip
    st.download_button("Report (PDF)", desk.files["report.pdf"], f"{name}-report.pdf", "application/pdf", key="get-pdf",
                       icon=":material/picture_as_pdf:", on_click="ignore", width="stretch")  # fmt: skip
    st.download_button("Results (JSON)", desk.files["analysis.json"], f"{name}-analysis.json", "application/json",
                       key="get-json", icon=":material/data_object:", on_click="ignore", width="stretch")  # fmt: skip
    for path in sorted(p for p in desk.files if p.endswith(".imrmc")):
        st.download_button(f"iMRMC: {path.split('/')[-1]}", desk.files[path], f"{name}-{path.split('/')[-1]}",
                           "text/plain", key=f"get-{path}", icon=":material/download:", on_click="ignore",
                           width="stretch")  # fmt: skip


def results(analysis: StudyAnalysis) -> None:
    """The sections beside their list."""
    if analysis.simulated:
        st.warning(
            "**SIMULATED READERS.** Nothing below is evidence: it shows what an analysis of such a study looks like.",
            icon=":material/science:",
        )
    left, right = st.columns([1, 4], gap="large")
    names = {s.id: s.title for s in analysis.sections}
    desk = state.analysis_desk()
    with left:
        st.markdown(f"**{markdown_safe(analysis.study)}**")
        chosen = st.radio(
            "Section", list(names), index=list(names).index(desk.section) if desk.section in names else 0,
            format_func=names.__getitem__, key="analysis-section", label_visibility="collapsed",
            captions=[f"Not defined: {markdown_safe(s.undefined)}" if s.undefined else "" for s in analysis.sections],
        )  # fmt: skip
        if chosen != desk.section:
            state.update_analysis_desk(section=chosen)
        exports(analysis)
    with right, boundary():
        show_section(analysis[chosen])


def main() -> None:
    """The page."""
    coordinator_or_stop()
    st.subheader("Analysis of a reader study", anchor=False)
    desk = state.analysis_desk()
    shown = f"What to analyse (on screen: {markdown_safe(desk.analysis.study)})" if desk.analysis else "What to analyse"
    with st.expander(shown, expanded=desk.analysis is None, icon=":material/folder_open:"):
        source = choose_source()
        with st.container(horizontal=True):
            wanted = pressed(
                "Analyse", type="primary", disabled=source is None or desk.task is not None, key="analyse-study"
            )  # fmt: skip
            chosen = options()
        if wanted and source is not None:
            start(source, chosen)
            st.rerun()
    if desk.task is not None:
        follow()
    elif desk.problem:
        st.error(markdown_safe(desk.problem), icon=":material/error:")
    if desk.analysis is not None:
        results(desk.analysis)


main()
