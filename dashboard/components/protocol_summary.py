"""A protocol in a few lines, to be read before it is locked: arms, cases, readers, order."""

from __future__ import annotations

import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.reader_study.assignment import assign
from mmxai_core.reader_study.protocol import EXPLANATIONS, Arm, Case, Protocol

_STAGES = {"unaided": "Unaided", "ai": "AI", "explanation": "AI with explanation"}
_ORDER = {
    "latin_square": ("Latin square", "a case comes early for some readers and late for others, arms are balanced"),
    "blocked": ("blocked", "drawn for each reader, balanced within strata"),
}


def protocol_summary(protocol: Protocol) -> None:
    """Draws the lines.

    Args:
        protocol: A valid one.
    """
    st.markdown("\n".join(f"- {line}" for line in summary_lines(protocol)))


def summary_lines(protocol: Protocol) -> tuple[str, ...]:
    """Lines of Markdown; the arms are the first, one each."""
    practice, counted = protocol.practice_cases, protocol.study_cases
    groups = sorted({r.stratum for r in protocol.readers} - {""})
    of = {g: sum(r.stratum == g for r in protocol.readers) for g in groups}
    readings = sum(not a.practice for a in assign(protocol))
    codes = ", ".join(r.code for r in protocol.readers[:12]) + (", …" if len(protocol.readers) > 12 else "")
    name, how = _ORDER[protocol.randomisation.method]
    return (
        *(f"Arm `{a.id}`: {arm_course(protocol, a)}" for a in protocol.arms),
        f"{_many(len(counted), 'case')}: {_truths(counted, protocol)}"
        + (f"; {len(practice)} more for practice, read first" if practice else "; none for practice"),
        f"{_many(len(protocol.readers), 'reader')}: {codes}"
        + (f" ({', '.join(f'{n} {markdown_safe(g)}' for g, n in of.items())})" if groups else ""),
        f"{_many(readings, 'reading')}, {readings // len(protocol.readers)} a reader, practice left out",
        f"Order: {name}, seed {protocol.randomisation.seed}; {how}; {_periods(protocol)}",
    )  # fmt: skip


def arm_course(protocol: Protocol, arm: Arm) -> str:
    """What a reader goes through in an arm, and what the arm shows on purpose that is not so."""
    course = " → ".join(_STAGES[s] for s in protocol.stages(arm.id))
    if arm.explanations:
        course += f" ({', '.join(EXPLANATIONS[e] for e in arm.explanations)})"
    if arm.wrong_share:
        course += f"; the AI is made wrong in {100 * arm.wrong_share:g} % of the readings"
    if arm.placebo_share:
        course += f"; the map is a placebo in {100 * arm.placebo_share:g} %"
    return course


def _truths(cases: tuple[Case, ...], protocol: Protocol) -> str:
    named = ((True, protocol.positive), (False, protocol.negative), (None, "of unknown truth"))
    counts = ((sum(c.truth is truth for c in cases), name) for truth, name in named)
    return ", ".join(f"{n} {markdown_safe(name)}" for n, name in counts if n)


def _periods(protocol: Protocol) -> str:
    if protocol.design.kind == "sequential":
        return "one period"
    return f"{_many(protocol.periods, 'period')}, at least {protocol.design.washout_days:g} days between them"


def _many(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
