"""Explanation: the evidence behind the prediction, linked across image and fields."""

from __future__ import annotations

import streamlit as st

from dashboard import services, state
from dashboard.components import downloads
from dashboard.components.account_panel import attention_panel, waterfall_panel
from dashboard.components.chrome import empty_state
from dashboard.components.evidence import LIMITS, field_of, field_sentence, scene
from dashboard.components.reliability_panel import reliability_panel
from dashboard.components.viewer import pack, viewer
from dashboard.components.wording import player_labels, verdict
from dashboard.jobs import Analysis
from dashboard.messages import boundary, markdown_safe
from dashboard.views import model_or_stop
from dashboard.views.following import follow_job, parts_left_out


@st.fragment
def evidence() -> None:
    """Viewer and charts; choosing a field in the viewer marks it in the charts."""
    with boundary():
        session = state.current()
        analysis = session.analysis
        if analysis is None:
            return
        schema = services.bundle().schema
        explanation = analysis.explanation
        fields = {f.id: f.label for f in schema.fields}
        players = player_labels(schema, dict(analysis.record.values))
        left, right = st.columns([13, 8], gap="medium")
        chosen = ""
        with left:
            index = explanation.prediction.image_index
            if analysis.study is None or index is None:
                st.info("No image was given, so there is no picture of evidence.", icon=":material/info:")
            else:
                key = f"evidence-{explanation.id}-{len(explanation.parts)}"
                packed = session.scenes.get(key) or state.keep_scene(
                    key, pack(scene(analysis.study.images[index], explanation, fields, height=430))
                )
                chosen = field_of(viewer(packed, key="evidence-viewer").layer)
                if chosen:
                    st.markdown(markdown_safe(field_sentence(explanation, chosen, players.get(chosen, chosen))))
        with right:
            waterfall_panel(explanation, players, highlight=chosen)
        attention, trust, limits = st.columns(3, gap="medium")
        with attention:
            attention_panel(explanation.cross_modal, fields, highlight=chosen)
        with trust:
            reliability_panel(explanation.reliability)
        with limits:
            st.subheader("What this cannot tell", anchor=False)
            st.markdown("\n".join(f"- {markdown_safe(line)}" for line in LIMITS))
            if explanation.missing:
                with st.expander(f"Not in this bundle ({len(explanation.missing)})"):
                    st.markdown("\n".join(f"- {markdown_safe(line)}" for line in explanation.missing))
            save(analysis, players)


def save(analysis: Analysis, labels: dict[str, str]) -> None:
    """Downloads."""
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "Everything (zip)", lambda: downloads.explanation_zip(analysis, labels), "explanation.zip",
            "application/zip", icon=":material/download:", on_click="ignore", key="zip",
            help="explanation.json, the raw maps, and the pictures as PNG",
        )  # fmt: skip
        st.download_button(
            "explanation.json", lambda: downloads.explanation_json(analysis), "explanation.json", "application/json",
            on_click="ignore", key="json",
        )  # fmt: skip


def main() -> None:
    """The page."""
    model_or_stop()
    session = state.current()
    analysis = session.analysis
    if analysis is None:
        empty_state("Nothing to explain yet", "Open a study on the Case page and press **Analyse**.")
        if st.button("Go to the case", type="primary"):
            st.switch_page("views/case.py")
        return
    record = services.bundle().schema.record(dict(session.values))
    if not analysis.is_about(session.study, record, session.roi):
        st.warning("Out of date: something changed after this analysis.", icon=":material/history:")
    check = analysis.explanation.input_check
    if check is not None and check.flagged:
        st.warning(markdown_safe(check.sentence), icon=":material/warning:")
    head = st.container(horizontal=True, vertical_alignment="center")
    with head:
        st.markdown(f"**{markdown_safe(verdict(analysis.prediction))}**", width="stretch")
        if st.button("Rate this explanation", icon=":material/rate_review:", key="to-survey"):
            st.switch_page("views/survey.py")
    if session.job is not None:
        follow_job(show=False)
    elif left_out := parts_left_out(analysis.explanation):
        st.warning(left_out, icon=":material/warning:")
    if session.problem:
        st.error(markdown_safe(session.problem), icon=":material/error:")
    evidence()


main()
