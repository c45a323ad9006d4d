"""The explanation in clinical words, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.report.check_names import quoted_name
from mmxai_core.report.summary import summarise
from mmxai_core.results import Explanation


def summary_panel(explanation: Explanation, labels: Mapping[str, str], *, running: bool = False) -> None:
    """The summary as its checks allow it, then the limits of this case and of any explanation.

    Args:
        explanation: The explanation, as far as it is computed.
        labels: Label and value of each player.
        running: True while later parts are still being computed: what is untested may yet be tested.
    """
    summary = summarise(explanation, labels, check_name=quoted_name)
    st.subheader("In words", anchor=False, help="Made from this case's numbers by fixed sentences. A test that fails "
                 "weakens or removes the sentence that rests on it.")  # fmt: skip
    if running:
        st.caption("The tests are still running: the sentences may change.")
    st.markdown(markdown_safe(summary.text))
    st.subheader("What this cannot tell", anchor=False)
    st.markdown("\n".join(f"- {markdown_safe(line)}" for line in summary.cannot_tell))
    if explanation.missing:
        st.markdown("**Not in this model's bundle**")
        st.markdown("\n".join(f"- {markdown_safe(line)}" for line in explanation.missing))
