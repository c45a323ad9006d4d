"""The engine under the worklist: SQLite or PostgreSQL, and its errors in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mmxai_core.errors import StudyStoreError
from mmxai_core.worklist.schema import SCHEMA_VERSION, Base, CaseRow, FactRow

_VERSION = "schema_version"
#: Columns that came with format 2, with what they hold in older rows.
_NEW = {"bundle": "", "parked": "{}"}


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
        found = _version(engine)
        if found is not None and found > SCHEMA_VERSION:
            raise StudyStoreError(
                f"The worklist has format {found}; this version reads up to {SCHEMA_VERSION}. Update the program."
            )
        _make_tables(engine)
        _add_columns(engine)
        if found != SCHEMA_VERSION:
            _note_version(engine)
    return engine


def _version(engine: Engine) -> int | None:
    """The format that wrote the tables; None where there are none. Alters nothing."""
    if not inspect(engine).has_table(FactRow.__tablename__):
        return None
    with Session(engine) as session:
        kept = session.get(FactRow, _VERSION)
        return None if kept is None else int(kept.value)


def _make_tables(engine: Engine) -> None:
    for last in (False, True):
        try:
            Base.metadata.create_all(engine)
        except SQLAlchemyError:  # another server makes them at the same moment: its are as good
            if last:
                raise
        else:
            return


def _note_version(engine: Engine) -> None:
    with Session(engine) as session, suppress(IntegrityError):  # another server may write it at the same moment
        session.merge(FactRow(name=_VERSION, value=str(SCHEMA_VERSION)))
        session.commit()


def _add_columns(engine: Engine) -> None:
    """Gives tables of an earlier format the columns that they lack.

    Format 2: which bundle reads a case, and the values that this bundle does not know.
    """
    for name, default in _NEW.items():
        if not _lacks(engine, name):
            continue
        kind = CaseRow.__table__.c[name].type.compile(engine.dialect)
        change = f"ALTER TABLE {CaseRow.__tablename__} ADD COLUMN {name} {kind} DEFAULT '{default}' NOT NULL"
        try:
            with engine.begin() as connection:
                connection.execute(text(change))
        except SQLAlchemyError:
            if _lacks(engine, name):  # otherwise another server added it at the same moment
                raise


def _lacks(engine: Engine, column: str) -> bool:
    return column not in {c["name"] for c in inspect(engine).get_columns(CaseRow.__tablename__)}


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
