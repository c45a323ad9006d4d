"""Counts the seconds a reader was at work on a step: a components-v2 component that shows nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

__all__ = ["Beat", "activity"]

#: Seconds between heartbeats: what a killed browser loses at most.
EVERY_S = 5.0

_component = st.components.v2.component(
    "mmxai_activity", js=Path(__file__).with_name("activity.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Beat:
    """The latest heartbeat of a step.

    Attributes:
        step: The step counted.
        active_s: Seconds with a sign of the reader (key, pointer, wheel) within the idle limit, page visible.
        idle_s: The other seconds since the step was shown.
    """

    step: str
    active_s: float
    idle_s: float


def activity(step: str, *, idle_s: float, key: str) -> Beat | None:
    """The latest heartbeat of this step; None before the first.

    Mount it in a fragment: each heartbeat runs what it is in.

    Args:
        step: Names the step; a new one starts the count at 0.
        idle_s: Seconds without a sign after which the reader counts as idle.
        key: Identity of the component on the page.
    """
    beat = _component(
        data={"step": step, "everyS": EVERY_S, "idleS": idle_s}, key=key, on_beat_change=lambda: None
    ).get("beat")  # fmt: skip
    if not isinstance(beat, dict) or beat.get("step") != step:
        return None  # of an earlier step
    try:
        active, idle = float(beat["active_s"]), float(beat["idle_s"])
    except (KeyError, TypeError, ValueError):
        return None
    return Beat(step, active, idle) if active >= 0 and idle >= 0 else None
