"""The frame of every page: spacing, the research-use line, empty states."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from dashboard.messages import RESEARCH_USE

_CSS = Path(__file__).with_name("chrome.css").read_text(encoding="utf-8")
_SCRIPTS = "\n".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("shortcut.js", "unbroken.js")
)


def frame(detail: str, *, cookie: tuple[str, str, int] | None = None) -> None:
    """Style, the line at the foot that is on every page, what each page does by itself, and this browser's mark.

    Args:
        detail: Which model answers, and on what device.
        cookie: Name, value (hexadecimal digits) and days of a cookie by which a reload finds this browser's cases; it
            tells nothing of who reads. None: no cookie is set.
    """
    st.html(f"<style>{_CSS}</style>")
    script = _SCRIPTS
    if cookie is not None:
        name, value, days = cookie
        text = f"{name}={value}; path=/; SameSite=Strict; max-age={days * 86400}"
        script = f'document.cookie = "{text}";\n{script}'
    told = f"{RESEARCH_USE} <span>&nbsp;·&nbsp; {html.escape(detail)}</span>"
    st.html(f'<div class="mmx-foot" role="note">{told}</div><script>{script}</script>', unsafe_allow_javascript=True)


def empty_state(title: str, text: str) -> None:
    """What a page says when there is nothing to show yet."""
    with st.container(border=True):
        st.subheader(title)
        st.markdown(text)
