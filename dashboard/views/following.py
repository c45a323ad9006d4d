"""A running analysis, followed from any page: prediction first, then the first pictures, then the rest."""

from __future__ import annotations

import streamlit as st

from dashboard import services, state
from dashboard.components.result_panel import result_panel
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


@st.fragment(run_every=0.5)
def follow_job(*, show: bool) -> None:
    """Progress, Cancel, and what is known so far; the page runs again when there is more to show on it.

    Args:
        show: True to show the prediction here; False where the page shows it already.
    """
    with boundary():
        session = state.current()
        job = session.job
        if job is None:
            return
        if job.done:
            error = job.error
            if error is None:
                state.update(job=None, analysis=job.result(), problem="")
            elif isinstance(error, CancelledError):
                state.update(job=None, problem="")
            else:
                state.update(job=None, problem=sentence(error) if isinstance(error, MmxaiError) else incident(error))
            st.rerun()
        if job.partial is not None and session.analysis is not job.partial:
            state.update(analysis=job.partial)
            st.rerun()
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.progress(job.fraction, text=job.step)
        right.button("Cancel", on_click=job.cancel, key="cancel", width="stretch")
        if show and job.first is not None:
            first = job.first
            result_panel(
                first.prediction, services.bundle().schema, stale=False, explained=False, check=first.input_check,
                prediction_set=first.prediction_set,
            )  # fmt: skip
