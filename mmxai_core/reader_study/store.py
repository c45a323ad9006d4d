"""Ratings in an embedded SQLite file: committed, with fsync, before `save` returns.

The store holds pseudonyms only: a reader code, a case code, hashes. It has no column for a name.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import Answer, Instrument
from mmxai_core.reader_study.schema import APPEND_ONLY_TRIGGERS, SCHEMA_VERSION, AnswerRow, Base, SubmissionRow

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}")


@dataclass(frozen=True)
class RatedCase:
    """What a rating is about; pseudonyms and hashes only.

    Attributes:
        case_code: Pseudonym of the study, from the hash of its bytes.
        explanation_id: The explanation shown.
        bundle: Bundle name.
        bundle_sha256: Hash of the bundle's weights.
        predicted_class: What the reader was shown.
        probability: Of the positive class, in [0, 1].
    """

    case_code: str
    explanation_id: str
    bundle: str
    bundle_sha256: str
    predicted_class: str
    probability: float


@dataclass(frozen=True)
class SurveyResponse:
    """One kept submission.

    Attributes:
        id: Row number in the store, from 1.
        reader: Reader code.
        about: What was rated.
        instrument: Instrument id.
        instrument_version: Its version.
        iteration: 1 for the first answer, 2 for the first change ...
        supersedes: Id of the submission this one replaces, or None.
        opened_at: When the form was first shown, UTC.
        saved_at: When it was committed, UTC.
        answers: One an item, in the order asked.
    """

    id: int
    reader: str
    about: RatedCase
    instrument: str
    instrument_version: str
    iteration: int
    supersedes: int | None
    opened_at: datetime
    saved_at: datetime
    answers: tuple[Answer, ...]

    def answer(self, item: str) -> Answer | None:
        """The answer to one item, or None where it was not asked."""
        return next((a for a in self.answers if a.item == item), None)


def default_store_path() -> Path:
    """MMXAI_STORE where set, else `mmxai/ratings.sqlite` in the user's own data folder."""
    chosen = os.environ.get("MMXAI_STORE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "mmxai" / "ratings.sqlite"


def reader_code(raw: str) -> str:
    """A reader code in its kept form: upper case, 2 to 32 letters, digits, - or _.

    Raises:
        StudyStoreError: The code breaks the rule.
    """
    code = raw.strip()
    if not _CODE.fullmatch(code):
        raise StudyStoreError(
            "A reader code has 2 to 32 letters, digits, “-” or “_”, and starts with a letter or digit "
            f"(for example R01); this one has {len(code)} characters. Do not use a name."
        )
    return code.upper()


def new_token() -> str:
    """A token for one form: sent twice, it is kept once."""
    return uuid.uuid4().hex


class RatingStore:
    """Appends and lists survey responses. Safe to share between threads: each call has its own connection."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file.

        Raises:
            StudyStoreError: The file cannot be opened, or was written by a newer version.
        """
        self.path = path
        with _plain_errors("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(path)
            with self._engine.begin() as connection:
                found = int(connection.execute(text("PRAGMA user_version")).scalar_one())
                if found > SCHEMA_VERSION:
                    raise StudyStoreError(
                        f"The ratings file has format {found}; this version reads up to {SCHEMA_VERSION}. "
                        "Update the program."
                    )
                Base.metadata.create_all(connection)
                for trigger in APPEND_ONLY_TRIGGERS:
                    connection.execute(text(trigger))
                connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))

    def save(
        self,
        *,
        reader: str,
        about: RatedCase,
        instrument: Instrument,
        answers: tuple[Answer, ...],
        opened_at: datetime,
        token: str,
    ) -> SurveyResponse:
        """Append a submission; on return it is on the disk.

        A second submission of the same reader about the same explanation supersedes the first; both stay. A token
        already kept returns what was kept, so that a form sent twice is stored once.

        Raises:
            StudyStoreError: The reader code is malformed, another window saved at the same moment, or the disk refused.
        """
        code = reader_code(reader)
        with _plain_errors("saved"), Session(self._engine, expire_on_commit=False) as session:
            kept = session.scalars(select(SubmissionRow).where(SubmissionRow.token == token)).one_or_none()
            if kept is not None:
                return _response(kept)
            last = session.scalars(
                select(SubmissionRow)
                .where(
                    SubmissionRow.reader == code,
                    SubmissionRow.case_code == about.case_code,
                    SubmissionRow.explanation_id == about.explanation_id,
                    SubmissionRow.instrument == instrument.id,
                )
                .order_by(SubmissionRow.iteration.desc())
                .limit(1)
            ).one_or_none()
            row = SubmissionRow(
                token=token, reader=code, case_code=about.case_code, instrument=instrument.id,
                instrument_version=instrument.version, iteration=last.iteration + 1 if last else 1,
                supersedes=last.id if last else None, bundle=about.bundle, bundle_sha256=about.bundle_sha256,
                explanation_id=about.explanation_id, predicted_class=about.predicted_class,
                probability=about.probability, opened_at=opened_at.astimezone(UTC), saved_at=datetime.now(UTC),
                answers=[
                    AnswerRow(item=a.item, position=i, state=a.state, value=a.value, text=a.text)
                    for i, a in enumerate(answers)
                ],
            )  # fmt: skip
            session.add(row)
            session.commit()
            return _response(row)

    def responses(
        self, *, reader: str | None = None, case_code: str | None = None, current: bool = True
    ) -> tuple[SurveyResponse, ...]:
        """Kept submissions, newest first.

        Args:
            reader: Only this reader's.
            case_code: Only about this case.
            current: Leave out those that a later submission supersedes.

        Raises:
            StudyStoreError: The file cannot be read, or the reader code is malformed.
        """
        query = select(SubmissionRow).order_by(SubmissionRow.id.desc())
        if reader is not None:
            query = query.where(SubmissionRow.reader == reader_code(reader))
        if case_code is not None:
            query = query.where(SubmissionRow.case_code == case_code)
        if current:
            replaced = select(SubmissionRow.supersedes).where(SubmissionRow.supersedes.is_not(None))
            query = query.where(SubmissionRow.id.not_in(replaced))
        with _plain_errors("read"), Session(self._engine) as session:
            return tuple(_response(row) for row in session.scalars(query))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10.0})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:  # the DBAPI connection has no public type
        cursor = connection.cursor()
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    return engine


def _response(row: SubmissionRow) -> SurveyResponse:
    about = RatedCase(
        row.case_code, row.explanation_id, row.bundle, row.bundle_sha256, row.predicted_class, row.probability
    )
    answers = tuple(
        Answer(a.item, "answered" if a.state == "answered" else "no_answer", a.value, a.text) for a in row.answers
    )
    # SQLite keeps no time zone; every time in the store is UTC.
    opened, saved = (t.replace(tzinfo=UTC) for t in (row.opened_at, row.saved_at))
    return SurveyResponse(
        row.id, row.reader, about, row.instrument, row.instrument_version, row.iteration, row.supersedes, opened,
        saved, answers,
    )  # fmt: skip


@contextmanager
def _plain_errors(verb: str) -> Iterator[None]:
    """Turn what the database says into one sentence."""
    try:
        yield
    except IntegrityError as error:
        raise StudyStoreError(
            "Another window saved an answer about this case at the same moment; look at it, then save again."
        ) from error
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).splitlines()[0]
        raise StudyStoreError(f"The ratings could not be {verb}: {reason}. Nothing was kept; try again.") from error
