"""The bare address leads to the case."""

from __future__ import annotations

import streamlit as st

st.switch_page("views/case.py")
