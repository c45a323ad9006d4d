"""How far the explanation can be trusted: failures first, plain words first, the numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.components.charts import chart
from dashboard.components.reliability_words import figure, figures, needs, passes, plain_name, tally
from dashboard.messages import markdown_safe
from mmxai_core.figures.strip import cascade_figure, curves_figure
from mmxai_core.report.glossary import terms_in, tooltip
from mmxai_core.results import ReliabilityNumber, ReliabilityStrip

__all__ = ["passes", "reliability_panel", "strip_charts"]

_MARKS = {False: ":orange[**✗**]", None: ":gray[○]", True: ":green[✓]"}


def reliability_panel(
    numbers: Sequence[ReliabilityNumber], *, running: bool = False, notes: Mapping[str, str] | None = None
) -> None:
    """What fails, with its verdict; then what passes, one line each; then what could not be tested.

    Args:
        numbers: In any order.
        running: True while more are being computed.
        notes: By name of a number, what is said beside it whether it passes or fails.
    """

    def said(number: ReliabilityNumber) -> str:
        note = (notes or {}).get(number.name, "")
        return f"  \n:gray[{markdown_safe(note)}]" if note else ""

    failed = [n for n in numbers if passes(n) is False]
    passed = [n for n in numbers if passes(n) is True]
    open_ = [n for n in numbers if passes(n) is None]
    total = len(failed) + len(passed)
    st.subheader("How far to trust this explanation", anchor=False)
    if not numbers:
        st.caption("No reliability number was computed for this explanation.")
        return
    summary = f"**{tally(len(failed), total, 'test')}.**"
    st.markdown(summary + (" :blue[More tests are still running.]" if running else ""))
    for number in failed:
        st.markdown(f"{_line(number)}  \n:orange[{markdown_safe(number.verdict)}]{said(number)}", help=_more(number))
    for number in passed:
        st.markdown(_line(number) + said(number), help=_more(number))
    if open_:
        with st.expander(f"Not tested ({len(open_)})"):
            for number in open_:
                st.markdown(f"{_line(number)}  \n{markdown_safe(number.verdict)}", help=_more(number))


def _line(number: ReliabilityNumber) -> str:
    """Mark, question and figure, in one line."""
    if number.value is None:
        return f"{_MARKS[None]} {markdown_safe(plain_name(number.name))}"
    shown, bar = figure(number.value), ""
    if number.threshold is not None:
        shown, held = figures(number.value, number.threshold)
        bar = f" :gray[({needs(number)} {held})]"
    return f"{_MARKS[passes(number)]} {markdown_safe(plain_name(number.name))}: **{shown}**{bar}"


def _more(number: ReliabilityNumber) -> str:
    """The technical name, what it says, what it was computed from, and what its terms mean."""
    said = markdown_safe(f"{number.name}. {number.verdict} Computed from {number.computed_from}.")
    terms = terms_in(number.name)
    return said + ("\n\n" + markdown_safe(tooltip(*(t.name for t in terms))) if terms else "")


def strip_charts(strip: ReliabilityStrip | None, *, target: str) -> None:
    """The curves behind the numbers.

    Args:
        strip: The strip, or None.
        target: Name of the class the map is about.
    """
    if strip is None or (strip.curves is None and not strip.cascade):
        return
    with st.expander("The curves behind these numbers"):
        if strip.curves is not None:
            for which, title in (("deletion", "Hiding what the map marks"), ("insertion", "Showing only that")):
                st.markdown(f"**{title}**")
                chart(
                    curves_figure(strip.curves, target=target, which=which), key=f"curve-{which}",
                    alt=f"{which.capitalize()} curve of the map against random regions",
                )  # fmt: skip
            st.caption(f"Hidden: {markdown_safe(strip.curves.how)}.")
        if strip.cascade:
            st.markdown("**The map as the model's weights are made random, from the output down**")
            chart(cascade_figure(strip.cascade), key="cascade", alt="Likeness to the true map, step by step")
            st.caption("A map that stays alike (hatched) does not depend on what the model learned there.")
