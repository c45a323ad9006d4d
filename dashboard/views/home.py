"""The bare address leads to the case; on a server for readers, to their session."""

from __future__ import annotations

import os

import streamlit as st

st.switch_page("views/session.py" if os.environ.get("MMXAI_ROLE") == "reader" else "views/case.py")
