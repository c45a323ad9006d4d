"""Tables of the study store. Append-only: a changed answer is a new submission that supersedes the old one.

The Survey page is a study like any other, of code "survey", whose readers, cases and assignments are added as ratings
come in. The tables are made by the migrations beside this file; a test holds the two together.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

#: Version of these tables, kept in SQLite's user_version, so that an older program refuses the file in one sentence.
SCHEMA_VERSION = 2

#: Where Alembic keeps which migration the store is at.
VERSION_TABLE = "study_store_version"

#: Every table but Alembic's own refuses UPDATE and DELETE.
TABLES = ("study", "arm", "reader", "study_case", "assignment", "submission", "answer", "event")


class Base(DeclarativeBase):
    """Base of every table."""


class StudyRow(Base):
    """One version of a study's protocol."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("code", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    code: Mapped[str] = mapped_column(String(48))
    version: Mapped[int] = mapped_column()
    title: Mapped[str] = mapped_column(String(200))
    protocol: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    parent: Mapped[str] = mapped_column(String(64), default="")
    locked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ArmRow(Base):
    """One condition of reading."""

    __tablename__ = "arm"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    code: Mapped[str] = mapped_column(String(48))
    kind: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(200), default="")


class ReaderRow(Base):
    """One reader of a study, by pseudonym."""

    __tablename__ = "reader"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    code: Mapped[str] = mapped_column(String(32), index=True)
    stratum: Mapped[str] = mapped_column(String(64), default="")


class CaseRow(Base):
    """One case of a study, by pseudonym. `truth` is for the coordinator."""

    __tablename__ = "study_case"
    __table_args__ = (UniqueConstraint("study_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    code: Mapped[str] = mapped_column(String(64), index=True)
    stratum: Mapped[str] = mapped_column(String(64), default="")
    truth: Mapped[bool | None] = mapped_column()
    practice: Mapped[bool] = mapped_column(default=False)


class AssignmentRow(Base):
    """One reading to be done."""

    __tablename__ = "assignment"
    __table_args__ = (UniqueConstraint("reader_id", "arm_id", "case_id"), Index("ix_assignment_reader", "reader_id"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"))
    arm_id: Mapped[int] = mapped_column(ForeignKey("arm.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("study_case.id"))
    period: Mapped[int] = mapped_column()
    position: Mapped[int] = mapped_column()
    practice: Mapped[bool] = mapped_column(default=False)
    seeded_wrong: Mapped[bool] = mapped_column(default=False)
    placebo: Mapped[bool] = mapped_column(default=False)
    reader: Mapped[ReaderRow] = relationship(lazy="joined")
    arm: Mapped[ArmRow] = relationship(lazy="joined")
    case: Mapped[CaseRow] = relationship(lazy="joined")


class SubmissionRow(Base):
    """One form, sent once by one reader: an opinion at the end of a stage, ratings of a case, a questionnaire.

    `token` is made before the form is sent, so that a form sent twice is kept once. `slot` names what is answered, in
    this study, by this reader; `iteration` counts the versions of that answer, and the unique key of the two lets only
    one of two windows win.
    """

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("slot", "iteration"),
        Index("ix_submission_study_reader", "study_id", "reader_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    token: Mapped[str] = mapped_column(String(64), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignment.id"), index=True)
    slot: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(16))
    period: Mapped[int] = mapped_column()
    stage: Mapped[str] = mapped_column(String(16))
    instrument: Mapped[str] = mapped_column(String(64))
    instrument_version: Mapped[str] = mapped_column(String(16))
    iteration: Mapped[int] = mapped_column()
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("submission.id"), unique=True)
    bundle: Mapped[str] = mapped_column(String(64), default="")
    bundle_sha256: Mapped[str] = mapped_column(String(64), default="")
    explanation_id: Mapped[str] = mapped_column(String(64), default="")
    explainer: Mapped[str] = mapped_column(Text, default="{}")
    predicted_class: Mapped[str] = mapped_column(String(64), default="")
    probability: Mapped[float | None] = mapped_column()
    active_s: Mapped[float | None] = mapped_column()
    idle_s: Mapped[float | None] = mapped_column()
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    saved_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    imported: Mapped[bool] = mapped_column(default=False)
    reader: Mapped[ReaderRow] = relationship(lazy="joined")
    assignment: Mapped[AssignmentRow | None] = relationship(lazy="select")
    answers: Mapped[list[AnswerRow]] = relationship(order_by="AnswerRow.position", lazy="selectin")


class AnswerRow(Base):
    """The answer to one item of a submission. The scale of `value` is its item's: 1 to 5, 0 to 100 ..."""

    __tablename__ = "answer"
    __table_args__ = (
        CheckConstraint("state IN ('answered', 'no_answer')", name="answer_state"),
        CheckConstraint("state = 'answered' OR value IS NULL", name="no_answer_has_no_value"),
    )

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), primary_key=True)
    item: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column()
    state: Mapped[str] = mapped_column(String(16))
    value: Mapped[float | None] = mapped_column()
    text: Mapped[str] = mapped_column(Text, default="")


class EventRow(Base):
    """Something that happened in a session, besides answers: a step opened, the AI revealed, time passed."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_study_reader", "study_id", "reader_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    token: Mapped[str] = mapped_column(String(64), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("reader.id"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignment.id"))
    kind: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(16), default="")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    data: Mapped[str] = mapped_column(Text, default="{}")
    reader: Mapped[ReaderRow | None] = relationship(lazy="joined")
