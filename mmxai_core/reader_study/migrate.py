"""Bring a store to the newest tables, with Alembic's migrations in `migrations/`, in one transaction.

Two programs that open a new store at once take turns: SQLite by its write lock, PostgreSQL by an advisory lock.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import Connection

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.schema import SCHEMA_VERSION, VERSION_TABLE

_MIGRATIONS = Path(__file__).parent / "migrations"
#: Alembic's name of the newest tables, and of the first, which had no table of versions.
HEAD, FIRST = "0002", "0001"
#: Any number that is ours alone.
_LOCK = 0x6D6D786169


def migrate(engine: Engine) -> None:
    """Make or upgrade the tables; a store that is up to date is only looked at.

    Raises:
        StudyStoreError: The store was written by a newer version of the program.
    """
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = _version(connection)  # another program may have been first
        if found != HEAD:
            _upgrade(connection, found)


def _version(connection: Connection) -> str | None:
    """Alembic's version of the store; None for an empty one."""
    if connection.dialect.name == "sqlite":
        number = int(connection.execute(text("PRAGMA user_version")).scalar_one())
        if number > SCHEMA_VERSION:
            raise StudyStoreError(
                f"The ratings file has format {number}; this version reads up to {SCHEMA_VERSION}. Update the program."
            )
        if number == SCHEMA_VERSION:
            return HEAD
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()
        if found is not None and found > HEAD:
            raise StudyStoreError(
                f"The store has tables of version {found}; this version reads up to {HEAD}. Update the program."
            )
        return found
    return FIRST if "submission" in tables else None


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command  # slow to import, and needed once in a store's life
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if found == FIRST:
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))
