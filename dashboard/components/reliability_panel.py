"""How far the explanation can be trusted: numbers with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.results import ReliabilityNumber


def passes(number: ReliabilityNumber) -> bool | None:
    """True or False against the threshold; None where there is no number or no threshold."""
    if number.value is None or number.threshold is None:
        return None
    return number.value >= number.threshold if number.higher_is_better else number.value <= number.threshold


def reliability_panel(numbers: Sequence[ReliabilityNumber]) -> None:
    """One line a number; a mark and a word carry the verdict, not colour alone."""
    st.subheader("How far to trust these pictures", anchor=False)
    if not numbers:
        st.caption("No reliability number was computed for this explanation.")
        return
    marks = {True: ":green[✓ passes]", False: ":orange[✗ below the bar]", None: ":gray[○ no bar]"}
    for n in numbers:
        mark = marks[passes(n)] if n.value is not None else ""
        value = "not computed" if n.value is None else f"{n.value:.2f}" if abs(n.value) >= 0.01 else f"{n.value:.1g}"
        bar = "" if n.threshold is None else f" (bar {'≥' if n.higher_is_better else '≤'} {n.threshold:g})"
        st.markdown(
            f"**{markdown_safe(n.name)}: {value}**{bar} {mark}  \n{markdown_safe(n.verdict)}",
            help=f"Computed from {n.computed_from}.",
        )
