"""Navigation, and nothing else. Run with `streamlit run dashboard/app.py`.

Streamlit imports this file once, for the server and its routes, and then runs it as a script, page by page.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.scriptrunner import StopException

_HERE = Path(__file__).resolve().parent
if str(_HERE.parent) not in sys.path:  # streamlit puts only this file's folder on the path
    sys.path.insert(0, str(_HERE.parent))


def pages() -> None:
    """Navigation and the chosen page."""
    from dashboard import garbage, state
    from dashboard.messages import boundary  # the server itself needs neither
    from dashboard.views import frame_page

    # Before the navigation: without an icon of ours the browser would fetch the page's from a server outside.
    st.set_page_config(
        page_title="MMXAI reading room", page_icon=str(_HERE / "icon.svg"), layout="wide",
        menu_items={"About": "Explainable multi-modal diagnosis. **Research use only, not for diagnosis.**"},
    )  # fmt: skip
    views = _HERE / "views"
    # Streamlit gives the default page no address of its own, so that /case, or a reader's /session, would be unknown.
    home = st.Page(views / "home.py", default=True, visibility="hidden")
    session = st.Page(views / "session.py", title="Reading session", icon=":material/visibility:", url_path="session")
    # A server for readers (MMXAI_ROLE=reader) has no page that could show the AI to one who has not yet answered; and
    # while a reader is signed in, or has just left, nothing on his page leads to one.
    readers_only = os.environ.get("MMXAI_ROLE") == "reader"
    page = st.navigation(
        [home, session] if readers_only else all_pages(home, session),
        position="hidden" if readers_only or state.study().is_readers else "top",
    )
    st.set_page_config(page_title=f"{page.title or 'Case'} · MMXAI reading room")
    try:
        with boundary():
            frame_page(page.url_path)
            page.run()
    except StopException:
        state.drop_presses()
        raise
    state.drop_presses()  # not reached by a run that is cut short, so that the next one takes its presses
    garbage.tidy()


def all_pages(home: StreamlitPage, session: StreamlitPage) -> dict[str, list[StreamlitPage]]:
    """The pages of a server for everybody, by section."""
    views = _HERE / "views"
    study = [
        session,
        st.Page(views / "studies.py", title="Study set-up", icon=":material/assignment_ind:", url_path="studies"),
        st.Page(views / "analysis.py", title="Study analysis", icon=":material/query_stats:", url_path="analysis"),
    ]
    return {
        "": [
            home,
            st.Page(views / "worklist.py", title="Worklist", icon=":material/list:", url_path="worklist"),
            st.Page(views / "case.py", title="Case", icon=":material/radiology:", url_path="case"),
            st.Page(views / "explanation.py", title="Explanation", icon=":material/lightbulb:", url_path="explanation"),
            st.Page(views / "survey.py", title="Survey", icon=":material/rate_review:", url_path="survey"),
            st.Page(views / "tour.py", title="Tour", icon=":material/tour:", url_path="tour"),
            st.Page(views / "model.py", title="Model", icon=":material/info:", url_path="model"),
            st.Page(
                views / "performance.py", title="Performance", icon=":material/monitoring:", url_path="performance"
            ),
        ],
        "Reader study": study,
    }


if __name__ == "__main__":
    pages()
else:
    from starlette.middleware import Middleware

    from dashboard.first_paint import FirstPaint
    from dashboard.pixel_route import routes

    # A page's run asks the system for something a hundred times, and each time waits for its turn behind the threads
    # that compute: 5 ms by default, half a second a run. *Measured* with thirty readers at once.
    sys.setswitchinterval(0.0005)
    app = st.App(__file__, routes=routes(), middleware=[Middleware(FirstPaint)])
