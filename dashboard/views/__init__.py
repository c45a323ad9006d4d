"""Pages: thin scripts that join state, services and components."""

from __future__ import annotations

import os

import streamlit as st

from dashboard import casebook, services, state, touring
from dashboard.components.bundle_choice import say_warnings
from dashboard.components.chrome import frame
from dashboard.components.pressing import pressed
from dashboard.messages import RESEARCH_USE, boundary, markdown_safe, sentence
from mmxai_core.errors import MmxaiError, StudyStoreError
from mmxai_core.predict import Predictor
from mmxai_core.reader_study.store import reader_code

__all__ = ["RESEARCH_USE", "frame_page", "model_or_stop", "say_standing"]


def frame_page(page: str = "") -> None:
    """Style and footer, with the model's name where there is one; a reload takes up reader and case.

    Args:
        page: Name of the page in its address, e.g. "case".
    """
    services.start_reading_worker()
    try:
        with st.spinner("Loading the model"):
            predictor = services.predictor()
        detail = _answering(predictor)
    except MmxaiError:  # the page itself says what is wrong; the footer only names the model
        detail = "no model loaded"
        frame(detail)
        return
    if os.environ.get("MMXAI_ROLE") == "reader" or state.study().is_readers:
        frame("Reading session")  # the model is the study's, and is named where the study reveals it
        return  # who reads for a study sees its cases only
    casebook.take_up_desk()
    _take_up()
    detail = _answering(services.predictor())  # the case's own bundle, which the address may have led to
    frame(detail, cookie=(casebook.COOKIE, state.current().desk, services.worklist_settings().keep_days))
    touring.show(page)


def _answering(predictor: Predictor) -> str:
    """Which model answers, and where; Model and Performance may show another."""
    return f"In use: {predictor.bundle.name} {predictor.bundle.sha256[:8]} on {predictor.device}"


def _take_up() -> None:
    """Whose session this is, and the case in the address."""
    try:
        if not state.current().reader and (asked := st.query_params.get("reader")):
            state.update(reader=reader_code(asked))
    except StudyStoreError:  # the page that asks for the code says what is wrong with it
        pass
    try:
        casebook.follow_address()
    except MmxaiError as error:
        st.warning(markdown_safe(sentence(error)), icon=":material/cloud_off:")


def say_standing() -> None:
    """The warnings of the bundle that reads, above its answer."""
    with boundary():
        say_warnings(services.bundle_name(), services.bundle_warnings())


def model_or_stop() -> None:
    """Go on only with a model; otherwise say what to do.

    Raises:
        BundleError: A bundle is there, but damaged.
    """
    if services.bundle_is_missing():
        with st.container(border=True):
            st.subheader("No model is installed")
            st.markdown(
                f"The program looked for a model bundle named `{services.own_path().name}` and found none. Put it "
                "there (a folder with `metadata.json` and `weights.safetensors`), or start the program with "
                "`MMXAI_BUNDLE` set to one. To train one: "
                "`python -m mmxai_core train --cohort NAME --root DIR --out DIR`."
            )
        st.stop()
    try:
        services.predictor()
    except MmxaiError as error:
        st.error(markdown_safe(sentence(error)), icon=":material/error:")
        _offer_way_out()
        st.stop()


def _offer_way_out() -> None:
    """From a model that was chosen and cannot be used any more; the case stays as it is in the worklist."""
    session = state.current()
    if session.bundle in ("", services.own_path().name):
        return
    if pressed("Close the case" if session.opened else "Choose another model", key="leave-model"):
        casebook.close()
        state.update(bundle="")
        st.rerun()
