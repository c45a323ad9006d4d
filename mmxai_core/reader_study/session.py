"""The session of one reader as a pure state machine: what comes next, and what may be shown there.

The state is the protocol, the reader's assignments and his kept answers, nothing else: after a kill at any moment the
next step follows from the store alone. Nothing of the AI is in a step's `reveals` before the unaided opinion of that
case is kept.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.case_questions import CASE_RATINGS, READING, case_questions
from mmxai_core.reader_study.protocol import Protocol, Stage, When
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
    out = list(_questionnaires(protocol, "start", 0))
    for period in range(1, protocol.periods + 1):
        mine = [a for a in assignments if a.period == period]
        for a in sorted(mine, key=lambda a: (not a.practice, a.position)):
            out += _case_steps(protocol, a)
        out += _questionnaires(protocol, "period_end", period)
    return (*out, *_questionnaires(protocol, "end", 0))


def next_step(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept], *, now: datetime) -> Step:
    """The first step without an answer; "wait" while a washout runs; "done" after the last.

    Args:
        protocol: Blinded or not.
        assignments: This reader's, with ids.
        kept: This reader's current answers.
        now: Aware of its time zone.
    """
    by_slot = {k.slot: k for k in kept}
    for step in steps(protocol, assignments):
        if step.slot in by_slot:
            continue
        until = None if step.assignment is None else _washout(protocol, assignments, by_slot, step.assignment)
        return step if until is None or until <= now else Step("wait", not_before=until)
    return Step("done")


def step_of(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept], slot: Slot) -> Step:
    """An earlier step again, to change its answer; its `final` says whether one may.

    Raises:
        StudyStoreError: The slot is not of this reader, or nothing is kept in it.
    """
    found = {k.slot: k for k in kept}.get(slot)
    for step in steps(protocol, assignments):
        if step.slot == slot and found is not None:
            return replace(step, seen=found.iteration)
    raise StudyStoreError("There is no answer of this reader at this step.")


def progress(protocol: Protocol, assignments: Sequence[Assignment], kept: Iterable[Kept]) -> Progress:
    """How far this reader is."""
    by_slot = {k.slot for k in kept}
    real = [a for a in assignments if not a.practice]
    done = {a.id for a in real if all(s.slot in by_slot for s in _case_steps(protocol, a))}
    open_steps = [s for s in steps(protocol, assignments) if s.slot not in by_slot]
    first = next((s.assignment.period for s in open_steps if s.assignment is not None), protocol.periods)
    here = [a for a in real if a.period == first]
    return Progress(len(done), len(real), first, protocol.periods, sum(a.id in done for a in here), len(here))


def elapsed(events: Iterable[Event], slot: Slot) -> Times:
    """Time on a step so far, over reloads and kills, from its "beat" events.

    Each run of a page counts from 0 again, so the last beat of each run is taken, and runs are added; two windows at
    once do not count twice, for no more active time is taken than has passed between the first and the last beat.
    """
    runs: dict[str, Times] = {}
    seen: dict[str, tuple[datetime, datetime]] = {}
    for e in events:
        if e.kind != "beat" or e.assignment != slot.assignment or e.stage != step_name(slot):
            continue
        run = str(e.data.get("run", ""))
        before = runs.get(run, Times())
        # A beat that arrives late says less than one before it.
        runs[run] = Times(max(before.active_s, _seconds(e, "active_s")), max(before.idle_s, _seconds(e, "idle_s")))
        began = e.at - timedelta(seconds=_seconds(e, "active_s") + _seconds(e, "idle_s"))
        start, end = seen.get(run, (began, e.at))
        seen[run] = (min(start, began), max(end, e.at))
    active = sum(t.active_s for t in runs.values())
    idle = sum(t.idle_s for t in runs.values())
    passed = _covered(seen.values())
    active = min(active, passed)
    return Times(active, min(idle, max(passed - active, 0.0)))


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
    if not 0 <= probability <= 1:
        raise StudyStoreError(f"A probability lies between 0 and 1; got {probability!r}.")
    if not seeded_wrong:
        return probability
    if truth is None:
        raise StudyStoreError("An error cannot be seeded in a case whose truth is not known.")
    called = probability >= threshold
    if called != truth:
        return probability
    if called:  # as far below the threshold as it was above, in parts of either side
        far = (probability - threshold) / (1 - threshold)
        return min(threshold * (1 - far), math.nextafter(threshold, 0.0))
    return threshold + (1 - threshold) * (threshold - probability) / threshold


def step_name(slot: Slot) -> str:
    """The name of a step in events, at most 16 characters: its stage, or "ratings", or questionnaire and period.

    Two questionnaires may be filled in one after the other, so that the name of one must hold its own.
    """
    if slot.kind == "reading":
        return slot.stage
    if slot.kind == "ratings":
        return "ratings"
    own = hashlib.sha256(f"{slot.instrument}|{slot.stage}".encode()).hexdigest()[:8]
    return f"form{slot.period}-{own}"


def _case_steps(protocol: Protocol, assignment: Assignment) -> list[Step]:
    stages = protocol.stages(assignment.arm)
    out = []
    for stage in stages:
        slot = Slot("reading", READING, assignment.period, stage, assignment.id)
        out.append(
            Step("reading", slot, assignment, reveals(protocol, assignment.arm, stage), final=stage != stages[-1])
        )
    if case_questions(protocol, assignment.arm):
        last = stages[-1]
        slot = Slot("ratings", CASE_RATINGS, assignment.period, last, assignment.id)
        out.append(Step("ratings", slot, assignment, reveals(protocol, assignment.arm, last)))
    return out


def reveals(protocol: Protocol, arm_id: str, stage: Stage) -> frozenset[str]:
    """What may be sent to the browser at a stage of an arm."""
    if stage == "unaided":
        return frozenset({"case"})
    shown = protocol.arm(arm_id).explanations if stage == "explanation" else ()
    return frozenset({"case", "ai", *shown})


def _questionnaires(protocol: Protocol, when: When, period: int) -> list[Step]:
    uses = [u for u in protocol.instruments if u.when == when]
    return [Step("questionnaire", Slot("questionnaire", u.id, period, when)) for u in uses]


def _washout(
    protocol: Protocol, assignments: Sequence[Assignment], kept: Mapping[Slot, Kept], coming: Assignment
) -> datetime | None:
    """When the period of the coming reading may begin; None where there is nothing to wait for."""
    days = protocol.design.washout_days
    earlier = {a.id for a in assignments if a.period == coming.period - 1 and not a.practice}
    begun = {a.id for a in assignments if a.period == coming.period}
    if not days or not earlier or any(k.slot.assignment in begun for k in kept.values()):
        return None
    times = [k.saved_at for k in kept.values() if k.slot.assignment in earlier and k.slot.kind == "reading"]
    return max(times) + timedelta(days=days) if times else None


def _seconds(event: Event, name: str) -> float:
    value = event.data.get(name, 0.0)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if usable else 0.0


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds covered by at least one span."""
    total, until = 0.0, None
    for start, end in sorted(spans):
        begin = start if until is None or start > until else until
        if end > begin:
            total += (end - begin).total_seconds()
        until = end if until is None or end > until else until
    return total
