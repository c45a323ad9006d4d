"""The tour's card above a page: what to look at, and the way on."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard.components.pressing import pressed

Asked = Literal["back", "next", "leave", "go", ""]


def tour_bar(number: int, total: int, title: str, text: str, *, here: bool, leaving: str = "") -> Asked:
    """What the reader asked for.

    Args:
        number: Of this step, from 1.
        total: How many there are.
        title: The step's heading.
        text: What is said, Markdown.
        here: False where the reader went to another page meanwhile.
        leaving: Where Leave and End lead, in one sentence, or "".
    """
    asked: Asked = ""
    with st.container(border=True, key="tour"):
        left, right = st.columns([11, 5], gap="small", vertical_alignment="center")
        with left:
            st.markdown(f"**Tour {number} of {total} · {title}**  \n{text}")
        with right, st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            if not here and pressed("To this step", key="tour-go", icon=":material/my_location:"):
                asked = "go"
            if pressed("Back", key="tour-back", disabled=number == 1, icon=":material/arrow_back:"):
                asked = "back"
            last = number == total
            if pressed("End" if last else "Next", key="tour-next", type="primary", icon=":material/arrow_forward:",
                       help=(leaving or None) if last else None):  # fmt: skip
                asked = "leave" if last else "next"
            if not last and pressed("Leave", key="tour-leave", icon=":material/close:", help=leaving or None):
                asked = "leave"
    return asked
