"""Tables of the worklist. They have no column for a name, a birth date or a file name.

They stand beside the reader study's tables, in SQLite or PostgreSQL, with a version of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column

#: Version of these tables, kept in `worklist_fact`.
SCHEMA_VERSION = 2


class Base(DeclarativeBase):
    """Base of the worklist's tables; none of the reader study's."""


class CaseRow(Base):
    """One case of one owner. `answer` is the whole first answer as JSON; it is read only where it is asked for."""

    __tablename__ = "worklist_case"

    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), index=True)
    source: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(120), default="")
    status: Mapped[str] = mapped_column(String(16))
    priority: Mapped[str] = mapped_column(String(16))
    modality: Mapped[str | None] = mapped_column(String(16))
    images: Mapped[int] = mapped_column()
    synthetic: Mapped[bool] = mapped_column()
    has_pixels: Mapped[bool] = mapped_column()
    clinical: Mapped[dict[str, Any]] = mapped_column(JSON)
    initial: Mapped[dict[str, Any]] = mapped_column(JSON)
    prefilled: Mapped[dict[str, Any]] = mapped_column(JSON)
    roi: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    roi_image: Mapped[int] = mapped_column(default=0)
    image_index: Mapped[int] = mapped_column(default=0)
    analysed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    answer: Mapped[str | None] = deferred(mapped_column(Text))
    problem: Mapped[str] = mapped_column(Text, default="")
    analysing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    bundle: Mapped[str] = mapped_column(String(255), default="", server_default="")
    parked: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")


class PlaceRow(Base):
    """Where an owner stopped, e.g. in the guided tour."""

    __tablename__ = "worklist_place"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(120))


class FactRow(Base):
    """Facts on the tables themselves, e.g. their version."""

    __tablename__ = "worklist_fact"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(120))
