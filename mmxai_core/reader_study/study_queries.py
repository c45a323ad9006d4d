"""Single statements of the study store, on a session of `database`."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import study_rows as rows
from mmxai_core.reader_study.assignment import assign
from mmxai_core.reader_study.database import utc
from mmxai_core.reader_study.protocol import LockedProtocol
from mmxai_core.reader_study.records import Kept
from mmxai_core.reader_study.schema import (
    ArmRow,
    AssignmentRow,
    CaseRow,
    EventRow,
    ReaderRow,
    StudyRow,
    SubmissionRow,
)


class Last(NamedTuple):
    """The newest answer in a slot; iteration 0 where there is none."""

    id: int | None
    iteration: int
    saved_at: datetime | None


def find_or_start(session: Session, locked: LockedProtocol) -> StudyRow:
    """The study of this protocol, added where it is not there.

    Raises:
        StudyStoreError: Its version is there with another hash, or its parent is not.
    """
    protocol = locked.protocol
    found = session.scalars(
        select(StudyRow).where(StudyRow.code == protocol.id, StudyRow.version == protocol.version)
    ).one_or_none()
    if found is not None:
        if found.sha256 != locked.sha256:
            raise StudyStoreError(
                f"Study {protocol.id!r} version {protocol.version} was started with another protocol (hash "
                f"{found.sha256[:12]}, this one {locked.sha256[:12]}). Make a new version."
            )
        return found
    if protocol.parent:
        parent = session.scalars(select(StudyRow).where(StudyRow.sha256 == protocol.parent)).one_or_none()
        if parent is None or parent.code != protocol.id or parent.version != protocol.version - 1:
            raise StudyStoreError(
                f"Study {protocol.id!r} version {protocol.version} names a parent ({protocol.parent[:12]}) that is "
                "not its version before in this store."
            )
    return _insert_study(session, locked)


def _insert_study(session: Session, locked: LockedProtocol) -> StudyRow:
    """Add a study with its arms, readers, cases and drawn assignments."""
    protocol = locked.protocol
    study = StudyRow(
        code=protocol.id, version=protocol.version, title=protocol.title, protocol=locked.protocol.canonical(),
        sha256=locked.sha256, parent=protocol.parent, locked_at=locked.locked_at,
    )  # fmt: skip
    session.add(study)
    session.flush()
    arms = [ArmRow(study_id=study.id, code=a.id, kind=a.kind, title=a.title) for a in protocol.arms]
    readers = [ReaderRow(study_id=study.id, code=r.code, stratum=r.stratum) for r in protocol.readers]
    cases = [
        CaseRow(study_id=study.id, code=c.id, stratum=c.stratum, truth=c.truth, practice=c.practice)
        for c in protocol.cases
    ]
    session.add_all([*arms, *readers, *cases])
    session.flush()
    arm, reader, case = ({row.code: row.id for row in table} for table in (arms, readers, cases))
    session.execute(
        insert(AssignmentRow),
        [
            {
                "study_id": study.id, "reader_id": reader[a.reader], "arm_id": arm[a.arm], "case_id": case[a.case],
                "period": a.period, "position": a.position, "practice": a.practice,
                "seeded_wrong": a.ai_seeded_wrong, "placebo": a.placebo,
            }
            for a in assign(protocol)
        ],
    )  # fmt: skip
    return study


def closed(session: Session, study: int) -> bool:
    """Whether the coordinator has closed it."""
    query = select(EventRow.id).where(
        EventRow.study_id == study, EventRow.kind == "closed", EventRow.reader_id.is_(None)
    )
    return session.execute(query.limit(1)).first() is not None


def by_token(session: Session, token: str, slot: str) -> Kept | None:
    """What was kept under a token; None where nothing was.

    Raises:
        StudyStoreError: It was kept for another step.
    """
    found = session.execute(select(SubmissionRow.id, SubmissionRow.slot).where(SubmissionRow.token == token)).first()
    if found is None:
        return None
    if found.slot != slot:
        raise StudyStoreError("This form was sent before, for another step; reload the page.")
    (kept,) = rows.load_kept(session, SubmissionRow.id == found.id)
    return kept


def last_in(session: Session, slot: str) -> Last:
    """The newest answer in a slot."""
    query = select(SubmissionRow.id, SubmissionRow.iteration, SubmissionRow.saved_at).where(SubmissionRow.slot == slot)
    found = session.execute(query.order_by(SubmissionRow.iteration.desc()).limit(1)).first()
    return Last(None, 0, None) if found is None else Last(found.id, found.iteration, utc(found.saved_at))
