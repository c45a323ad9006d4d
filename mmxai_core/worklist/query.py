"""Search, filter, sort and neighbours of a worklist; no database, no page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmxai_core.worklist.case import PRIORITIES, STATES, Flag, Priority, Status, WorklistCase

Order = Literal["priority", "newest", "oldest", "most suspicious", "least suspicious", "status"]


@dataclass(frozen=True)
class Query:
    """What to show.

    Attributes:
        text: Every word must occur in code, title, source, modality, bundle, class called or flags; case is ignored.
        states: Only these; empty: all.
        priorities: Only these; empty: all.
        flags: Cases with at least one of these; empty: all.
        order: See `Order`. "priority": urgent first, then the newest.
    """

    text: str = ""
    states: tuple[Status, ...] = ()
    priorities: tuple[Priority, ...] = ()
    flags: tuple[Flag, ...] = ()
    order: Order = "priority"


def _words(case: WorklistCase) -> str:
    told = case.analysed
    result = (told.predicted_class, *told.flags) if told else ()
    kind = "phantom synthetic" if case.synthetic else ""
    return " ".join([case.code, case.title, case.source, case.modality or "", case.status, case.priority, kind,
                     case.bundle, *result]).lower()  # fmt: skip


def select(cases: Sequence[WorklistCase], query: Query) -> tuple[WorklistCase, ...]:
    """The cases a query asks for, in its order; cases without a result come last where the order is by result."""
    wanted = query.text.lower().split()
    kept = [
        c
        for c in cases
        if (not query.states or c.status in query.states)
        and (not query.priorities or c.priority in query.priorities)
        and (not query.flags or (c.analysed is not None and set(query.flags) & set(c.analysed.flags)))
        and all(word in _words(c) for word in wanted)
    ]
    return tuple(sorted(kept, key=_KEYS[query.order]))


def _suspicion(case: WorklistCase, sign: int) -> tuple[bool, float, float]:
    told = case.analysed
    return told is None, sign * told.probability if told else 0.0, -case.added_at.timestamp()


_KEYS: dict[Order, Callable[[WorklistCase], Any]] = {
    "priority": lambda c: (-PRIORITIES.index(c.priority), -c.added_at.timestamp()),
    "newest": lambda c: -c.added_at.timestamp(),
    "oldest": lambda c: c.added_at.timestamp(),
    "most suspicious": lambda c: _suspicion(c, -1),
    "least suspicious": lambda c: _suspicion(c, 1),
    "status": lambda c: (STATES.index(c.status), -c.added_at.timestamp()),
}


def neighbours(codes: Sequence[str], code: str) -> tuple[str | None, str | None]:
    """(previous, next) of a case in a list; None at an end; the first is next where the case is not in the list."""
    if code not in codes:
        return None, codes[0] if codes else None
    at = codes.index(code)
    return codes[at - 1] if at else None, codes[at + 1] if at + 1 < len(codes) else None
