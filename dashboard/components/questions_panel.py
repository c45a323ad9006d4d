"""What to ask next, and how much certainty each branch gives."""

from __future__ import annotations

import streamlit as st

from dashboard.components.charts import chart
from dashboard.messages import markdown_safe
from mmxai_core.figures.branches import branches_figure
from mmxai_core.figures.questions import questions_figure
from mmxai_core.results import Explanation

_BY = {"change": "Most change", "entropy": "Most certainty"}


def questions_panel(explanation: Explanation, *, running: bool) -> None:
    """Unknown fields ranked, then certainty by branch.

    Args:
        explanation: The explanation.
        running: True while parts are still being computed.
    """
    questions, branches = explanation.questions, explanation.branches
    st.subheader("What to ask next", anchor=False)
    if questions is None:
        st.info(
            "Comes at the end of the analysis." if running
            else "Not computed: the analysis was stopped, or this model has no clinical field.",
            icon=":material/info:",
        )  # fmt: skip
        return
    if not questions.questions:
        st.info("Every field is known: there is nothing left to ask.", icon=":material/check_circle:")
    else:
        by = st.segmented_control(
            "Ranked by", list(_BY), default="change", required=True, format_func=_BY.__getitem__, key="questions-by",
            persist_state="session", label_visibility="collapsed",
            help="Most change: how far knowing the field is expected to move the probability. Most certainty: how much "
            "uncertainty it is expected to take away; 1 is a coin toss between two classes.",
        )  # fmt: skip
        chart(
            questions_figure(questions, by=str(by), most=10), key="questions",
            alt=f"{len(questions.questions)} unknown fields ranked by {_BY[str(by)].lower()}",
        )  # fmt: skip
        st.caption(
            "Means over the answers the field may give, everything else kept.", help=markdown_safe(questions.semantics)
        )
    if branches is not None and branches.views:
        st.markdown("**How much certainty each branch gives**")
        prediction = explanation.prediction
        chart(
            branches_figure(branches, target=prediction.positive_class, threshold=prediction.threshold), key="branches",
            alt="Probability from image and clinical data, and from either alone",
        )  # fmt: skip
        for view in branches.views:
            st.markdown(f"- {markdown_safe(view.sentence)}")
        st.caption(
            "The line is the 90 % range over what the unknown fields may turn out to be. Uncertainty: 0 is sure, "
            "1 a coin toss.",
            help=markdown_safe(branches.semantics),
        )
