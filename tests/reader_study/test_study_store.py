"""The study store on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from study_protocols import (
    AI,
    EXPLAINED,
    OPENED,
    UNAIDED,
    answers_to,
    protocol,
    read_on,
    shown_at,
    with_questionnaires,
)

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import assign
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.records import ItemAnswer, Kept, Shown, Slot, StudyRecord, Times
from mmxai_core.reader_study.schema import TABLES
from mmxai_core.reader_study.session import next_step, step_of
from mmxai_core.reader_study.store import RatedCase, RatingStore, new_token
from mmxai_core.reader_study.study_store import StudyStore

MADE = protocol(arms=(EXPLAINED,), cases=2, readers=2)


def answer(
    store: StudyStore,
    study: StudyRecord,
    slot: Slot,
    *,
    reader: str = "R01",
    seen: int = 0,
    token: str = "",
    **more: object,
) -> Kept:
    return store.save(
        study, reader, slot, (ItemAnswer("opinion", value=100.0),), seen=seen, token=token or new_token(),
        opened_at=OPENED, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def slots(store: StudyStore, study: StudyRecord, reader: str = "R01") -> list[Slot]:
    first = store.assignments(study, reader)[0]
    stages = study.protocol.stages(first.arm)
    return [
        *(Slot("reading", "reading", 1, s, first.id) for s in stages),
        Slot("ratings", "case_ratings", 1, stages[-1], first.id),
    ]


def test_a_study_is_kept_whole_and_read_back_by_another_program(store: StudyStore) -> None:
    made = with_questionnaires(protocol(arms=(UNAIDED, AI, replace(EXPLAINED, wrong_share=0.5)), practice=1))
    study = store.start(made.lock(at=OPENED))
    again = StudyStore(store.location)
    found = again.study("us-pilot")
    assert found.locked == study.locked and found.locked.locked_at == OPENED
    assert [replace(a, id=0) for a in again.assignments(found)] == list(assign(made))
    assert len({a.id for a in again.assignments(found)}) == 21
    assert again.studies() == (found,)
    assert {c.truth for c in found.for_readers.cases} == {None}
    again.close()


def test_the_same_protocol_starts_once_and_another_under_its_version_never(store: StudyStore) -> None:
    locked = MADE.lock()
    assert store.start(locked) == store.start(MADE.lock())
    with pytest.raises(StudyStoreError, match="started with another protocol"):
        store.start(replace(MADE, title="Other").lock())
    second = store.start(locked.revised(title="Other").lock())
    assert (second.version, store.study("us-pilot").version, store.study("us-pilot", 1).version) == (2, 2, 1)
    orphan = replace(MADE, version=2, parent="ab" * 32, id="orphan")
    with pytest.raises(StudyStoreError, match="is not its version before"):
        store.start(orphan.lock())
    with pytest.raises(StudyStoreError, match="no study 'nothing'"):
        store.study("nothing")


def test_everything_about_an_answer_is_kept(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    unaided, ai, *_ = slots(store, study)
    items = (
        ItemAnswer("opinion", value=99.5), ItemAnswer("confidence", "no_answer"),
        ItemAnswer("region", text="[1.0, 2.0, 3.0, 4.0]"), ItemAnswer("comment", text="ü 🙂 'quoted' \"x\"\n=1+1"),
    )  # fmt: skip
    shown = Shown("tiny", "ab" * 32, "malignant", 0.8125, "expl", {"method": "grad_cam_pp", "seed": 7})
    answer(store, study, unaided)
    kept = store.save(
        study, "R01", ai, items, seen=0, token="t", opened_at=OPENED, instrument_version="3", shown=shown,
        times=Times(12.25, 3.5),
    )  # fmt: skip
    (_, again) = store.kept(study, "R01")
    assert again == kept
    assert (again.answers, again.shown, again.times, again.opened_at) == (items, shown, Times(12.25, 3.5), OPENED)
    assert (again.slot, again.instrument_version, again.imported) == (ai, "3", False)
    assert abs((again.saved_at - datetime.now(UTC)).total_seconds()) < 60


def test_values_of_every_scale_fit(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    unaided = slots(store, study)[0]
    values = (0.0, 1.0, 5.0, 62.5, 100.0, -3.0)
    items = tuple(ItemAnswer(f"i{n}", value=v) for n, v in enumerate(values))
    store.save(study, "R01", unaided, items, seen=0, token="t", opened_at=OPENED)
    assert tuple(a.value for a in store.kept(study)[0].answers) == values


def test_a_changed_answer_supersedes_and_both_stay(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    *earlier, explanation, _ratings = slots(store, study)
    for slot in earlier:
        answer(store, study, slot)
    first = answer(store, study, explanation)
    second = answer(store, study, explanation, seen=1)
    assert (second.iteration, second.supersedes) == (2, first.id)
    assert [k.id for k in store.kept(study) if k.slot == explanation] == [second.id]
    assert [k.id for k in store.kept(study, current=False) if k.slot == explanation] == [first.id, second.id]


def test_a_stale_tab_cannot_overwrite(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    *earlier, explanation, ratings = slots(store, study)
    for slot in (*earlier, explanation):
        answer(store, study, slot)
    answer(store, study, ratings)
    with pytest.raises(
        StudyStoreError, match=r"answered this step at \d\d:\d\d:\d\d UTC \(version 1\); this window saw none"
    ):
        answer(store, study, ratings)
    answer(store, study, ratings, seen=1)
    with pytest.raises(StudyStoreError, match=r"\(version 2\); this window saw version 1"):
        answer(store, study, ratings, seen=1)
    read_on(store, study, "R02", steps=3)
    with pytest.raises(StudyStoreError, match="not in the store"):
        answer(store, study, slots(store, study, "R02")[-1], reader="R02", seen=1)
    assert len(store.kept(study, "R01", current=False)) == 5


def test_a_form_sent_twice_is_kept_once_even_after_a_change(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    unaided, ai, *_ = slots(store, study)
    first = answer(store, study, unaided, token="t1")
    assert answer(store, study, unaided, token="t1") == first
    with pytest.raises(StudyStoreError, match="sent before, for another step"):
        answer(store, study, ai, token="t1")
    assert len(store.kept(study, current=False)) == 1


def test_the_unaided_opinion_is_final_and_comes_first_and_without_the_ai(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    unaided, ai, _explanation, ratings = slots(store, study)
    for early, words in ((ai, "unaided opinion on this case"), (ratings, "explanation opinion on this case")):
        with pytest.raises(StudyStoreError, match=f"The {words} has not been committed yet"):
            answer(store, study, early)
    with pytest.raises(StudyStoreError, match="cannot come with anything of the AI"):
        answer(store, study, unaided, shown=Shown(probability=0.5))
    with pytest.raises(StudyStoreError, match="cannot come with anything of the AI"):
        answer(store, study, unaided, shown=Shown(explanation_id="e"))
    answer(store, study, unaided)
    with pytest.raises(StudyStoreError, match="can no longer be changed"):
        answer(store, study, unaided, seen=1)


def test_answers_belong_to_their_reader_and_study(store: StudyStore) -> None:
    study = store.start(with_questionnaires(MADE).lock())
    theirs = slots(store, study, "R02")[0]
    mine = slots(store, study)[0]
    refused = [
        (theirs, "R01", "is not one of this reader"),
        (mine, "R09", "no reader of this code"),
        (replace(mine, period=2), "R01", "is of period 1"),
        (replace(mine, stage="after"), "R01", "got reading 'reading' of stage 'after'"),
        (replace(mine, instrument="sus"), "R01", "got reading 'sus'"),
        (replace(mine, assignment=None), "R01", "is not one of this reader"),
        (Slot("questionnaire", "sus", 0, "start"), "R01", r"trust_xai \(start\), nasa_tlx_raw \("),
        (Slot("questionnaire", "sus", 1, "end"), "R01", "got 'sus'"),
        (Slot("questionnaire", "nasa_tlx_raw", 2, "period_end"), "R01", "got 'nasa_tlx_raw'"),
    ]  # fmt: skip
    for slot, reader, words in refused:
        with pytest.raises(StudyStoreError, match=words):
            answer(store, study, slot, reader=reader)
    answer(store, study, Slot("questionnaire", "nasa_tlx_raw", 1, "period_end"))
    assert store.kept(study, "R02") == ()
    assert store.sign_in("us-pilot", "R02") == study
    with pytest.raises(StudyStoreError, match="no reader of this code"):
        store.sign_in("us-pilot", "R09")


def test_a_reader_stays_in_the_version_he_has_begun(store: StudyStore) -> None:
    first = store.start(MADE.lock())
    answer(store, first, slots(store, first)[0])
    second = store.start(first.locked.revised(title="Other").lock())
    assert store.sign_in("us-pilot", "R01") == first
    assert store.sign_in("us-pilot", "R02") == second
    store.close_study(first)
    assert store.sign_in("us-pilot", "R01") == second
    assert [s.version for s in store.studies_of("R02")] == [2]


def test_a_closed_study_takes_no_more_answers(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    first = slots(store, study)[0]
    kept = answer(store, study, first, token="t")
    store.close_study(study)
    store.close_study(study)
    assert store.is_closed(study)
    assert answer(store, study, first, token="t") == kept  # it was kept before
    with pytest.raises(StudyStoreError, match="is closed"):
        answer(store, study, slots(store, study)[1])


def test_events_are_kept_once_with_their_data(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    first = store.assignments(study, "R01")[0]
    for _ in range(2):
        store.record(
            study, "R01", "beat", token="b1", assignment=first.id, stage="unaided", at=OPENED,
            data={"run": "a", "active_s": 5.5, "idle_s": 0},
        )  # fmt: skip
    store.record(study, "R02", "signed_in", token="s")
    (event,) = store.events(study, "R01")
    assert (event.kind, event.assignment, event.stage, event.at) == ("beat", first.id, "unaided", OPENED)
    assert event.data == {"run": "a", "active_s": 5.5, "idle_s": 0}
    assert [e.reader for e in store.events(study)] == ["R01", "R02"]
    assert store.events(study, kind="revealed") == ()
    assert store.events(study, "R01", assignment=first.id, stage="unaided") == (event,)
    assert store.events(study, "R01", assignment=first.id, stage="ai") == ()
    store.close_study(study)
    assert [e.kind for e in store.events(study, "")] == ["closed"]
    with pytest.raises(StudyStoreError, match="is not one of this reader"):
        store.record(study, "R02", "beat", token="x", assignment=first.id)


def test_the_database_itself_refuses_changes(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    answer(store, study, slots(store, study)[0])
    store.record(study, "R01", "signed_in", token="s")
    url = (
        f"sqlite:///{store.location}"
        if isinstance(store.location, Path)
        else store.location.replace("://", "+psycopg://")
    )
    engine = create_engine(url)
    column = {"answer": "text", "event": "stage", "assignment": "period", "submission": "stage"}
    for table in TABLES:
        changes = [
            f"UPDATE {table} SET {column.get(table, 'code')} = {column.get(table, 'code')}",
            f"DELETE FROM {table}",
        ]
        if engine.dialect.name == "postgresql":
            changes.append(f"TRUNCATE {table} CASCADE")
        for change in changes:
            with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
                connection.execute(text(change))
    engine.dispose()


def test_the_survey_page_is_a_study_in_the_same_store(store: StudyStore) -> None:
    store.start(MADE.lock())
    ratings = RatingStore(store.location)
    about = RatedCase("case1", "e1", "tiny", "ab" * 32, "malignant", 0.7)
    raw = dict.fromkeys(("understanding", "confidence", "agree_prediction", "agree_region", "agree_factors"), 4)
    for token in ("a", "a", "b"):
        ratings.save(
            reader="r1x", about=about, instrument=PAPER_SURVEY, answers=PAPER_SURVEY.answers(raw), opened_at=OPENED,
            token=token,
        )  # fmt: skip
    assert [r.iteration for r in ratings.responses(current=False)] == [2, 1]
    (kept,) = ratings.responses(reader="R1X")
    assert kept.about == about and kept.answers[0].value == 4 and isinstance(kept.answers[0].value, int)
    assert len(store.studies()) == 1
    with pytest.raises(StudyStoreError, match="no study 'survey'"):
        store.study("survey")
    ratings.close()


def test_readers_at_once_keep_their_own_answers(store: StudyStore) -> None:
    made = protocol(arms=(AI,), cases=3, readers=8)
    study = store.start(made.lock())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda r: read_on(store, study, r.code, value=lambda _: float(r.code[1:])), made.readers))
    kept = store.kept(study, current=False)
    assert Counter(k.reader for k in kept) == {r.code: 9 for r in made.readers}  # 3 cases x (unaided, ai, ratings)
    owner = {a.id: a.reader for a in store.assignments(study)}
    for k in kept:
        assert owner[k.slot.assignment or 0] == k.reader
        if k.slot.kind == "reading":
            assert k.answers[0].value == float(k.reader[1:])


def test_windows_that_race_for_one_answer_leave_one_winner_each_time(store: StudyStore) -> None:
    study = store.start(protocol(arms=(UNAIDED,), cases=1).lock())
    slot = slots(store, study)[0]

    def attempt(n: int) -> bool:
        seen = max((k.iteration for k in store.kept(study, "R01")), default=0)
        try:
            answer(store, study, slot, seen=seen, token=f"t{n}")
        except StudyStoreError as error:
            assert "nother window" in str(error)
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = sum(pool.map(attempt, range(30)))
    kept = store.kept(study, "R01", current=False)
    assert [k.iteration for k in kept] == list(range(1, won + 1)) and won >= 1
    assert [k.supersedes for k in kept] == [None, *(k.id for k in kept[:-1])]
    assert len(store.kept(study, "R01")) == 1


def test_one_form_sent_by_many_at_once_is_one_answer(store: StudyStore) -> None:
    study = store.start(MADE.lock())
    slot = slots(store, study)[0]
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: answer(store, study, slot, token="same").id, range(16)))
    assert len(ids) == 1 == len(store.kept(study, current=False))


def test_a_whole_study_with_questionnaires_washout_and_a_change(store: StudyStore) -> None:
    made = with_questionnaires(protocol(arms=(UNAIDED, EXPLAINED), cases=2, readers=1, practice=1, crossover=True))
    study = store.start(made.lock())
    read_on(store, study, "R01")
    assigned = store.assignments(study, "R01")
    wait = next_step(made, assigned, store.kept(study), now=datetime.now(UTC))
    assert wait.kind == "wait"
    later = datetime.now(UTC) + timedelta(days=15)
    read_on(store, study, "R01", now=later)
    assert next_step(made, assigned, store.kept(study), now=later).kind == "done"
    last = [k for k in store.kept(study) if k.slot.kind == "reading"][-1]
    again = step_of(made, assigned, store.kept(study), last.slot)
    changed = store.save(
        study, "R01", last.slot, answers_to(made, again, value=5.0), seen=again.seen, token=new_token(),
        opened_at=OPENED, shown=shown_at(again),
    )  # fmt: skip
    assert changed.supersedes == last.id
