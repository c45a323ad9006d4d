"""What the study store refuses, whoever sends it; each in one sentence."""

from __future__ import annotations

from datetime import datetime

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.case_questions import CASE_RATINGS, READING
from mmxai_core.reader_study.protocol import InstrumentUse, Protocol
from mmxai_core.reader_study.records import Shown, Slot

_FORMS = {"reading": READING, "ratings": CASE_RATINGS}


def check_answer(protocol: Protocol, assigned: Assignment | None, slot: Slot, *, seen: int, shown: Shown) -> None:
    """Refuse what does not fit the protocol, or comes from a page that ran ahead.

    Args:
        protocol: Of the study.
        assigned: The reading that the slot names, of this reader; None where there is none.
        slot: What is answered.
        seen: Iteration of the answer that the page had seen.
        shown: What of the AI was on screen.

    Raises:
        StudyStoreError: The slot is none of this study and reader, an unaided answer comes with the AI, or the answer
            is final.
    """
    if slot.kind == "questionnaire":
        _check_questionnaire(protocol, slot)
        return
    if assigned is None:
        raise StudyStoreError(f"Assignment {slot.assignment} is not one of this reader in this study.")
    stages = protocol.stages(assigned.arm)
    if slot.stage not in stages or slot.period != assigned.period or slot.instrument != _FORMS.get(slot.kind):
        raise StudyStoreError(
            f"This reading is of period {assigned.period} with the stages {', '.join(stages)}; got {slot.kind} "
            f"{slot.instrument!r} of stage {slot.stage!r} in period {slot.period}."
        )
    if slot.stage == "unaided" and shown != Shown(bundle=shown.bundle, bundle_sha256=shown.bundle_sha256):
        raise StudyStoreError("An unaided answer cannot come with anything of the AI on the screen.")
    if slot.kind == "reading" and seen and slot.stage != stages[-1]:
        raise StudyStoreError(
            f"The {slot.stage} opinion was committed and the next stage was shown; it can no longer be changed."
        )


def stage_before(protocol: Protocol, assigned: Assignment | None, slot: Slot) -> Slot | None:
    """The opinion that must be kept before this slot may be answered; None where there is none."""
    if assigned is None:
        return None
    stages = protocol.stages(assigned.arm)
    place = len(stages) if slot.kind == "ratings" else [str(s) for s in stages].index(slot.stage)
    return Slot("reading", READING, slot.period, stages[place - 1], slot.assignment) if place else None


def stale(kept: int, saved_at: datetime | None, seen: int) -> str:
    """What a window is told that does not know the newest answer.

    Args:
        kept: Iteration in the store, 0 for none.
        saved_at: When it was kept.
        seen: Iteration that the window had seen.
    """
    if saved_at is None:
        return "This window shows an answer that is not in the store; reload it."
    return (
        f"Another window answered this step at {saved_at:%H:%M:%S} UTC (version {kept}); this window saw "
        f"{f'version {seen}' if seen else 'none'}. Nothing was overwritten; reload to see it."
    )


def _check_questionnaire(protocol: Protocol, slot: Slot) -> None:
    asked = [f"{u.id} ({u.when})" for u in protocol.instruments]
    uses = [u for u in protocol.instruments if (u.id, u.when) == (slot.instrument, slot.stage)]
    periods = _periods(protocol, uses[0]) if uses else range(0)
    if slot.assignment is not None or slot.period not in periods:
        raise StudyStoreError(
            f"The questionnaires of this study are {', '.join(asked) or 'none'}; got {slot.instrument!r} "
            f"({slot.stage}, period {slot.period})."
        )


def _periods(protocol: Protocol, use: InstrumentUse) -> range:
    return range(1, protocol.periods + 1) if use.when == "period_end" else range(1)
