"""Where the study store lies, and how a transaction is done there: SQLite by default, PostgreSQL by URL.

SQLite runs in WAL mode with synchronous = FULL, so that a commit has been fsynced when it returns; PostgreSQL with
synchronous_commit = on, which waits for the flush of its write-ahead log.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.migrate import migrate
from mmxai_core.reader_study.schema import Base

#: Seconds a writer waits for another one.
WAIT_S = 30.0


def default_location() -> Path | str:
    """MMXAI_STORE where set, a path or a `postgresql://` URL; else `mmxai/ratings.sqlite` in the user's data folder."""
    chosen = os.environ.get("MMXAI_STORE")
    if chosen:
        return chosen if is_url(chosen) else Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "mmxai" / "ratings.sqlite"


def is_url(location: Path | str) -> bool:
    """True for a database URL, False for a path."""
    return isinstance(location, str) and "://" in location


def open_database(location: Path | str) -> Engine:
    """An engine on an up-to-date store, made where there is none.

    Args:
        location: Path of an SQLite file, or a `postgresql://` URL.

    Raises:
        StudyStoreError: It cannot be opened, is of another kind, or was written by a newer version.
    """
    with plain_errors("opened"):
        engine = _engine(location)
        try:
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _engine(location: Path | str) -> Engine:
    if not is_url(location):
        path = Path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _sqlite(URL.create("sqlite", database=str(path.resolve())))
    try:
        url = make_url(str(location))
    except ArgumentError as error:
        raise StudyStoreError("MMXAI_STORE is neither a path nor a URL such as postgresql://host/database.") from error
    if url.get_backend_name() == "sqlite":
        if not url.database:
            raise StudyStoreError("A store in memory would lose every answer; give a path.")
        return _engine(Path(url.database))
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise StudyStoreError(f"A store is an SQLite file or a postgresql:// URL; got {url.get_backend_name()}://.")
    return create_engine(
        url.set(drivername="postgresql+psycopg"), pool_size=10, max_overflow=40, pool_pre_ping=True,
        connect_args={"options": "-c synchronous_commit=on -c timezone=UTC", "connect_timeout": 10},
    )  # fmt: skip


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": WAIT_S, "isolation_level": None}, pool_size=10, max_overflow=40
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: object) -> None:  # the DBAPI connection has no public type
        cursor = connection.cursor()
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once and waits for it; a read that becomes a write would fail instead.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session for reading: one snapshot."""
    with plain_errors("read"), engine.connect() as connection, Session(connection) as session:
        yield session


@contextmanager
def writing(engine: Engine, *, conflict: str) -> Iterator[Session]:
    """A session whose writes are on the disk when the block has ended, all or none.

    Args:
        engine: From `open_database`.
        conflict: What to say where another writer was first.
    """
    with (
        plain_errors("saved", conflict=conflict),
        _turn(engine),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
        Session(connection, expire_on_commit=False) as session,
    ):
        yield session
        session.flush()


#: One lock for each SQLite file that this program writes to.
_turns: dict[str, threading.Lock] = {}


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """SQLite has one writer at a time and lets others poll for it, up to a tenth of a second: threads queue here."""
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = _turns.setdefault(str(engine.url.database), threading.Lock())
    if not lock.acquire(timeout=WAIT_S):
        raise StudyStoreError(
            f"The ratings could not be saved: other writers took more than {WAIT_S:.0f} s. Try again."
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def plain_errors(verb: str, *, conflict: str = "") -> Iterator[None]:
    """Turn what the database says into one sentence."""
    try:
        yield
    except IntegrityError as error:
        raise StudyStoreError(conflict or f"The ratings could not be {verb}: {_reason(error)}.") from error
    except (SQLAlchemyError, OSError) as error:
        again = "Try again: sent twice, it is kept once" if verb == "saved" else "Try again"
        raise StudyStoreError(f"The ratings could not be {verb}: {_reason(error)}. {again}.") from error


def insert_once(session: Session, table: type[Base], key: Mapping[str, Any], **more: Any) -> int:
    """Id of the row with this key, added where there is none; two writers at once add one.

    Args:
        session: From `writing`.
        table: With a column `id`.
        key: Columns under a unique constraint.
        **more: The row's other columns, where it is added.
    """
    columns = table.__table__.c
    find = select(columns["id"]).where(*(columns[name] == value for name, value in key.items()))
    found = session.execute(find).scalar_one_or_none()
    if found is None:
        add_once(session, table, key, **more)
        found = session.execute(find).scalar_one()
    return int(found)


def add_once(session: Session, table: type[Base], key: Mapping[str, Any], **more: Any) -> None:
    """Add a row unless there is one with this key; arguments as `insert_once`."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(table).values(**key, **more).on_conflict_do_nothing(index_elements=list(key)))


def utc(time: datetime) -> datetime:
    """A kept time with its zone: SQLite keeps none, and every time in the store is UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _reason(error: BaseException) -> str:
    reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).strip()
    first = reason.splitlines()[0] if reason else type(error).__name__
    return re.sub(r"(://[^:/@\s]+):[^@\s]+@", r"\1:***@", first).rstrip(".")
