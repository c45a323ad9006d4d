"""Buttons whose press outlives a run that is cut short before it comes to them.

A plain `if st.button(...)` is true in one run of the page only: the run that the press started. Where that run is cut
short before it comes to the button, because a clocked fragment or the viewer asks for another, the press is gone and
the reader has to press again. Here the press is noted by a callback, which runs before the page does, and stays until
the page takes it. From there on it is the page's: a run that is cut short between taking a press and acting on it has
lost it after all, so whoever takes one acts at once.

A button in a dialog or a fragment has in its key what it acts on: a second press may arrive when the first has closed
the dialog, and must not be there for the next one.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state

__all__ = ["pressed", "sent"]


def pressed(
    label: str, *, key: str, disabled: bool = False, place: DeltaGenerator | None = None, **options: Any
) -> bool:  # fmt: skip
    """Draw a button; True in the first run that comes here after it was pressed.

    A button that stands in different branches of a page keeps its key in all of them, so that a press on the one
    that has just been replaced counts too.

    Args:
        label: What it says.
        key: Identity; the same in every branch in which it means the same.
        disabled: True where it cannot be pressed; a press from before is then dropped.
        place: Where it is drawn; here where None.
        **options: As `st.button` takes them.
    """
    (place or st).button(label, key=key, disabled=disabled, on_click=state.note_press, args=(key,), **options)
    return state.take_press(key) and not disabled


def sent(label: str, *, key: str, disabled: bool = False, **options: Any) -> bool:
    """Draw a form's button; True in the first run that comes here after the form was sent.

    Args:
        label: What it says.
        key: Identity.
        disabled: True where it cannot be sent; what was sent before is then dropped.
        **options: As `st.form_submit_button` takes them.
    """
    st.form_submit_button(label, key=key, disabled=disabled, on_click=state.note_press, args=(key,), **options)
    return state.take_press(key) and not disabled
