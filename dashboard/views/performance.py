"""Performance: what was measured of the models, drawn from the files beside the bundle; nothing is typed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import bundles, services, state
from dashboard.components.bundle_choice import say_warnings, viewed_choice
from dashboard.components.chrome import empty_state
from dashboard.components.model_facts import never_read
from dashboard.components.performance_panels import (
    cohort_panel,
    curves_panel,
    explanations_panel,
    findings_panel,
    models_panel,
    subgroups_panel,
    tests_panel,
    threshold_panel,
)
from dashboard.components.performance_sections import all_sections, measured_sections
from dashboard.components.performance_shipped import shipped_section
from dashboard.components.performance_show import show_section, style
from dashboard.components.performance_source import Run, Started, resume_command, run_title
from dashboard.components.performance_summary import HOW_GOOD, fused_or_alone, is_own, summary_lines, which_seeds
from dashboard.components.performance_words import chance_sentence, headline, level_words, levels_of
from dashboard.messages import boundary, markdown_safe
from dashboard.views import model_or_stop
from mmxai_core import __version__
from mmxai_core.figures.performance_parts import Section
from mmxai_core.report.performance import PerformanceReport

#: The choice that is no run.
BUNDLE = ""


def report(run: Run | None, at: Path) -> PerformanceReport:
    """Everything of the chosen run and of the bundle."""
    bundle = services.bundle(at)
    facts = [f"Bundle {bundle.name}, weights {bundle.sha256}.", f"mmxai {__version__}. Drawn from the result files."]
    if run is not None:
        facts.append(f"Run {run.name}, {run.metrics.status}.")
    first = Section("summary", HOW_GOOD, summary_lines(run, bundle.results()), ())
    held = services.measurements(at), bundle.results(), bundle.sha256
    sections = (first, *all_sections(run, *held, never_read=listed_by_card(run, at)))
    subject = run_title(run.config, run.name) if run else bundle.name
    return PerformanceReport(f"Performance: {subject}", tuple(facts), sections)


def listed_by_card(run: Run | None, at: Path) -> str:
    """The columns that the bundle's card lists as never read, for a run of its own question; else ""."""
    bundle = services.bundle(at)
    own = run is not None and is_own(run, bundle.results(), task=str(bundle.metadata.get("task", "")))
    return never_read(bundle.model_card()) if own else ""


def downloads(run: Run | None, at: Path) -> None:
    """The same as files, made when asked for."""
    stem = f"mmxai-performance-{run.name if run else services.bundle(at).name}"
    with st.popover("Download", icon=":material/download:", width="stretch"):
        st.download_button("Report (PDF)", lambda: report(run, at).pdf(), f"{stem}.pdf", "application/pdf",
                           icon=":material/picture_as_pdf:", on_click="ignore", key="pdf", width="stretch")  # fmt: skip
        st.download_button("Report (HTML)", lambda: report(run, at).html(), f"{stem}.html", "text/html",
                           icon=":material/html:", on_click="ignore", key="html", width="stretch")  # fmt: skip
        st.download_button("All tables and curves (CSV)", lambda: report(run, at).csv_zip(), f"{stem}-csv.zip",
                           "application/zip", icon=":material/table:", on_click="ignore", key="csv",
                           width="stretch")  # fmt: skip
        st.caption("Each takes some seconds to make. Research use only, not for diagnosis.")


def choose(left: DeltaGenerator, right: DeltaGenerator, names: list[str], at: Path) -> tuple[str, Run | None]:
    """The chosen run's name, and the run; "" and None for the bundle's own results.

    Args:
        left: Where the choice stands.
        right: Where the downloads stand.
        names: Folders of the runs.
        at: The bundle.
    """
    titles = services.performance_titles(at)
    name = left.selectbox(
        "Results of", [*names, BUNDLE], key="run", bind="query-params",
        format_func=lambda n: titles.get(n, n) if n != BUNDLE else f"{services.bundle(at).name}: its own results",
    )  # fmt: skip
    run = services.performance_run(name, at) if name != BUNDLE else None
    with right:
        downloads(run, at)
    return name, run


def plainly(run: Run | None, results: Any) -> None:
    """How good it is, in plain sentences."""
    with st.expander(HOW_GOOD):
        st.markdown("\n".join(f"- {markdown_safe(line)}" for line in summary_lines(run, results)))


def lead(run: Run, results: Any, *, own: bool) -> None:
    """Whole or partial, who wins, whether anything beats chance, and whether fusing helps: before any chart."""
    if not run.metrics.complete:
        st.warning(
            f"This run is {run.metrics.status}. What is missing is said where it is missing; figures will change.",
            icon=":material/hourglass_top:",
        )
    told = headline(run)
    if told:
        more = " ".join(filter(None, (chance_sentence(run), fused_or_alone(results) if own else "")))
        st.markdown(f"**{markdown_safe(told)}** {markdown_safe(more)}")
    plainly(run, results)


def show_open(panels: Mapping[str, Callable[[], None]], *, key: str) -> None:
    """Panels as tabs, of which the open one alone is drawn and sent; it is open again when the reader comes back.

    Args:
        panels: What draws each, by its name.
        key: Of the tabs.
    """
    state.start_tabs(key)
    for tab, (name, draw) in zip(st.tabs(list(panels), on_change="rerun", key=key), panels.items(), strict=True):
        if tab.open:
            state.note_tab(key, name)
            with tab, boundary():
                draw()


def show_run(run: Run, at: Path) -> None:
    """The panels of a run; only the open one is drawn and sent."""
    bundle = services.bundle(at)
    own = is_own(run, bundle.results(), task=str(bundle.metadata.get("task", "")))
    lead(run, bundle.results(), own=own)
    levels = list(levels_of(run))
    measured = [level for level in levels if any(r.metrics for r in run.metrics.models if r.level == level)]
    first = next((level for level in measured if level != "image"), (measured or levels)[0])
    level = st.segmented_control(
        "Known fields", levels, default=first, required=True, format_func=level_words, key=f"level-{run.name}",
        persist_state="session",
    )  # fmt: skip
    panels: dict[str, Callable[[], None]] = {
        "Models": lambda: models_panel(run, level, seeds=which_seeds(run, bundle.results())),
        "Curves": lambda: curves_panel(run, level),
        "Threshold": lambda: threshold_panel(run, level, bundle.threshold if own else None),
        "Ablation and tests": lambda: tests_panel(run, level),
        "Subgroups": lambda: subgroups_panel(run, level),
        "Leakage": lambda: findings_panel(run),
        "Explanations": lambda: explanations_panel(run, measured_sections(services.measurements(at), bundle.sha256)),
        "Cohort": lambda: cohort_panel(run, never_read=listed_by_card(run, at)),
    }
    show_open(panels, key=f"panel-{run.name}")


def show_bundle(at: Path) -> None:
    """The bundle's own cross-validation, and the measurements of its explanations."""
    bundle = services.bundle(at)
    plainly(None, bundle.results())
    panels: dict[str, Callable[[], None]] = {
        "Cross-validation": lambda: show_section(shipped_section(bundle.results()), key="bundle", heading=False),
        "Explanations": lambda: explanations_panel(None, measured_sections(services.measurements(at), bundle.sha256)),
    }
    show_open(panels, key="panel-bundle")


def under_way(found: tuple[Started, ...], at: Path) -> None:
    """Comparisons without figures yet, and how to go on with them."""
    if not found:
        return
    with st.expander(f"Not measured yet ({len(found)})", icon=":material/hourglass_top:"):
        for s in found:
            of = f"{s.units} of {s.planned} units" if s.planned else "no unit finished"
            st.markdown(f"**{markdown_safe(run_title(s.config, s.name))}**: {of}. To go on, or with `--measure-only` "
                        "to measure what is there:")  # fmt: skip
            st.code(resume_command(s.name, s.config, bundle=services.bundle(at).name), language="bash", wrap_lines=True)


def main() -> None:
    """The page."""
    model_or_stop()
    style()
    offers = bundles.offered()
    several = [2] if len(offers) > 1 else []
    *model, left, right = st.columns([*several, 5, 1.4], vertical_alignment="bottom")
    with model[0] if model else left:
        at = bundles.named(viewed_choice(offers, services.bundle_name()))
    with boundary():
        say_warnings(at.name, services.bundle_warnings(at))
    names, started = list(services.performance_runs(at)), services.started_runs(at)
    if not names:
        empty_state(
            "No comparison has been measured for this bundle",
            "A comparison trains the models and their rivals on one cohort and writes its results beside the bundle:\n"
            f"`{resume_command('NAME', None, bundle=services.bundle(at).name)}`\n\n"
            "It shows here with its first whole seed. Below: what training itself measured.",
        )
    with boundary():
        _, run = choose(left, right, names, at)
        if run is None:
            show_bundle(at)
        else:
            show_run(run, at)
    under_way(started, at)


main()
