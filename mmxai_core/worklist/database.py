"""The engine under the worklist: SQLite or PostgreSQL, and its errors in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mmxai_core.errors import StudyStoreError
from mmxai_core.worklist.schema import SCHEMA_VERSION, Base, FactRow

_VERSION = "schema_version"


def worklist_url(store: str) -> str:
    """The worklist's database for a ratings store: the same PostgreSQL database, or a SQLite file beside the ratings.

    Args:
        store: Path of the ratings file, or a database URL.
    """
    if store.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + store.split("://", 1)[1]
    if "://" in store and not store.startswith("sqlite"):
        return store
    path = Path(store.removeprefix("sqlite:///")).expanduser()
    return f"sqlite:///{path.with_name('worklist.sqlite')}"


def open_database(url: str) -> Engine:
    """The engine, with the tables made where they are missing.

    Args:
        url: An SQLAlchemy URL.

    Raises:
        StudyStoreError: The database cannot be opened, or a newer version wrote it.
    """
    with plain_errors("opened"):
        engine = _engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            kept = session.get(FactRow, _VERSION)
            if kept is not None and int(kept.value) > SCHEMA_VERSION:
                raise StudyStoreError(
                    f"The worklist has format {kept.value}; this version reads up to {SCHEMA_VERSION}. "
                    "Update the program."
                )
            if kept is None:
                session.add(FactRow(name=_VERSION, value=str(SCHEMA_VERSION)))
                try:
                    session.commit()
                except IntegrityError:  # another server wrote it at the same moment
                    session.rollback()
    return engine


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 10.0})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:  # the DBAPI connection has no public type
        cursor = connection.cursor()
        # secure_delete: what is removed is overwritten, not only forgotten.
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    return engine


@contextmanager
def plain_errors(verb: str) -> Iterator[None]:
    """Turn what the database says into one sentence."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).splitlines()[0]
        raise StudyStoreError(f"The worklist could not be {verb}: {reason}.") from error
