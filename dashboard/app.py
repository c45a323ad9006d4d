"""Navigation, and nothing else. Run with `streamlit run dashboard/app.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).resolve().parent
if str(_HERE.parent) not in sys.path:  # streamlit puts only this file's folder on the path
    sys.path.insert(0, str(_HERE.parent))

from dashboard.messages import boundary  # noqa: E402  # needs the path above
from dashboard.views import frame_page  # noqa: E402  # needs the path above

st.set_page_config(
    page_title="MMXAI reading room", page_icon=str(_HERE / "icon.svg"), layout="wide",
    menu_items={"About": "Explainable multi-modal diagnosis. **Research use only, not for diagnosis.**"},
)  # fmt: skip
_VIEWS = _HERE / "views"
_page = st.navigation(
    [
        # Streamlit gives the default page no address of its own, so that /case would be unknown.
        st.Page(_VIEWS / "home.py", default=True, visibility="hidden"),
        st.Page(_VIEWS / "case.py", title="Case", icon=":material/radiology:", url_path="case"),
        st.Page(_VIEWS / "explanation.py", title="Explanation", icon=":material/lightbulb:", url_path="explanation"),
        st.Page(_VIEWS / "survey.py", title="Survey", icon=":material/rate_review:", url_path="survey"),
        st.Page(_VIEWS / "model.py", title="Model", icon=":material/info:", url_path="model"),
    ],
    position="top",
)
with boundary():
    frame_page()
    _page.run()
