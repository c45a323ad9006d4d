"""Presses: taken once, not lost where the run is cut short, not kept for another page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components import pressing


def _cut_short() -> None:
    """A page whose first run after a press asks to be run again before it comes to the button."""
    import streamlit as st

    from dashboard import state
    from dashboard.components.pressing import pressed

    session = st.session_state
    session.runs = session.get("runs", 0) + 1
    if session.runs == 2:
        st.rerun()
    session.plain = session.get("plain", 0) + st.button("Plain", key="plain-button")
    session.taken = session.get("taken", 0) + pressed("Go", key="go", disabled=session.get("off", False))
    state.drop_presses()


def test_a_press_outlives_a_run_that_is_cut_short() -> None:
    app = AppTest.from_function(_cut_short).run()
    app.button(key="go").click().run()
    assert app.session_state.runs == 3 and app.session_state.taken == 1
    app.run()
    assert app.session_state.taken == 1, "a press is taken once"
    app.button(key="go").click().run()
    assert app.session_state.taken == 2


def test_a_plain_button_loses_it() -> None:
    """Why there is such a module; where Streamlit mends this, it can go."""
    app = AppTest.from_function(_cut_short).run()
    app.button(key="plain-button").click().run()
    assert app.session_state.runs == 3 and app.session_state.plain == 0


def test_a_disabled_button_drops_the_press() -> None:
    app = AppTest.from_function(_cut_short).run()
    app.session_state["off"] = True
    app.button(key="go").click().run()
    app.session_state["off"] = False
    app.run()
    assert app.session_state.taken == 0


def _removes() -> None:
    """A dialog's button acts on what its key names."""
    import streamlit as st

    from dashboard import state
    from dashboard.components.pressing import pressed

    session = st.session_state
    if session.get("stray"):  # a second press that came when the dialog had gone: no page run, so nothing drops it
        state.note_press(f"remove-{session.stray}")
    session.removed = session.get("removed", ())
    if pressed("Remove", key=f"remove-{session.get('case', 'A')}"):
        session.removed += (session.get("case", "A"),)


def test_a_stray_press_does_not_act_on_the_next_case() -> None:
    app = AppTest.from_function(_removes).run()
    app.button(key="remove-A").click().run()
    app.session_state["stray"], app.session_state["case"] = "A", "B"
    app.run()
    assert app.session_state.removed == ("A",)


def test_a_page_that_came_to_its_end_leaves_no_press_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}
    monkeypatch.setattr(state.st, "session_state", kept)
    state.note_press("go")
    state.note_press("other")
    assert state.take_press("go") and not state.take_press("go")
    state.drop_presses()
    assert not state.take_press("other")


def test_every_page_uses_it() -> None:
    """A plain button is for callbacks only: what it returns is lost where the run is cut short."""
    pages = Path(pressing.__file__).resolve().parents[1]
    for file in pages.rglob("*.py"):
        if file.name != "pressing.py":
            text = file.read_text(encoding="utf-8")
            used = re.search(r"(?:if|and|return|=)\s+\w+\.button\(|form_submit_button\(", text)
            assert used is None, f"{file.name}: {used and used.group(0)}"
