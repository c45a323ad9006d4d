"""Plotly figures in the page's own ink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_CONFIG = {"displayModeBar": False, "responsive": True}


def inked(figure: Any) -> Any:
    """The figure in the page's text colour: Streamlit's own chart grey is too faint for a dark room."""
    ink, rule = ("#17212b", "#c5d0d8") if st.context.theme.type == "light" else ("#dfe6ec", "#2c3844")
    figure.update_layout(font={"color": ink, "size": 12}, legend={"font": {"color": ink}})
    figure.update_xaxes(tickfont={"color": ink}, title={"font": {"color": ink}}, gridcolor=rule, zerolinecolor=ink)
    figure.update_yaxes(tickfont={"color": ink}, title={"font": {"color": ink}}, gridcolor=rule)
    figure.update_annotations(font={"color": ink})
    return figure.update_traces(textfont={"color": ink}, selector={"type": "bar"}).update_traces(
        textfont={"color": ink}, selector={"type": "scatter"}
    )


def chart(figure: Any, *, key: str, alt: str) -> None:
    """Shows a figure.

    Args:
        figure: A Plotly figure.
        key: Its place on the page.
        alt: What it shows, for a reader who cannot see it.
    """
    st.plotly_chart(inked(figure), key=key, config=_CONFIG, alt=alt)


def clickable_chart(figure: Any, *, key: str, alt: str, on_click: Callable[[], None]) -> None:
    """Shows a figure whose marks can be clicked.

    Args:
        figure: A Plotly figure; a mark's `customdata` is its name.
        key: Its place on the page.
        alt: What it shows, for a reader who cannot see it.
        on_click: Called before the page runs again; `state.keep_click` can be it.
    """
    shown = inked(figure)
    # Plotly all but hides what is not chosen; the account must stay readable as a whole.
    ink = shown.layout.font.color
    for kind, opacity in (("bar", 0.65), ("scatter", 1.0)):
        faint = {"marker": {"opacity": opacity}, "textfont": {"color": ink}}
        chosen = {"marker": {"opacity": 1.0}, "textfont": {"color": ink}}
        # Both: Plotly reads the text of the chosen mark without looking whether there is any, and then says nothing.
        shown.update_traces(selected=chosen, unselected=faint, selector={"type": kind})
    st.plotly_chart(shown, key=key, config=_CONFIG, alt=alt, on_select=on_click, selection_mode="points")
