"""The study store: append-only, committed with fsync before a call returns, in SQLite or PostgreSQL.

Safe to share between threads and processes: each call is one transaction on its own connection. Pseudonyms only: the
tables have no column for a name. Truth leaves through `StudyRecord.protocol` and the coordinator's tables only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import study_queries as queries
from mmxai_core.reader_study import study_rows as rows
from mmxai_core.reader_study import survey_study as survey
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.database import add_once, open_database, reading, writing
from mmxai_core.reader_study.protocol import LockedProtocol
from mmxai_core.reader_study.records import (
    Event,
    EventKind,
    Imported,
    ItemAnswer,
    Kept,
    Shown,
    Slot,
    StudyRecord,
    Times,
)
from mmxai_core.reader_study.schema import AssignmentRow, EventRow, ReaderRow, StudyRow, SubmissionRow
from mmxai_core.reader_study.study_checks import check_answer, stage_before, stale

_CONFLICT = "Another window answered this step at the same moment; reload to see it."


class StudyStore:
    """Studies, their readers' answers and what happened, each kept once and for good."""

    def __init__(self, location: Path | str) -> None:
        """Opens or creates the store, and brings an older one up to date.

        Args:
            location: Path of an SQLite file, or a `postgresql://` URL. See `store_location`.

        Raises:
            StudyStoreError: It cannot be opened, or was written by a newer version.
        """
        self.location = location
        self._engine = open_database(location)
        # What is kept never changes, so it is read once: studies by id, their readers' rows, their assignments.
        self._studies: dict[int, StudyRecord] = {}
        self._readers: dict[int, dict[str, int]] = {}
        self._assigned: dict[tuple[int, str], tuple[Assignment, ...]] = {}

    def start(self, locked: LockedProtocol) -> StudyRecord:
        """Keep a locked protocol with its arms, readers, cases and drawn assignments: the study may begin.

        Starting the same protocol again returns what is there.

        Raises:
            StudyStoreError: The study has this version already with another hash, or the parent is not in the store.
        """
        with writing(self._engine, conflict="The study was started elsewhere at the same moment; reload.") as session:
            row = queries.find_or_start(session, locked)
        return self._record(row)

    def studies(self) -> tuple[StudyRecord, ...]:
        """Every version of every study, newest first; not the Survey page's own."""
        query = select(StudyRow).where(StudyRow.code != survey.CODE).order_by(StudyRow.id.desc())
        with reading(self._engine) as session:
            return tuple(self._record(row) for row in session.scalars(query))

    def study(self, code: str, version: int | None = None) -> StudyRecord:
        """One study.

        Args:
            code: Its short id.
            version: The newest where None.

        Raises:
            StudyStoreError: There is none.
        """
        query = select(StudyRow).where(StudyRow.code == code, StudyRow.code != survey.CODE)
        if version is not None:
            query = query.where(StudyRow.version == version)
        with reading(self._engine) as session:
            row = session.scalars(query.order_by(StudyRow.version.desc()).limit(1)).one_or_none()
            if row is None:
                which = "" if version is None else f" in version {version}"
                raise StudyStoreError(f"The store holds no study {code!r}{which}.")
            return self._record(row)

    def sign_in(self, code: str, reader: str) -> StudyRecord:
        """The version of a study this reader reads: one he has begun and not left, else the newest.

        Raises:
            StudyStoreError: There is no such study, or the reader is not in it.
        """
        mine = [s for s in self.studies_of(reader) if s.code == code]
        if not mine:
            self.study(code)
            raise StudyStoreError(f"Study {code!r} has no reader of this code; ask the study's coordinator.")
        return mine[0]

    def studies_of(self, reader: str) -> tuple[StudyRecord, ...]:
        """The studies a reader is in, newest first, each in the version he reads.

        That is one he has begun and that is not closed, else the newest.
        """
        begun_query = (
            select(SubmissionRow.study_id).join(ReaderRow, ReaderRow.id == SubmissionRow.reader_id)
            .where(ReaderRow.code == reader).distinct()
        )  # fmt: skip
        closed_query = select(EventRow.study_id).where(EventRow.kind == "closed", EventRow.reader_id.is_(None))
        with reading(self._engine) as session:
            begun = set(session.scalars(begun_query)) - set(session.scalars(closed_query))
        out: dict[str, StudyRecord] = {}
        for study in self.studies():
            if reader in {r.code for r in study.protocol.readers}:
                newest = out.setdefault(study.code, study)
                if study.id in begun and newest.id not in begun:
                    out[study.code] = study
        return tuple(out.values())

    def assignments(self, study: StudyRecord, reader: str | None = None) -> tuple[Assignment, ...]:
        """Readings to be done, with their ids, by reader, period, practice first, position."""
        if reader is not None:
            reader_id = self._reader_id(study, reader)
            if (study.id, reader) not in self._assigned:
                with reading(self._engine) as session:
                    mine = rows.load_assignments(session, AssignmentRow.reader_id == reader_id)
                self._assigned[study.id, reader] = tuple(mine)
            return self._assigned[study.id, reader]
        with reading(self._engine) as session:
            found = rows.load_assignments(session, AssignmentRow.study_id == study.id)
        place = {r.code: n for n, r in enumerate(study.protocol.readers)}
        return tuple(sorted(found, key=lambda a: place[a.reader]))  # the order within a reader stays

    def save(
        self,
        study: StudyRecord,
        reader: str,
        slot: Slot,
        answers: tuple[ItemAnswer, ...],
        *,
        seen: int,
        token: str,
        opened_at: datetime,
        instrument_version: str = "1",
        shown: Shown | None = None,
        times: Times | None = None,
    ) -> Kept:
        """Append an answer; on return it is on the disk.

        A token already kept returns what was kept, so that a form sent twice is stored once.

        Args:
            study: The study.
            reader: Reader code.
            slot: What is answered (`Step.slot`).
            answers: One an item, in the order asked.
            seen: Iteration of this slot's answer that the page had seen, 0 for none (`Step.seen`). An answer to another
                one is refused: a stale tab cannot overwrite.
            token: From `new_token`, made when the form was shown.
            opened_at: When the step was first shown.
            instrument_version: Version of the questions.
            shown: What of the AI was on screen.
            times: Time on the step.

        Raises:
            StudyStoreError: The reader or assignment is not of this study, another window has answered, the study is
                closed, the answer has revealed the next stage and is final, or the disk refused.
        """
        reader_id = self._reader_id(study, reader)
        shown = shown or Shown()
        assigned = self._assignment(study, reader, slot)
        check_answer(study.protocol, assigned, slot, seen=seen, shown=shown)
        before = stage_before(study.protocol, assigned, slot)
        key = rows.slot_key(study.id, reader_id, slot)
        # What is looked up here stays true once it is: nothing is ever changed. So the lock of a writer is held for the
        # insert alone, and its unique keys decide between two windows.
        with reading(self._engine) as session:
            if (twice := queries.by_token(session, token, key)) is not None:
                return twice
            if queries.closed(session, study.id):
                raise StudyStoreError(f"Study {study.code!r} is closed: it takes no more answers.")
            if before and not queries.last_in(session, rows.slot_key(study.id, reader_id, before)).iteration:
                raise StudyStoreError(f"The {before.stage} opinion on this case has not been committed yet.")
            last = queries.last_in(session, key)
        if last.iteration != seen:
            # The same form, sent twice at the same moment, may have been kept since its token was looked for.
            with reading(self._engine) as session:
                if (twice := queries.by_token(session, token, key)) is not None:
                    return twice
            raise StudyStoreError(stale(last.iteration, last.saved_at, seen))
        now = datetime.now(UTC)
        try:
            with writing(self._engine, conflict=_CONFLICT) as session:
                made = rows.keep(
                    session, study.id, reader_id, slot, answers, token=token, iteration=seen + 1, supersedes=last.id,
                    instrument_version=instrument_version, shown=shown, times=times, opened_at=opened_at, saved_at=now,
                )  # fmt: skip
        except StudyStoreError:
            # The same form, sent twice at the same moment, is refused by its token and yet is kept.
            with reading(self._engine) as session:
                if (twice := queries.by_token(session, token, key)) is not None:
                    return twice
            raise
        return Kept(
            made, reader, slot, seen + 1, last.id, instrument_version, answers, shown, times,
            opened_at.astimezone(UTC), now,
        )  # fmt: skip

    def kept(self, study: StudyRecord, reader: str | None = None, *, current: bool = True) -> tuple[Kept, ...]:
        """Answers in the order kept.

        Args:
            study: The study.
            reader: Only this reader's.
            current: Leave out those that a later answer supersedes.
        """
        where = [SubmissionRow.study_id == study.id]
        if reader is not None:
            where.append(SubmissionRow.reader_id == self._reader_id(study, reader))
        if current:
            later = aliased(SubmissionRow)
            where.append(~select(later.id).where(later.supersedes == SubmissionRow.id).exists())
        with reading(self._engine) as session:
            return tuple(rows.load_kept(session, *where))

    def record(
        self,
        study: StudyRecord,
        reader: str,
        kind: EventKind,
        *,
        token: str,
        assignment: int | None = None,
        stage: str = "",
        data: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Append an event; a token already kept is ignored.

        Args:
            study: The study.
            reader: Reader code; "" for the coordinator.
            kind: What happened.
            token: From `new_token`.
            assignment: Id of the assignment.
            stage: Stage of the step.
            data: What belongs to the kind; of a beat {"run": str, "active_s": float, "idle_s": float}, counted from
                when the page of this run first showed the step.
            at: When; now where None.

        Raises:
            StudyStoreError: The reader is not of this study, or the disk refused.
        """
        values = {
            "study_id": study.id, "reader_id": self._reader_id(study, reader) if reader else None,
            "assignment_id": assignment, "kind": kind, "stage": stage, "at": (at or datetime.now(UTC)).astimezone(UTC),
            "data": json.dumps(dict(data or {}), sort_keys=True),
        }  # fmt: skip
        if assignment is not None and assignment not in {a.id for a in self.assignments(study, reader or None)}:
            raise StudyStoreError(f"Assignment {assignment} is not one of this reader in this study.")
        with writing(self._engine, conflict="The event was kept already.") as session:
            add_once(session, EventRow, {"token": token}, **values)

    def events(
        self,
        study: StudyRecord,
        reader: str | None = None,
        *,
        kind: EventKind | None = None,
        assignment: int | None = None,
        stage: str | None = None,
    ) -> tuple[Event, ...]:
        """Events in the order kept.

        Args:
            study: The study.
            reader: Only this reader's; "" for the coordinator's.
            kind: Only of this kind.
            assignment: Only of this assignment.
            stage: Only of this stage.
        """
        where = [EventRow.study_id == study.id]
        if reader is not None:
            where.append(EventRow.reader_id == (self._reader_id(study, reader) if reader else None))
        given = ((EventRow.kind, kind), (EventRow.assignment_id, assignment), (EventRow.stage, stage))
        where += [column == value for column, value in given if value is not None]
        with reading(self._engine) as session:
            return tuple(rows.load_events(session, *where))

    def close_study(self, study: StudyRecord) -> None:
        """Take no more answers; what is kept stays. It cannot be undone: a later round is a new version."""
        self.record(study, "", "closed", token=f"closed-{study.id}")

    def is_closed(self, study: StudyRecord) -> bool:
        """Whether the study takes no more answers."""
        with reading(self._engine) as session:
            return queries.closed(session, study.id)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def import_answers(self, study: StudyRecord, answers: Sequence[Imported]) -> int:
        """Append answers made elsewhere, marked as imported, all or none; see `tables.import_readings`.

        Returns:
            How many were added; one that is in the store already, by its token, is not added again.

        Raises:
            StudyStoreError: An answer has another one in its place; its `where` begins the message. Or the disk
                refused.
        """
        added = 0
        with writing(self._engine, conflict="The same answers were imported at the same moment; reload.") as session:
            for given in answers:
                reader_id = self._reader_id(study, given.reader)
                assigned = self._assignment(study, given.reader, given.slot)
                check_answer(study.protocol, assigned, given.slot, seen=0, shown=given.shown)
                key = rows.slot_key(study.id, reader_id, given.slot)
                if queries.by_token(session, given.token, key) is not None:
                    continue
                if queries.last_in(session, key).iteration:
                    raise StudyStoreError(f"{given.where}: the store holds another answer of this reader to this.")
                rows.keep(
                    session, study.id, reader_id, given.slot, given.answers, token=given.token, iteration=1,
                    supersedes=None, instrument_version=given.instrument_version, shown=given.shown,
                    times=given.times, opened_at=given.saved_at, saved_at=given.saved_at, imported=True,
                )  # fmt: skip
                added += 1
        return added

    def survey(self) -> tuple[tuple[Assignment, ...], tuple[Kept, ...]]:
        """The Survey page's study: its assignments, and every rating in the order kept, superseded ones included."""
        mine = select(StudyRow.id).where(StudyRow.code == survey.CODE)
        with reading(self._engine) as session:
            assigned = rows.load_assignments(session, AssignmentRow.study_id.in_(mine))
            return tuple(assigned), tuple(rows.load_kept(session, SubmissionRow.study_id.in_(mine)))

    def _record(self, row: StudyRow) -> StudyRecord:
        if row.id not in self._studies:
            self._studies[row.id] = rows.study_record(row)
        return self._studies[row.id]

    def _reader_id(self, study: StudyRecord, reader: str) -> int:
        if study.id not in self._readers:
            with reading(self._engine) as session:
                found = session.execute(select(ReaderRow.code, ReaderRow.id).where(ReaderRow.study_id == study.id))
                self._readers[study.id] = {row.code: row.id for row in found}
        if reader not in self._readers[study.id]:
            raise StudyStoreError(f"Study {study.code!r} has no reader of this code; ask the study's coordinator.")
        return self._readers[study.id][reader]

    def _assignment(self, study: StudyRecord, reader: str, slot: Slot) -> Assignment | None:
        if slot.assignment is None:
            return None
        return next((a for a in self.assignments(study, reader) if a.id == slot.assignment), None)
