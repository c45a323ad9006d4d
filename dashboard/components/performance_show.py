"""Draws tables, charts and sections of results on the page."""

from __future__ import annotations

import streamlit as st

from dashboard.components.charts import inked
from dashboard.messages import markdown_safe
from mmxai_core.figures.performance_parts import Block, Curves, Section, Table, chart_words
from mmxai_core.figures.performance_plotly import chart_figure
from mmxai_core.report.performance_html import TABLE_CSS, said_html, table_html

_CONFIG = {"displayModeBar": False, "responsive": True}


def style() -> None:
    """Style of the tables, once a page."""
    st.html(f"<style>{TABLE_CSS}</style>")


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
