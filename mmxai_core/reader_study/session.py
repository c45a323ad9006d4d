"""The session of one reader as a pure state machine: what comes next, and what may be shown there.

The state is the protocol, the reader's assignments and his kept answers, nothing else: after a kill at any moment the
next step follows from the store alone. Nothing of the AI is in a step's `reveals` before the unaided opinion of that
case is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.protocol import Protocol
from mmxai_core.reader_study.records import Event, Kept, Slot, Times

StepKind = Literal["reading", "ratings", "questionnaire", "wait", "done"]


@dataclass(frozen=True)
class Step:
    """What a reader does next.

    Attributes:
        kind: "reading": give an opinion; "ratings": questions on the case; "questionnaire"; "wait": washout; "done".
        slot: What the answer is kept under; None to wait and when done.
        assignment: The reading it belongs to; None for the others. For the server only: it says what is seeded.
        reveals: What may be sent to the browser: "case" (image and clinical values), "ai" (the prediction) and ids of
            explanations. Nothing else may.
        final: True where the answer cannot be changed once kept, since keeping it reveals the next stage.
        not_before: For "wait": when the next period may begin, UTC.
        seen: Iteration of the answer already kept, 0 for none; hand it to `StudyStore.save`.
    """

    kind: StepKind
    slot: Slot | None = None
    assignment: Assignment | None = None
    reveals: frozenset[str] = frozenset()
    final: bool = False
    not_before: datetime | None = None
    seen: int = 0

    @property
    def practice(self) -> bool:
        """Whether this is practice."""
        return self.assignment is not None and self.assignment.practice


@dataclass(frozen=True)
class Progress:
    """How far a reader is.

    Attributes:
        done: Cases finished, without practice.
        total: Cases to be read, without practice.
        period: The period of the next step, from 1.
        periods: Periods of the study.
        done_in_period: Cases finished in it.
        total_in_period: Cases to be read in it.
    """

    done: int
    total: int
    period: int
    periods: int
    done_in_period: int
    total_in_period: int


def steps(protocol: Protocol, assignments: Sequence[Assignment]) -> tuple[Step, ...]:
    """Every step of one reader in order, waits left out.

    Args:
        protocol: Blinded or not; it makes no difference.
        assignments: This reader's, with ids.
    """
    raise NotImplementedError


def next_step(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept], *, now: datetime) -> Step:
    """The first step without an answer; "wait" while a washout runs; "done" after the last.

    Args:
        protocol: Blinded or not.
        assignments: This reader's, with ids.
        kept: This reader's current answers.
        now: Aware of its time zone.
    """
    raise NotImplementedError


def step_of(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept], slot: Slot) -> Step:
    """An earlier step again, to change its answer; its `final` says whether one may.

    Raises:
        StudyStoreError: The slot is not of this reader, or nothing is kept in it.
    """
    raise NotImplementedError


def progress(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept]) -> Progress:
    """How far this reader is."""
    raise NotImplementedError


def elapsed(events: Iterable[Event], slot: Slot) -> Times:
    """Time on a step so far, over reloads and kills, from its "beat" events.

    Each run of a page counts from 0 again, so the last beat of each run is taken, and runs are added; two windows at
    once do not count twice, for no more active time is taken than has passed between the first and the last beat.
    """
    raise NotImplementedError


def shown_probability(probability: float, *, truth: bool | None, threshold: float, seeded_wrong: bool) -> float:
    """The probability to show: the AI's own, or for a seeded error one as far on the wrong side of the threshold.

    Args:
        probability: The AI's, of the positive class, in [0, 1].
        truth: Of the case.
        threshold: From which the AI calls a case positive, in (0, 1).
        seeded_wrong: `Assignment.ai_seeded_wrong`.

    Returns:
        In [0, 1]. An AI that is wrong on its own stays as it is.

    Raises:
        StudyStoreError: The error is seeded and the truth is not known.
    """
    raise NotImplementedError
