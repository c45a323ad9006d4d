"""The coordinator's door: where a site sets a code, the pages that hold the truth ask for it."""

from __future__ import annotations

import hmac
import os

import streamlit as st

from dashboard import state
from dashboard.components.pressing import sent


def coordinator_or_stop() -> None:
    """Go on only for the coordinator; free where the site set no MMXAI_COORDINATOR_CODE."""
    code = os.environ.get("MMXAI_COORDINATOR_CODE", "")
    if not code or state.study().coordinator:
        return
    with st.container(border=True, width=480), st.form("coordinator", border=False):
        st.subheader("For the study's coordinator", anchor=False)
        typed = st.text_input("Coordinator code", type="password", help="Set by the site as MMXAI_COORDINATOR_CODE.")
        if sent("Open", key="open-coordinator", type="primary"):
            if hmac.compare_digest(typed.encode(), code.encode()):
                state.update_study(coordinator=True)
                st.rerun()
            st.error("That is not the coordinator's code.", icon=":material/error:")
    st.stop()
