"""Sign-in of a study's reader: a study and a code, from the link or typed.

Who leaves a study is told so and may sign in again. On a server for everybody the menu stays away from that tab until
the other pages are asked for: they show the AI at once, and the reader may have cases left to read. This keeps the way
clear and is no lock: who types another address of such a server gets there. A server with MMXAI_ROLE=reader has no
other page. The form asks for the code anew, for the next at this screen may be another reader; the browser's Back still
leads to the address with the code in it, which signs in as the link does, and who leaves is told so.
"""

from __future__ import annotations

import os

import streamlit as st

from dashboard import services, state
from dashboard.components.chrome import empty_state
from dashboard.components.pressing import pressed, sent
from dashboard.messages import markdown_safe
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.records import StudyRecord
from mmxai_core.reader_study.store import reader_code


def sign_in() -> StudyRecord | None:
    """The study this reader is signed in to; the form while there is none.

    The link a coordinator gives (`/session?study=ID&reader=CODE`) signs in by itself, so that a reload goes on.
    """
    session = state.study()
    code = str(st.query_params.get("study", "")) or session.code
    reader = str(st.query_params.get("reader", "")) or session.reader
    problem = ""
    if code and reader:
        try:
            return _enter(code, reader)
        except StudyStoreError as error:
            problem = str(error)
            state.leave_study()
    newest = {s.code: s for s in reversed(services.study_store().studies())}
    left = newest.get(session.left)
    if left is not None:
        st.success(
            f"You have left “{markdown_safe(left.for_readers.title)}”. What you answered is kept; sign in again to go "
            "on. The browser's Back goes on under your code as well: close this tab if others use this screen.",
            icon=":material/logout:", width=560,
        )  # fmt: skip
    open_ = [s for s in newest.values() if not services.study_store().is_closed(s)]
    if not open_:
        empty_state("No study is open", "A coordinator makes one on the **Study set-up** page and gives you a link.")
    else:
        with st.container(border=True, width=560), st.form("sign-in", border=False):
            st.subheader("Reading session", anchor=False)
            codes = [s.code for s in open_]
            titles = {s.code: s.for_readers.title for s in open_}
            before = code or session.left
            chosen = st.selectbox(
                "Study", codes, index=codes.index(before) if before in codes else 0, format_func=lambda c: titles[c]
            )
            typed = st.text_input(
                "Reader code", reader, max_chars=32, placeholder="R01",
                help="The pseudonym the coordinator gave you, never a name.",
            )  # fmt: skip
            if sent("Start or go on", key="sign-in", type="primary", icon=":material/login:"):
                try:
                    _enter(str(chosen), typed)
                except StudyStoreError as error:
                    problem = str(error)
    if problem:
        st.error(markdown_safe(problem), icon=":material/error:")
    if left is not None and os.environ.get("MMXAI_ROLE") != "reader":
        st.caption("For the study's coordinator:")
        if pressed("Show the other pages", icon=":material/menu:", key="other-pages"):
            state.update_study(left="")
            st.rerun()
    return None


def _enter(code: str, reader: str) -> StudyRecord:
    name = reader_code(reader)
    store, session = services.study_store(), state.study()
    study = store.sign_in(code, name)
    if (session.code, session.reader) != (code, name):
        state.leave_study()
        session = state.update_study(code=code, reader=name, left="")
        store.record(study, name, "signed_in", token=f"in-{session.run}")
        st.query_params.update(study=code, reader=name)
        st.rerun()  # the navigation goes while a reader is signed in
    return study
