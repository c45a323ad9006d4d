"""Tables of the ratings store. Append-only: a changed answer is a new submission that supersedes the old one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

#: Version of these tables, kept in the file (SQLite's user_version).
SCHEMA_VERSION = 1


class Base(DeclarativeBase):
    """Base of every table."""


class SubmissionRow(Base):
    """One form, sent once by one reader about one explained case.

    `token` is made before the form is sent, so that a form sent twice is kept once. `iteration` counts the versions of
    one reader's answer to one instrument about one explanation; the unique key lets only one of two windows win.
    """

    __tablename__ = "submission"
    __table_args__ = (UniqueConstraint("reader", "case_code", "explanation_id", "instrument", "iteration"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    token: Mapped[str] = mapped_column(String(64), unique=True)
    reader: Mapped[str] = mapped_column(String(32), index=True)
    case_code: Mapped[str] = mapped_column(String(64), index=True)
    instrument: Mapped[str] = mapped_column(String(64))
    instrument_version: Mapped[str] = mapped_column(String(16))
    iteration: Mapped[int] = mapped_column()
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("submission.id"), unique=True)
    bundle: Mapped[str] = mapped_column(String(64))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    explanation_id: Mapped[str] = mapped_column(String(64))
    predicted_class: Mapped[str] = mapped_column(String(64))
    probability: Mapped[float] = mapped_column()
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    saved_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    answers: Mapped[list[AnswerRow]] = relationship(order_by="AnswerRow.position", lazy="selectin")


class AnswerRow(Base):
    """The answer to one item of a submission."""

    __tablename__ = "answer"
    __table_args__ = (
        CheckConstraint("state IN ('answered', 'no_answer')"),
        CheckConstraint("value IS NULL OR (value BETWEEN 1 AND 5)"),
    )

    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"), primary_key=True)
    item: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int] = mapped_column()
    state: Mapped[str] = mapped_column(String(16))
    value: Mapped[int | None] = mapped_column()
    text: Mapped[str] = mapped_column(Text, default="")


#: SQLite refuses to change or delete what was acknowledged, whoever asks.
APPEND_ONLY_TRIGGERS = tuple(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'ratings are append-only'); END"
    for table in ("submission", "answer")
    for verb in ("UPDATE", "DELETE")
)
