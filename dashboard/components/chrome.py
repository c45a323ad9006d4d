"""The frame of every page: spacing, the research-use line, empty states."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from dashboard.messages import RESEARCH_USE

_CSS = Path(__file__).with_name("chrome.css").read_text(encoding="utf-8")


def frame(detail: str) -> None:
    """Style and the line at the foot that is on every page.

    Args:
        detail: Which model answers, and on what device.
    """
    st.html(f"<style>{_CSS}</style>")
    st.html(f'<div class="mmx-foot" role="note">{RESEARCH_USE} <span>&nbsp;·&nbsp; {html.escape(detail)}</span></div>')


def desk_cookie(name: str, mark: str, *, days: int) -> None:
    """Give this browser its mark, so that a reload finds its cases. It tells nothing of who reads.

    Args:
        name: Of the cookie.
        mark: 32 hexadecimal digits.
        days: How long the browser keeps it.
    """
    st.html(
        f'<script>document.cookie = "{name}={mark}; path=/; SameSite=Strict; max-age={days * 86400}";</script>',
        unsafe_allow_javascript=True,
    )


def empty_state(title: str, text: str) -> None:
    """What a page says when there is nothing to show yet."""
    with st.container(border=True):
        st.subheader(title)
        st.markdown(text)
