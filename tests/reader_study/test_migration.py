from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.database import default_location, open_database
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.schema import TABLES, VERSION_TABLE, Base
from mmxai_core.reader_study.store import RatedCase, RatingStore

#: Written by the program of format 1: 3 readers, 3 cases, 18 submissions of which 6 are changed answers.
FORMAT_1 = Path(__file__).parent / "files" / "ratings_format1.sqlite"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(FORMAT_1, tmp_path / "ratings.sqlite"))


def old_rows(path: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    return (
        connection.execute(
            "SELECT id, token, reader, case_code, instrument, instrument_version, iteration, supersedes, bundle, "
            "bundle_sha256, explanation_id, predicted_class, probability, opened_at, saved_at FROM submission "
            "ORDER BY id"
        ).fetchall(),
        connection.execute("SELECT * FROM answer ORDER BY submission_id, position").fetchall(),
    )


def new_rows(path: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    return (
        connection.execute(
            "SELECT s.id, token, r.code, c.code, instrument, instrument_version, iteration, supersedes, bundle, "
            "bundle_sha256, explanation_id, predicted_class, probability, opened_at, saved_at FROM submission s "
            "JOIN assignment a ON a.id = s.assignment_id JOIN reader r ON r.id = a.reader_id "
            "JOIN study_case c ON c.id = a.case_id ORDER BY s.id"
        ).fetchall(),
        connection.execute("SELECT * FROM answer ORDER BY submission_id, position").fetchall(),
    )


def test_a_file_of_format_1_loses_nothing(old: Path) -> None:
    submissions, answers = old_rows(old)
    assert len(submissions) == 18 and len(answers) == 18 * 6
    store = RatingStore(old)
    assert new_rows(old) == (submissions, answers)
    assert len(store.responses()) == 12 and len(store.responses(current=False)) == 18
    first = store.responses(current=False)[-1]
    assert first.opened_at == datetime(2026, 1, 2, 3, 4, 1, 123456, tzinfo=UTC)
    connection = sqlite3.connect(old)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM assignment").fetchone() == (9,)


def test_an_answer_of_format_1_can_be_changed_and_its_token_still_counts(old: Path) -> None:
    store = RatingStore(old)
    before = store.responses(reader="R03")[0]
    scores = dict.fromkeys(("understanding", "confidence", "agree_prediction", "agree_region", "agree_factors"), 5)
    answers = PAPER_SURVEY.answers(scores)
    known = {"reader": "R03", "instrument": PAPER_SURVEY, "answers": answers, "opened_at": before.opened_at}
    assert store.save(about=before.about, token="token-1", **known).id == 1  # type: ignore[arg-type]
    changed = store.save(about=before.about, token="new", **known)  # type: ignore[arg-type]
    assert (changed.id, changed.iteration, changed.supersedes) == (19, before.iteration + 1, before.id)
    fresh = RatedCase("casenew", "explanation-new", "breast-us", "ab" * 32, "benign", 0.2)
    assert store.save(about=fresh, token="newer", **known).iteration == 1  # type: ignore[arg-type]


def test_a_migration_that_is_killed_leaves_the_old_file(old: Path) -> None:
    before = old_rows(old)
    code = (
        "import os, signal, sqlalchemy as sa; from pathlib import Path;"
        "import mmxai_core.reader_study.database as d; import mmxai_core.reader_study.migrate as m;"
        "real = m._upgrade; m._upgrade = lambda c, f: (real(c, f), os.kill(os.getpid(), signal.SIGKILL));"
        f"d.open_database(Path({str(old)!r}))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == -9, done.stderr
    assert old_rows(old) == before
    RatingStore(old)
    assert new_rows(old) == before


def test_two_programs_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: RatingStore(tmp_path / "new.sqlite"), range(4)))
    assert all(s.responses() == () for s in stores)


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "new.sqlite")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
    assert set(TABLES) == set(Base.metadata.tables)


def test_every_table_refuses_changes(old: Path) -> None:
    RatingStore(old)
    connection = sqlite3.connect(old)
    for table in TABLES:
        names = {
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name=?", [table])
        }
        assert {f"{table}_no_update", f"{table}_no_delete"} <= names
    for statement in (
        "UPDATE study SET title = 'x'",
        "DELETE FROM assignment",
        "INSERT OR REPLACE INTO submission SELECT * FROM submission WHERE id = 1",
        "INSERT OR REPLACE INTO answer SELECT * FROM answer WHERE submission_id = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)


def test_where_a_store_may_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MMXAI_STORE", "postgresql://reader@host/study")
    assert default_location() == "postgresql://reader@host/study"
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "a.sqlite"))
    assert default_location() == tmp_path / "a.sqlite"
    for url, words in (("mysql://host/x", "got mysql://"), ("sqlite://", "in memory"), ("://", "neither a path nor")):
        with pytest.raises(StudyStoreError, match=words):
            open_database(url)
    create_engine(f"sqlite:///{tmp_path / 'b.sqlite'}").dispose()
    open_database(f"sqlite:///{tmp_path / 'b.sqlite'}").dispose()
    assert (tmp_path / "b.sqlite").is_file()


def test_a_server_that_is_not_there_is_one_sentence_without_the_password() -> None:
    with pytest.raises(StudyStoreError, match="could not be opened") as caught:
        open_database("postgresql://reader:geheim@127.0.0.1:1/study")
    assert "geheim" not in str(caught.value)


def test_postgresql_is_made_once_by_many_and_a_newer_one_is_refused(postgres: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: open_database(postgres), range(4)))
    with engines[0].begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
        assert connection.execute(text("SELECT count(*) FROM study")).scalar_one() == 1
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0009'"))
    for engine in engines:
        engine.dispose()
    with pytest.raises(StudyStoreError, match="tables of version 0009; this version reads up to 0002"):
        open_database(postgres)
