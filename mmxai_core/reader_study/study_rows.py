"""Rows of the study store as records, and records as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.database import utc
from mmxai_core.reader_study.protocol import LockedProtocol
from mmxai_core.reader_study.protocol_file import from_json
from mmxai_core.reader_study.records import (
    Event,
    EventKind,
    ItemAnswer,
    Kept,
    Shown,
    Slot,
    SlotKind,
    StudyRecord,
    Times,
)
from mmxai_core.reader_study.schema import AnswerRow, AssignmentRow, EventRow, StudyRow, SubmissionRow


def study_record(row: StudyRow) -> StudyRecord:
    """A study; its protocol is checked against its hash."""
    return StudyRecord(row.id, LockedProtocol(from_json(row.protocol), row.sha256, utc(row.locked_at)))


def assignment(row: AssignmentRow) -> Assignment:
    """One reading to be done."""
    return Assignment(
        row.reader.code, row.period, row.position, row.arm.code, row.case.code, row.practice, row.seeded_wrong,
        row.placebo, row.id,
    )  # fmt: skip


def slot_key(study: int, reader: int, slot: Slot) -> str:
    """The text under which a slot's answers are unique."""
    return "/".join(
        str(p) for p in (study, reader, slot.kind, slot.period, slot.stage, slot.instrument, slot.assignment or "-")
    )


def submission(
    study: int,
    reader: int,
    slot: Slot,
    answers: Iterable[ItemAnswer],
    *,
    token: str,
    iteration: int,
    supersedes: int | None,
    instrument_version: str,
    shown: Shown,
    times: Times | None,
    opened_at: datetime,
    saved_at: datetime,
    imported: bool = False,
) -> SubmissionRow:
    """A new row with its answers."""
    return SubmissionRow(
        token=token, study_id=study, reader_id=reader, assignment_id=slot.assignment,
        slot=slot_key(study, reader, slot), kind=slot.kind, period=slot.period, stage=slot.stage,
        instrument=slot.instrument, instrument_version=instrument_version, iteration=iteration, supersedes=supersedes,
        bundle=shown.bundle, bundle_sha256=shown.bundle_sha256, explanation_id=shown.explanation_id,
        explainer=json.dumps(dict(shown.explainer), sort_keys=True), predicted_class=shown.predicted_class,
        probability=shown.probability, active_s=None if times is None else times.active_s,
        idle_s=None if times is None else times.idle_s, opened_at=opened_at, saved_at=saved_at, imported=imported,
        answers=[
            AnswerRow(item=a.item, position=n, state=a.state, value=a.value, text=a.text)
            for n, a in enumerate(answers)
        ],
    )  # fmt: skip


def kept(row: SubmissionRow, reader: str) -> Kept:
    """One answer."""
    shown = Shown(
        row.bundle, row.bundle_sha256, row.predicted_class, row.probability, row.explanation_id,
        json.loads(row.explainer),
    )  # fmt: skip
    times = None if row.active_s is None else Times(row.active_s, row.idle_s or 0.0)
    answers = tuple(ItemAnswer(a.item, _state(a.state), a.value, a.text) for a in row.answers)
    slot = Slot(cast(SlotKind, row.kind), row.instrument, row.period, row.stage, row.assignment_id)
    return Kept(
        row.id, reader, slot, row.iteration, row.supersedes, row.instrument_version, answers, shown, times,
        utc(row.opened_at), utc(row.saved_at), row.imported,
    )  # fmt: skip


def event(row: EventRow) -> Event:
    """One event."""
    return Event(
        row.id, "" if row.reader is None else row.reader.code, cast(EventKind, row.kind), row.assignment_id, row.stage,
        utc(row.at), json.loads(row.data),
    )  # fmt: skip


def content_token(*parts: object) -> str:
    """A token made of what is said, so that the same row imported twice is kept once."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _state(state: str) -> Any:  # AnswerState; the table allows no other
    return "answered" if state == "answered" else "no_answer"
