"""Ratings of the Survey page: committed, with fsync, before `save` returns.

They lie in the study store, as the study of one reader and one case at a time (`survey_study`). The store holds
pseudonyms only: a reader code, a case code, hashes. It has no column for a name.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, contains_eager

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import survey_study as survey
from mmxai_core.reader_study.database import default_location, insert_once, is_url, open_database, reading, utc, writing
from mmxai_core.reader_study.instruments import Answer, Instrument
from mmxai_core.reader_study.schema import (
    AnswerRow,
    ArmRow,
    AssignmentRow,
    CaseRow,
    ReaderRow,
    StudyRow,
    SubmissionRow,
)

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}")
_CONFLICT = "Another window saved an answer about this case at the same moment; look at it, then save again."


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
    """MMXAI_STORE where set, else `mmxai/ratings.sqlite` in the user's own data folder.

    Raises:
        StudyStoreError: MMXAI_STORE is a URL; see `database.default_location`.
    """
    location = default_location()
    if is_url(location):
        raise StudyStoreError("MMXAI_STORE is a database URL, not a path.")
    return Path(location)


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

    def __init__(self, path: Path | str) -> None:
        """Opens or creates the store.

        Args:
            path: An SQLite file, or a `postgresql://` URL.

        Raises:
            StudyStoreError: It cannot be opened, or was written by a newer version.
        """
        self.path = path
        self._engine = open_database(path)

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
        with writing(self._engine, conflict=_CONFLICT) as session:
            kept = session.scalars(_submissions().where(SubmissionRow.token == token)).one_or_none()
            if kept is not None:
                return _response(kept)
            assignment = _assignment(session, code, about.case_code)
            slot = survey.slot(assignment.id, instrument.id, about.explanation_id)
            last = session.scalars(
                _submissions().where(SubmissionRow.slot == slot).order_by(SubmissionRow.iteration.desc()).limit(1)
            ).one_or_none()
            row = SubmissionRow(
                token=token, study_id=assignment.study_id, reader=assignment.reader, assignment=assignment,
                slot=slot, kind=survey.KIND, period=survey.PERIOD, stage=survey.STAGE, instrument=instrument.id,
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
            session.flush()
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
        query = _submissions().order_by(SubmissionRow.id.desc())
        if reader is not None:
            query = query.where(ReaderRow.code == reader_code(reader))
        if case_code is not None:
            query = query.where(CaseRow.code == case_code)
        if current:
            replaced = select(SubmissionRow.supersedes).where(SubmissionRow.supersedes.is_not(None))
            query = query.where(SubmissionRow.id.not_in(replaced))
        with reading(self._engine) as session:
            return tuple(_response(row) for row in session.scalars(query))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _submissions() -> Select[SubmissionRow]:
    """The Survey page's, each with its assignment, reader and case."""
    return (
        select(SubmissionRow)
        .join(SubmissionRow.assignment)
        .join(AssignmentRow.reader)
        .join(AssignmentRow.case)
        .join(StudyRow, StudyRow.id == SubmissionRow.study_id)
        .where(StudyRow.code == survey.CODE)
        .options(
            contains_eager(SubmissionRow.assignment).options(
                contains_eager(AssignmentRow.reader), contains_eager(AssignmentRow.case)
            )
        )
    )


def _assignment(session: Session, reader: str, case: str) -> AssignmentRow:
    """The assignment of reader and case, made where there is none."""
    study = session.scalars(select(StudyRow.id).where(StudyRow.code == survey.CODE)).one()
    arm = session.scalars(select(ArmRow.id).where(ArmRow.study_id == study)).one()
    reader_id = insert_once(session, ReaderRow, {"study_id": study, "code": reader}, stratum="")
    case_id = insert_once(session, CaseRow, {"study_id": study, "code": case}, stratum="", truth=None, practice=False)
    before = session.scalars(select(func.count()).where(AssignmentRow.reader_id == reader_id)).one()
    made = insert_once(
        session, AssignmentRow, {"reader_id": reader_id, "arm_id": arm, "case_id": case_id}, study_id=study,
        period=survey.PERIOD, position=before + 1, practice=False, seeded_wrong=False, placebo=False,
    )  # fmt: skip
    return session.get_one(AssignmentRow, made)


def _response(row: SubmissionRow) -> SurveyResponse:
    if row.assignment is None:
        raise StudyStoreError(f"Rating {row.id} belongs to no case: the store is damaged.")
    about = RatedCase(
        row.assignment.case.code, row.explanation_id, row.bundle, row.bundle_sha256, row.predicted_class,
        float("nan") if row.probability is None else row.probability,
    )  # fmt: skip
    answers = tuple(
        Answer(
            a.item, "answered" if a.state == "answered" else "no_answer", None if a.value is None else int(a.value),
            a.text,
        )
        for a in row.answers
    )  # fmt: skip
    return SurveyResponse(
        row.id, row.assignment.reader.code, about, row.instrument, row.instrument_version, row.iteration,
        row.supersedes, utc(row.opened_at), utc(row.saved_at), answers,
    )  # fmt: skip
