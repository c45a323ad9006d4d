"""Rows of the study store as records, and records as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, insert, select
from sqlalchemy.orm import Session

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
from mmxai_core.reader_study.schema import (
    AnswerRow,
    ArmRow,
    AssignmentRow,
    CaseRow,
    EventRow,
    ReaderRow,
    StudyRow,
    SubmissionRow,
)


def study_record(row: StudyRow) -> StudyRecord:
    """A study; its protocol is checked against its hash."""
    return StudyRecord(row.id, LockedProtocol(from_json(row.protocol), row.sha256, utc(row.locked_at)))


def load_assignments(session: Session, *conditions: ColumnElement[bool]) -> list[Assignment]:
    """Readings to be done, by period, practice first, position.

    Args:
        session: From `database`.
        *conditions: On `AssignmentRow`.
    """
    a = AssignmentRow.__table__.c
    query = (
        select(
            ReaderRow.code, a.period, a.position, ArmRow.code, CaseRow.code, a.practice, a.seeded_wrong, a.placebo, a.id
        )
        .join(ReaderRow, ReaderRow.id == a.reader_id)
        .join(ArmRow, ArmRow.id == a.arm_id)
        .join(CaseRow, CaseRow.id == a.case_id)
        .where(*conditions)
        .order_by(a.period, a.practice.desc(), a.position)
    )
    return [Assignment(*row) for row in session.execute(query)]


def slot_key(study: int, reader: int, slot: Slot) -> str:
    """The text under which a slot's answers are unique."""
    return "/".join(
        str(p) for p in (study, reader, slot.kind, slot.period, slot.stage, slot.instrument, slot.assignment or "-")
    )


def keep(
    session: Session,
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
) -> int:
    """Insert an answer; returns its id."""
    made = session.execute(
        insert(SubmissionRow).returning(SubmissionRow.id),
        {
            "token": token, "study_id": study, "reader_id": reader, "assignment_id": slot.assignment,
            "slot": slot_key(study, reader, slot), "kind": slot.kind, "period": slot.period, "stage": slot.stage,
            "instrument": slot.instrument, "instrument_version": instrument_version, "iteration": iteration,
            "supersedes": supersedes, "bundle": shown.bundle, "bundle_sha256": shown.bundle_sha256,
            "explanation_id": shown.explanation_id, "explainer": json.dumps(dict(shown.explainer), sort_keys=True),
            "predicted_class": shown.predicted_class, "probability": shown.probability,
            "active_s": None if times is None else times.active_s, "idle_s": None if times is None else times.idle_s,
            "opened_at": opened_at.astimezone(UTC), "saved_at": saved_at.astimezone(UTC), "imported": imported,
        },
    ).scalar_one()  # fmt: skip
    items = [
        {"submission_id": made, "item": a.item, "position": n, "state": a.state, "value": a.value, "text": a.text}
        for n, a in enumerate(answers)
    ]
    if items:
        session.execute(insert(AnswerRow), items)
    return int(made)


def load_kept(session: Session, *conditions: ColumnElement[bool]) -> list[Kept]:
    """Answers in the order kept.

    Args:
        session: From `database`.
        *conditions: On `SubmissionRow`.
    """
    chosen = select(SubmissionRow.id).where(*conditions)
    items: dict[int, list[ItemAnswer]] = {}
    answers = AnswerRow.__table__.c
    for row in session.execute(
        select(answers.submission_id, answers.item, answers.state, answers.value, answers.text)
        .where(answers.submission_id.in_(chosen))
        .order_by(answers.submission_id, answers.position)
    ):
        items.setdefault(row[0], []).append(ItemAnswer(row[1], _state(row[2]), row[3], row[4]))
    query = (
        select(*SubmissionRow.__table__.c, ReaderRow.code.label("reader_code"))
        .join(ReaderRow, ReaderRow.id == SubmissionRow.reader_id)
        .where(*conditions)
        .order_by(SubmissionRow.id)
    )
    # Plain rows, not objects: a session asks for all of a reader's answers at each of his steps.
    return [_kept(row, tuple(items.get(row.id, ()))) for row in session.execute(query)]


def _kept(row: Row[*tuple[Any, ...]], answers: tuple[ItemAnswer, ...]) -> Kept:
    explainer = json.loads(row.explainer) if row.explainer != "{}" else {}
    shown = Shown(
        row.bundle, row.bundle_sha256, row.predicted_class, row.probability, row.explanation_id, explainer
    )  # fmt: skip
    times = None if row.active_s is None else Times(row.active_s, row.idle_s or 0.0)
    slot = Slot(cast(SlotKind, row.kind), row.instrument, row.period, row.stage, row.assignment_id)
    return Kept(
        row.id, row.reader_code, slot, row.iteration, row.supersedes, row.instrument_version, answers, shown, times,
        utc(row.opened_at), utc(row.saved_at), row.imported,
    )  # fmt: skip


def load_events(session: Session, *conditions: ColumnElement[bool]) -> list[Event]:
    """Events in the order kept.

    Args:
        session: From `database`.
        *conditions: On `EventRow`.
    """
    e = EventRow.__table__.c
    query = (
        select(e.id, ReaderRow.code, e.kind, e.assignment_id, e.stage, e.at, e.data)
        .outerjoin(ReaderRow, ReaderRow.id == e.reader_id)
        .where(*conditions)
        .order_by(e.id)
    )
    return [
        Event(row[0], row[1] or "", cast(EventKind, row[2]), row[3], row[4], utc(row[5]), json.loads(row[6]))
        for row in session.execute(query)
    ]


def content_token(*parts: object) -> str:
    """A token made of what is said, so that the same row imported twice is kept once."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _state(state: str) -> Any:  # AnswerState; the table allows no other
    return "answered" if state == "answered" else "no_answer"
