"""A running analysis, followed from any page: prediction first, then the first pictures, then the rest."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.casebook import analysed
from dashboard.jobs import Job
from dashboard.messages import boundary, incident, sentence
from mmxai_core.errors import CancelledError, MmxaiError
from mmxai_core.results import Explanation

#: What the later parts are called on the page, in the order in which they come.
_PARTS = {
    "joint": "contributions of image regions", "attention": "attention test", "strip": "reliability strip",
    "questions": "what to ask next",
}  # fmt: skip


def parts_left_out(explanation: Explanation) -> str:
    """One sentence on the parts that Cancel or a failure left out; "" where the explanation is whole."""
    left = [name for part, name in _PARTS.items() if part not in explanation.parts]
    return f"Stopped before: {', '.join(left)}." if left else ""


def explains_answer(session: state.ReadingSession) -> bool:
    """True where the explanation on hand is of the same inputs as the prediction on hand: Cancel may part them."""
    analysis, told = session.analysis, session.first_for
    return (
        analysis is not None and told is not None and analysis.study is session.study
        and dict(analysis.record.values) == dict(told.values) and analysis.roi == told.roi
    )  # fmt: skip


def stopped(session: state.ReadingSession) -> str:
    """What Cancel or a failure left of the latest analysis, beside its prediction; "" where it is whole, or runs."""
    analysis = session.analysis
    if session.job is not None:
        return ""
    if analysis is not None and explains_answer(session):
        if left_out := parts_left_out(analysis.explanation):
            return f"Cancelled. {left_out}" if session.cancelled else left_out
        return "Cancelled. The explanation is of an earlier analysis of the same values." if session.cancelled else ""
    if not session.cancelled:
        return ""
    return "Cancelled before its explanation." + (
        " The explanation on hand is of the analysis before." if analysis is not None else ""
    )


def _take_first(job: Job) -> bool:
    """Put the prediction into the session; True where it was not there."""
    session = state.current()
    if job.first is None or session.first is job.first:
        return False
    told = analysed(
        job.first, values=job.record.values, roi=job.roi, roi_image=job.roi_image,
        unknown=len(job.first.prediction.unknown_fields),
    )  # fmt: skip
    state.update(first=job.first, first_for=told)
    return True


@st.fragment(run_every=0.5)
def follow_job(*, show: bool) -> None:
    """Progress and Cancel; the page runs again when there is more to show on it.

    Args:
        show: True where the page shows the prediction as soon as there is one.
    """
    with boundary():
        session = state.current()
        job = session.job
        if job is None:
            return
        fresh = _take_first(job)
        if job.done:
            error = job.error
            if error is None:
                state.update(job=None, analysis=job.result(), problem="", cancelled=False)
            elif isinstance(error, CancelledError):
                state.update(job=None, problem="", cancelled=True)
            else:
                said = sentence(error) if isinstance(error, MmxaiError) else incident(error)
                state.update(job=None, problem=said, cancelled=False)
            st.rerun()
        if job.partial is not None and session.analysis is not job.partial:
            state.update(analysis=job.partial)
            st.rerun()
        if fresh and show:
            st.rerun()
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.progress(job.fraction, text=job.step)
            st.button("Cancel", on_click=job.cancel, key="cancel")
