"""An instrument as a form: nothing preselected, "no answer" is an answer."""

from __future__ import annotations

import streamlit as st

from dashboard.components.pressing import pressed
from mmxai_core.reader_study.instruments import Instrument

_NO_ANSWER = "no_answer"


def survey_form(instrument: Instrument, *, key: str, closed: bool = False) -> dict[str, int | str | None] | None:
    """Draws the form.

    Args:
        instrument: The questions.
        key: Identity of this form; a new one is empty.
        closed: True where it cannot be sent yet.

    Returns:
        What was chosen by item id when the reader sent the form (None: left open); None while it is not sent.
    """
    raw: dict[str, int | str | None] = {}
    # Not `st.form`: that keeps the answers in the browser, and a look back at the pictures would lose them.
    with st.container(border=True, key=f"survey-{key}"):
        for item in instrument.items:
            if item.kind == "likert5":
                words = {1: f"1 {item.low}", 5: f"5 {item.high}", _NO_ANSWER: "No answer"}
                raw[item.id] = st.radio(
                    item.text, [1, 2, 3, 4, 5, _NO_ANSWER], index=None, horizontal=True, key=f"{key}-{item.id}",
                    format_func=lambda v, w=words: w.get(v, str(v)), persist_state="session",
                )  # fmt: skip
            else:
                raw[item.id] = st.text_area(
                    item.text + " (optional; no names)", key=f"{key}-{item.id}", height=80, max_chars=4000,
                    persist_state="session",
                )  # fmt: skip
        done = pressed("Save rating", key=f"save-rating-{key}", type="primary", icon=":material/save:", disabled=closed)
    return raw if done else None
