"""The study store: append-only, committed with fsync before a call returns, in SQLite or PostgreSQL.

Safe to share between threads and processes: each call is one transaction on its own connection. Pseudonyms only: the
tables have no column for a name. Truth leaves through `StudyRecord.protocol` and the coordinator's tables only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.protocol import LockedProtocol
from mmxai_core.reader_study.records import Event, EventKind, ItemAnswer, Kept, Shown, Slot, StudyRecord, Times


class StudyStore:
    """Studies, their readers' answers and what happened, each kept once and for good."""

    def __init__(self, location: Path | str) -> None:
        """Opens or creates the store, and brings an older one up to date.

        Args:
            location: Path of an SQLite file, or a `postgresql://` URL. See `store_location`.

        Raises:
            StudyStoreError: It cannot be opened, or was written by a newer version.
        """
        raise NotImplementedError

    def start(self, locked: LockedProtocol) -> StudyRecord:
        """Keep a locked protocol with its arms, readers, cases and drawn assignments: the study may begin.

        Starting the same protocol again returns what is there.

        Raises:
            StudyStoreError: The study has this version already with another hash, or the parent is not in the store.
        """
        raise NotImplementedError

    def studies(self) -> tuple[StudyRecord, ...]:
        """Every version of every study, newest first; not the Survey page's own."""
        raise NotImplementedError

    def study(self, code: str, version: int | None = None) -> StudyRecord:
        """One study.

        Args:
            code: Its short id.
            version: The newest where None.

        Raises:
            StudyStoreError: There is none.
        """
        raise NotImplementedError

    def sign_in(self, code: str, reader: str) -> StudyRecord:
        """The version of a study this reader reads: one he has begun and not left, else the newest.

        Raises:
            StudyStoreError: There is no such study, or the reader is not in it.
        """
        raise NotImplementedError

    def assignments(self, study: StudyRecord, reader: str | None = None) -> tuple[Assignment, ...]:
        """Readings to be done, with their ids, by reader, period, practice first, position."""
        raise NotImplementedError

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
        raise NotImplementedError

    def kept(self, study: StudyRecord, reader: str | None = None, *, current: bool = True) -> tuple[Kept, ...]:
        """Answers in the order kept.

        Args:
            study: The study.
            reader: Only this reader's.
            current: Leave out those that a later answer supersedes.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def events(
        self, study: StudyRecord, reader: str | None = None, *, kind: EventKind | None = None
    ) -> tuple[Event, ...]:
        """Events in the order kept."""
        raise NotImplementedError

    def close_study(self, study: StudyRecord) -> None:
        """Take no more answers; what is kept stays. It cannot be undone: a later round is a new version."""
        raise NotImplementedError

    def is_closed(self, study: StudyRecord) -> bool:
        """Whether the study takes no more answers."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError
