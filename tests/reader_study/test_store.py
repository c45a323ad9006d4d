from __future__ import annotations

import csv
import io
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.export import responses_csv, safe_cell
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.store import RatedCase, RatingStore, default_store_path, new_token, reader_code

ABOUT = RatedCase("case0123456789ab", "explanation-1", "breast-us", "ab" * 32, "malignant", 0.81)
OPENED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCORES: dict[str, int | str | None] = {
    "understanding": 4, "confidence": 3, "agree_prediction": 5, "agree_region": 2, "agree_factors": "no_answer",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RatingStore:
    return RatingStore(tmp_path / "deep" / "ratings.sqlite")


def save(store: RatingStore, reader: str = "R01", token: str | None = None, **changes: int | str):
    answers = PAPER_SURVEY.answers({**SCORES, **changes})
    return store.save(
        reader=reader, about=ABOUT, instrument=PAPER_SURVEY, answers=answers, opened_at=OPENED,
        token=token or new_token(),
    )  # fmt: skip


def test_a_kept_rating_is_read_back_by_another_connection(store: RatingStore) -> None:
    kept = save(store, comment="clear margin")
    (again,) = RatingStore(store.path).responses(reader="r01")
    assert again == kept
    assert again.about == ABOUT and again.opened_at == OPENED
    assert [a.value for a in again.answers] == [4, 3, 5, 2, None, None]
    assert again.answer("agree_factors").state == "no_answer"
    assert again.answer("comment").text == "clear margin"


def test_a_changed_answer_supersedes_and_both_stay(store: RatingStore) -> None:
    first, second = save(store), save(store, understanding=1)
    assert (second.iteration, second.supersedes) == (2, first.id)
    assert store.responses(reader="R01") == (second,)
    assert store.responses(reader="R01", current=False) == (second, first)


def test_a_form_sent_twice_is_kept_once(store: RatingStore) -> None:
    assert save(store, token="t1") == save(store, token="t1")
    assert len(store.responses(current=False)) == 1


def test_readers_do_not_see_each_other(store: RatingStore) -> None:
    save(store, "R01")
    assert store.responses(reader="R02") == ()


def test_the_file_itself_refuses_changes_and_deletions(store: RatingStore) -> None:
    save(store)
    store.close()
    connection = sqlite3.connect(store.path)
    for statement in ("UPDATE answer SET value = 5", "DELETE FROM submission", "DELETE FROM answer"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_every_connection_syncs_fully(store: RatingStore) -> None:
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_no_column_for_a_name(store: RatingStore) -> None:
    columns = {
        row[1]
        for t in ("submission", "answer")
        for row in sqlite3.connect(store.path).execute(f"PRAGMA table_info({t})")
    }
    assert not {c for c in columns if "name" in c or "patient" in c or "birth" in c}


def test_racing_windows_lose_nothing_and_duplicate_nothing(store: RatingStore) -> None:
    def attempt(i: int) -> bool:
        try:
            save(store, token=f"race-{i}")
        except StudyStoreError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(attempt, range(24)))
    everything = store.responses(current=False)
    assert len(everything) == sum(kept) > 0
    assert sorted(r.iteration for r in everything) == list(range(1, sum(kept) + 1))
    assert len(store.responses()) == 1


def test_an_acknowledged_rating_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ratings.sqlite"
    code = (
        "import os, signal, sys; sys.path.insert(0, 'tests/reader_study'); from pathlib import Path;"
        "from test_store import save; from mmxai_core.reader_study.store import RatingStore;"
        f"s = RatingStore(Path({str(path)!r}));"
        "[print(save(s, token=str(i)).id, flush=True) for i in range(5)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == -9, done.stderr
    acknowledged = [int(line) for line in done.stdout.split()]
    assert [r.id for r in reversed(RatingStore(path).responses(current=False))] == acknowledged == [1, 2, 3, 4, 5]


def test_a_newer_file_is_refused(store: RatingStore) -> None:
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StudyStoreError, match="format 99"):
        RatingStore(store.path)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "ratings.sqlite"
    bad.write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(StudyStoreError, match="could not be opened: file is not a database"):
        RatingStore(bad)


@pytest.mark.parametrize("raw", ["", "x", "Jane Doe", "a" * 33, "=R1", "ä1"])
def test_reader_codes_that_are_refused(raw: str) -> None:
    with pytest.raises(StudyStoreError, match="reader code") as caught:
        reader_code(raw)
    assert not raw.strip() or len(raw) < 3 or raw not in str(caught.value)  # what was typed may be a name


def test_open_questions_are_named_and_nothing_is_imputed() -> None:
    with pytest.raises(StudyStoreError, match="2 questions left open"):
        PAPER_SURVEY.answers({"understanding": 1, "confidence": 2, "agree_prediction": 3})
    for bad in (0, 6, True, "4"):
        with pytest.raises(StudyStoreError, match="whole number from 1 to 5"):
            PAPER_SURVEY.answers({**SCORES, "confidence": bad})
    with pytest.raises(StudyStoreError, match="no question 'mood'"):
        PAPER_SURVEY.answers({**SCORES, "mood": 1})


def test_csv_is_tidy_and_runs_no_formula(store: RatingStore) -> None:
    save(store, comment='=HYPERLINK("http://evil","x"), "quoted"\nline')
    rows = list(csv.DictReader(io.StringIO(responses_csv(store.responses()).decode("utf-8-sig"))))
    assert [r["item"] for r in rows] == [i.id for i in PAPER_SURVEY.items]
    assert rows[-1]["text"].startswith("'=HYPERLINK") and rows[-1]["text"].endswith("\nline")
    assert {r["notice"] for r in rows} == {"Research use only, not for diagnosis"}
    assert rows[4]["state"] == "no_answer" and rows[4]["value"] == ""
    assert [safe_cell(v) for v in ("-1", "@x", "\tx", None, 0.5)] == ["'-1", "'@x", "'\tx", "", "0.5"]


def test_where_the_file_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "s.sqlite"))
    assert default_store_path() == tmp_path / "s.sqlite"
    monkeypatch.delenv("MMXAI_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert default_store_path() == tmp_path / "mmxai" / "ratings.sqlite"
