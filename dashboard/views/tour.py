"""Tour: five minutes through the program for those who decide about it, with a case where the model is wrong."""

from __future__ import annotations

import streamlit as st

from dashboard import state, touring
from dashboard.components.chrome import empty_state
from dashboard.components.pressing import pressed
from dashboard.tour_steps import STEPS
from dashboard.views import model_or_stop


def main() -> None:
    """The page."""
    model_or_stop()
    if not touring.has_samples():
        empty_state(
            "No samples for a tour",
            "The tour shows breast ultrasound: it needs the samples that ship in `assets/samples`, and a program that "
            "was started with a bundle for them.",
        )
        return
    minutes = round(sum(step.seconds for step in STEPS) / 60)
    st.subheader(f"A tour of {minutes} minutes", anchor=False)
    st.markdown(
        "It leads through the real pages with synthetic samples; every number is computed while you look. One of the "
        "cases is read wrongly by the model, and the tour shows what the reliability strip says there. "
        "**Next** leads on, **Leave** ends it, and it can be taken up again."
    )
    stopped = touring.remembered()
    with st.container(horizontal=True):
        if pressed("Start the tour", type="primary", icon=":material/play_arrow:", key="tour-start"):
            state.update(tour_seen={})
            touring.enter(0)
        if stopped and pressed(
            f"Resume at {stopped + 1}: {STEPS[stopped].title}", icon=":material/resume:", key="tour-resume"
        ):
            touring.enter(stopped)
    st.markdown("\n".join(f"{i}. {step.title} ({step.seconds} s)" for i, step in enumerate(STEPS, 1)))


main()
