"""The line above a case: which one it is, and the way to the others."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Literal

import streamlit as st

from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe

Asked = Literal["previous", "next", "worklist", "close", ""]


def case_bar(
    name: str, code: str, *, place: str, before: bool, after: bool, unkept: str, model: Callable[[], None]
) -> Asked:  # fmt: skip
    """What the reader asked for.

    Args:
        name: What the reader calls the case.
        code: Its code in the worklist, or "".
        place: Where it stands in the list, in words, or "".
        before: True where there is a previous case.
        after: True where there is a next case.
        unkept: Why it is not kept, or "".
        model: Draws the choice of the model, in the line.
    """
    asked: Asked = ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="case-bar"):
        if pressed("Previous", icon=":material/chevron_left:", key="previous", disabled=not before,
                     shortcut="Alt+P", help="The case before this one in the worklist (Alt+P)"):  # fmt: skip
            asked = "previous"
        if pressed("Next", icon=":material/chevron_right:", key="next", disabled=not after,
                     shortcut="Alt+N", help="The case after this one in the worklist (Alt+N)"):  # fmt: skip
            asked = "next"
        st.html(title(name, code, place), width="stretch")
        model()
        if pressed("Worklist", icon=":material/list:", key="to-worklist"):
            asked = "worklist"
        if pressed("Close and open another", icon=":material/close:", key="close"):
            asked = "close"
    if unkept:
        st.warning(f"This case is not kept: {markdown_safe(unkept)}", icon=":material/cloud_off:")
    return asked


def title(name: str, code: str, place: str) -> str:
    """Which case it is, on one line, as HTML: where there is no room, the name ends in an ellipsis.

    Args:
        name: What the reader calls the case.
        code: Its code in the worklist, or "".
        place: Where it stands in the list, in words, or "".
    """
    rest = "".join(f" · {said}" for said in (f"case {code}" if code and code not in name else "", place) if said)
    whole, name, rest = (html.escape(said) for said in (name + rest, name, rest))
    return f'<div class="mmx-title" title="{whole}"><b>{name}</b><span>{rest}</span></div>'
