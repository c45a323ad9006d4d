"""Draws tables, charts and sections of results on the page."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from dashboard.components.charts import inked
from dashboard.messages import markdown_safe
from mmxai_core.figures.performance_parts import (
    Block,
    Curves,
    Number,
    Section,
    Table,
    chart_words,
    interval_text,
    value_text,
)
from mmxai_core.figures.performance_plotly import chart_figure
from mmxai_core.report.performance_html import TABLE_CSS, said_html, table_html

_FIGURES_CSS = """
.mmx-figures {
  display: flex; flex-wrap: wrap; gap: 0.4rem 3rem; margin: 0.2rem 0 0.6rem; font-variant-numeric: tabular-nums;
}
.mmx-figures div { min-width: 8.5rem; } .mmx-figures b { display: block; font-size: 1.5rem; font-weight: 400; }
.mmx-figures :is(span, small) { font-size: 0.87rem; }
"""
_CONFIG = {"displayModeBar": False, "responsive": True}


def style() -> None:
    """Style of the tables, once a page."""
    st.html(f"<style>{TABLE_CSS}{_FIGURES_CSS}</style>")


def show_figures(figures: Mapping[str, Number]) -> None:
    """Figures in large print side by side, each with its interval.

    Args:
        figures: By name.
    """
    cells = "".join(
        f"<div><span>{html.escape(name)}</span><b>{html.escape(value_text(n))}</b>"
        f"<small>{html.escape(interval_text(n)) or 'no interval'}</small></div>"
        for name, n in figures.items()
    )
    st.html(f'<div class="mmx-figures">{cells}</div>')


def show(block: Block, *, key: str, titled: bool = True) -> None:
    """A table or a chart with its title, status and source.

    Args:
        block: What to show.
        key: Its place on the page.
        titled: Whether its title is shown.
    """
    if titled:
        st.markdown(f"**{markdown_safe(block.title)}**")
    if isinstance(block, Table):
        st.html(table_html(block))
        return
    figure = inked(chart_figure(block, light=st.context.theme.type == "light"))
    st.plotly_chart(figure, key=key, config=_CONFIG, theme=None, alt=chart_words(block))
    if isinstance(block, Curves) and block.missing:
        st.caption(markdown_safe(block.missing))
    st.html(said_html(block.source, block.status))


def show_section(section: Section, *, key: str, heading: bool = True) -> None:
    """A section: sentences first, then tables and charts.

    Args:
        section: What to show.
        key: Its place on the page.
        heading: Whether its title is shown.
    """
    if heading:
        st.subheader(section.title, anchor=False)
    for line in section.lines:
        st.markdown(markdown_safe(line))
    for i, block in enumerate(section.blocks):
        show(block, key=f"{key}-{i}")
