"""Model: card, limits, how it works, results with intervals, provenance, fields, glossary. All from the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import bundles, services
from dashboard.components.architecture import (
    AnswerFacts,
    architecture_rows,
    architecture_svg,
    equations,
)
from dashboard.components.bundle_choice import say_warnings, viewed_choice
from dashboard.components.model_facts import (
    card_section,
    coverage_rows,
    ece_bins_note,
    ece_note,
    operating_point,
    operating_rows,
    training_rows,
)
from dashboard.components.performance_show import style
from dashboard.components.performance_summary import which_seeds
from dashboard.components.results_tables import as_table, tables
from dashboard.messages import boundary, markdown_safe
from dashboard.views import model_or_stop
from mmxai_core.report.glossary import groups, terms_in, tooltip
from mmxai_core.report.performance_html import table_html
from mmxai_core.report.summary import ALWAYS


def table(rows: list[dict[str, str]]) -> None:
    """Rows as a plain table: nothing is cut, and it can be searched by the browser and read aloud."""
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


def defined(title: str) -> str | None:
    """The glossary's entries for a heading, as its tooltip."""
    found = terms_in(title)
    return tooltip(*(t.name for t in found)) if found else None


def heading(title: str) -> None:
    """A heading with the glossary behind it."""
    st.subheader(title, anchor=False, help=defined(title))


def card(at: Path) -> None:
    """The bundle's own card, with what its tables need to be read rightly."""
    bundle = services.bundle(at)
    results = bundle.results()
    two_pages(at)
    st.markdown(bundle.model_card())
    heading("Operating threshold")
    st.markdown(markdown_safe(operating_point(bundle)))
    if rows := operating_rows(results, bundle):
        table(rows)
    else:
        st.caption(
            "This bundle reports no sensitivity or specificity at this threshold. The command `evaluate` measures them "
            "on any cohort with outcomes."
        )
    ece_captions(results)


def two_pages(at: Path) -> None:
    """Which AUC stands here, where Performance has another of the same recipe."""
    held = services.bundle(at).results()
    with boundary():  # a damaged run is no reason to withhold the card
        runs = (services.performance_run(name, at) for name in services.performance_runs(at))
        if said := next(filter(None, (which_seeds(run, held, page="Model") for run in runs)), ""):
            st.caption(markdown_safe(said))


def ece_captions(results: Any) -> None:
    """What must be known to read the calibration errors rightly."""
    for note in filter(None, (ece_bins_note(results), ece_note(results))):
        st.caption(markdown_safe(note))


def limits(at: Path) -> None:
    """What it was trained on, what it promises, and where it ends."""
    bundle = services.bundle(at)
    if told := str(bundle.metadata.get("intended_use", "")):
        heading("Intended use")
        st.markdown(markdown_safe(told))
        if more := card_section(bundle.model_card(), "Intended use").replace(told, "").strip():
            st.markdown(more)
    if told := card_section(bundle.model_card(), "Limits"):
        heading("Limits of this model")
        st.markdown(told)
    heading("Limits of any explanation")
    st.markdown("\n".join(f"- {markdown_safe(line)}" for line in ALWAYS))
    if rows := coverage_rows(bundle):
        heading("Coverage of the prediction set")
        table(rows)
        st.caption(markdown_safe(f"Measured on {bundle.metadata['conformal']['computed_from']}."))
    if missing := services.explainer(at).reference.missing:
        heading("Not carried by this bundle")
        st.markdown("\n".join(f"- {markdown_safe(line)}" for line in missing))
    if rows := training_rows(bundle):
        heading("Training data")
        table(rows)


def how_it_works(at: Path) -> None:
    """The network as it is, drawn from its own shapes."""
    bundle, shapes = services.bundle(at), services.network_shapes(at)
    kept = bundle.metadata.get("conformal")
    facts = AnswerFacts(
        bundle.arch.backbone, bundle.temperature, bundle.threshold, kept["coverage"] if kept else None, bundle.classes
    )
    theme = "light" if st.context.theme.type == "light" else "dark"
    svg = architecture_svg(shapes, bundle.schema, facts, theme=theme)
    st.image(svg, width="stretch", alt=f"Architecture of {bundle.name}; the table below says the same in words")
    st.caption(
        f"Shapes read from the loaded network, one study: {shapes.parameters:,} learned numbers in all. "
        "Blue: image; brown: clinical data; plain: both."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        heading("Step by step")
        table(architecture_rows(shapes))
    with right:
        heading("Fusion in formulas")
        st.markdown(equations(shapes))


def results(at: Path) -> None:
    """Every table of results.json."""
    stored = services.bundle(at).results()
    held = stored if isinstance(stored, Mapping) else {}
    measured = list(tables({key: part for key, part in held.items() if key != "training"}))
    settings = list(tables({key: part for key, part in held.items() if key == "training"}))
    if not measured:
        st.caption("This bundle reports no results.")
    two_pages(at)
    ece_captions(stored)
    style()
    for entry in measured:
        st.subheader(entry.title, anchor=False, help=defined(" ".join([entry.title, *map(str, entry.rows.columns)])))
        st.html(table_html(as_table(entry)))
    if settings:
        st.subheader("Training settings", anchor=False)
        st.caption("How the model was trained. None of this is a result.")
        for entry in settings:
            st.markdown(f"**{markdown_safe(entry.title)}**")
            st.html(table_html(as_table(entry)))


def provenance(at: Path) -> None:
    """What exactly answers."""
    predictor, bundle = services.predictor(at), services.bundle(at)
    versions = predictor.versions()
    rows = {
        "Bundle": bundle.name, "Weights (SHA-256)": bundle.sha256, "Device": predictor.device,
        "Why this device": predictor.device_reason, "mmxai": versions.mmxai, "torch": versions.torch,
        "Classes": ", ".join(bundle.classes), "Operating threshold": f"{bundle.threshold:.3f}",
        "Temperature": f"{bundle.temperature:.3f}", "Study of many images": f"{bundle.aggregation} over images",
        "Image encoder": bundle.arch.backbone, "Intended use": str(bundle.metadata.get("intended_use", "")),
    }  # fmt: skip
    table([{"What": what, "Value": value} for what, value in rows.items()])


def fields(at: Path) -> None:
    """Every field the model knows."""
    rows = []
    for f in services.bundle(at).schema.fields:
        values = f"{f.plausible[0]:g} to {f.plausible[1]:g}" if f.plausible else ", ".join(f.category_ids)
        usual = f"{f.scale[0]:g} to {f.scale[1]:g}" if f.kind == "numeric" else ""
        rows.append(
            {
                "Field": f.label, "Id": f.id, "Group": f.group, "Kind": f.kind.replace("_", "/"), "Unit": f.unit or "",
                "Values": values, "Usual": usual,
            }
        )  # fmt: skip
    table(rows)


def glossary(_: Path) -> None:
    """Every term of the interface in one plain sentence."""
    columns = st.columns(2, gap="large")
    for i, (group, terms) in enumerate(groups().items()):
        with columns[i % 2]:
            st.subheader(group, anchor=False)
            for entry in terms:
                st.markdown(f"**{markdown_safe(entry.name)}**: {markdown_safe(entry.text)}  \n"
                            f":gray[{markdown_safe(entry.source)}]")  # fmt: skip


_TABS = {
    "Model card": card, "Limits": limits, "How this works": how_it_works, "Results": results,
    "Provenance": provenance, "Clinical fields": fields, "Glossary": glossary,
}  # fmt: skip


def main() -> None:
    """The page."""
    model_or_stop()
    choice, _ = st.columns([2, 5])
    with choice:
        at = bundles.named(viewed_choice(bundles.offered(), services.bundle_name()))
    with boundary():
        say_warnings(at.name, services.bundle_warnings(at))
    for tab, draw in zip(st.tabs(list(_TABS)), _TABS.values(), strict=True):
        with tab, boundary():
            draw(at)


main()
