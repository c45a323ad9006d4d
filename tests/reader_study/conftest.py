from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from postgres_server import start_postgres
from sqlalchemy import create_engine, text

from mmxai_core.reader_study.study_store import StudyStore


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL server, started for these tests."""
    yield from start_postgres()


_numbers = count()


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """URL of a new, empty PostgreSQL database."""
    name = f"study_{next(_numbers)}"
    admin = create_engine(
        postgres_server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may lie: a new SQLite file, and a new PostgreSQL database."""
    if request.param == "sqlite":
        return tmp_path / "study.sqlite"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def store(location: Path | str) -> Iterator[StudyStore]:
    """An empty study store on either database."""
    made = StudyStore(location)
    yield made
    made.close()
