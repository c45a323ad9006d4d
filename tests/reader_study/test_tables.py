from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from study_protocols import (
    AI,
    EXPLAINED,
    OPENED,
    UNAIDED,
    protocol,
    read_on,
    with_questionnaires,
    with_questions,
)

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import tables
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.protocol import BIRADS, Protocol
from mmxai_core.reader_study.records import ItemAnswer, StudyRecord
from mmxai_core.reader_study.store import RatedCase, RatingStore, new_token
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.reader_study.study_tables import tables_from_frames

MADE = protocol(
    arms=(UNAIDED, replace(EXPLAINED, wrong_share=0.25, placebo_share=0.5)),
    cases=4,
    readers=2,
    practice=1,
    crossover=True,
)


def new(folder: Path, made: Protocol = MADE) -> tuple[StudyStore, StudyRecord]:
    store = StudyStore(folder)
    return store, store.start(made.lock(at=OPENED))


def read_back(data: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(data), encoding="utf-8-sig", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyStore, StudyRecord]:
    """A study of two readers, one of whom has read the first period only."""
    store, study = new(tmp_path_factory.mktemp("tables") / "s.sqlite")
    for reader, days in (("R01", 0), ("R02", 0), ("R01", 20)):
        now = datetime.now(UTC) + timedelta(days=days)
        read_on(
            store, study, reader, now=now, value=lambda s: 80.0 if s.slot and s.slot.stage != "unaided" else 30.0
        )  # fmt: skip
    return store, study


def test_readings_have_a_row_an_opinion_and_what_was_on_the_screen(read: tuple[StudyStore, StudyRecord]) -> None:
    found = tables.readings(*read)
    assert tuple(found.columns) == tables.READINGS
    assert not found.duplicated(["reader", "arm", "case", "stage"]).any()
    mine = found[(found["reader"] == "R01") & (found["practice"] == 0)]
    assert len(mine) == 4 + 4 * 3 and set(mine["period"]) == {1, 2}
    unaided, aided = mine[mine["stage"] == "unaided"], mine[mine["stage"] != "unaided"]
    assert unaided[["ai_probability", "ai_correct"]].isna().all().all() and set(unaided["ai_class"]) == {""}
    assert set(unaided["value"]) == {30.0} and set(unaided["positive"]) == {0}
    assert set(aided["ai_probability"]) == {0.8} and set(aided["positive"]) == {1}
    truth = {c.id: int(bool(c.truth)) for c in MADE.cases}
    assert (mine["truth"] == mine["case"].map(truth)).all()
    assert (aided["ai_correct"] == aided["truth"]).all()  # the AI says malignant throughout
    assert set(mine["active_s"]) == {12.5} and set(mine["idle_s"]) == {3.0} and set(mine["confidence"]) == {4.0}
    assert set(mine["region"]) == {"[10.0, 20.0, 30.0, 45.5]"} and set(mine["region_map_hit"]) == {""}
    store, study = read
    flags = {(a.reader, a.arm, a.case): a for a in store.assignments(study)}
    for row in mine.itertuples():
        assigned = flags[row.reader, row.arm, row.case]
        assert (row.ai_seeded_wrong, row.placebo) == (assigned.ai_seeded_wrong, assigned.placebo)
        assert (row.period, row.position) == (assigned.period, assigned.position)
    assert mine["placebo"].sum() == 2 * 3 and set(found["scale"]) == {"probability"}


def test_ratings_have_a_row_an_item_and_say_what_is_superseded(tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", with_questionnaires(protocol(arms=(EXPLAINED,), cases=1, readers=1)))
    kept = read_on(store, study, "R01")
    last = next(k for k in kept if k.slot.kind == "ratings")
    changed = (ItemAnswer("agree_prediction", value=5.0), ItemAnswer("comment", "no_answer"))
    store.save(study, "R01", last.slot, changed, seen=1, token=new_token(), opened_at=OPENED)
    found = tables.ratings(store, study)
    assert tuple(found.columns) == tables.RATINGS
    assert list(found["instrument"].drop_duplicates()) == ["trust_xai", "case_ratings", "nasa_tlx_raw", "sus"]
    case = found[found["instrument"] == "case_ratings"]
    assert case.iloc[0][["item", "iteration", "value", "superseded"]].tolist() == ["agree_prediction", 1, 2.0, 1]
    assert list(case["superseded"]) == [1] * 7 + [0] * 2
    assert set(case["case"]) == {"C00"} and set(case["arm"]) == {"explained"}
    tlx = found[found["instrument"] == "nasa_tlx_raw"]
    assert (tlx["case"] == "").all() and set(tlx["period"]) == {1} and set(tlx["arm"]) == {"explained"}
    assert list(tlx["state"]) == ["answered", "no_answer"] and tlx["value"].isna().tolist() == [False, True]


def test_the_other_tables(read: tuple[StudyStore, StudyRecord]) -> None:
    found = tables.all_tables(*read)
    assert list(found) == ["readings", "ratings", "assignments", "readers", "cases"]
    assert (len(found["assignments"]), found["assignments"]["finished"].sum()) == (20, 5 + 5 + 5)
    assert list(found["readers"]["cases_done"]) == [8, 4] and set(found["readers"]["cases_total"]) == {8}
    assert list(found["cases"]["truth"]) == [1, 0, 1, 0, 1]
    store, study = read
    assert tables.cases(store, study, truth=False)["truth"].isna().all()
    empty, fresh = new(Path(str(store.location) + ".empty"))
    assert all(len(f) == 0 for n, f in tables.all_tables(empty, fresh).items() if n in ("readings", "ratings"))


def test_the_analysis_takes_the_tables_as_they_are(read: tuple[StudyStore, StudyRecord]) -> None:
    found = tables.all_tables(*read)
    made = tables_from_frames(found)
    assert len(made.readings) == (found["readings"]["practice"] == 0).sum()
    again = tables_from_frames({n: read_back(tables.table_csv(f)) for n, f in found.items()})
    assert again.readings["value"].astype(float).tolist() == made.readings["value"].astype(float).tolist()


def test_birads_categories_keep_their_label_and_others_their_place(tmp_path: Path) -> None:
    birads = with_questions(protocol(arms=(UNAIDED,), cases=1), scale="categories", categories=BIRADS, positive_from=3)
    store, study = new(tmp_path / "b.sqlite", birads)
    read_on(store, study, "R01", value=lambda _: "4A")  # type: ignore[arg-type,return-value]
    (row,) = tables.readings(store, study).to_dict("records")
    assert (row["scale"], row["value"], row["positive"]) == ("birads", "4A", 1)
    words = with_questions(protocol(arms=(UNAIDED,), cases=1), scale="categories", categories=("no", "maybe", "yes"),
                           positive_from=3)  # fmt: skip
    store, study = new(tmp_path / "w.sqlite", words)
    read_on(store, study, "R01", value=lambda _: "maybe")  # type: ignore[arg-type,return-value]
    (row,) = tables.readings(store, study).to_dict("records")
    assert (row["scale"], row["value"], row["positive"]) == ("categories", 2.0, 0)


def test_ratings_of_the_survey_page_are_in_the_same_columns(tmp_path: Path) -> None:
    survey = RatingStore(tmp_path / "s.sqlite")
    about = RatedCase("case1", "e1", "tiny", "ab" * 32, "malignant", 0.7)
    raw = dict.fromkeys(("understanding", "confidence", "agree_prediction", "agree_region", "agree_factors"), 4)
    for token in ("a", "b"):
        survey.save(reader="R9", about=about, instrument=PAPER_SURVEY, answers=PAPER_SURVEY.answers(raw),
                    opened_at=OPENED, token=token)  # fmt: skip
    found = tables.ratings(StudyStore(tmp_path / "s.sqlite"))
    assert tuple(found.columns) == tables.RATINGS and len(found) == 12
    assert set(found["study"]) == {"survey"} and set(found["case"]) == {"case1"} and set(found["reader"]) == {"R9"}
    assert list(found["superseded"]) == [1] * 6 + [0] * 6


def test_csv_runs_no_formula_and_leaves_missing_values_blank(tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", protocol(arms=(AI,), cases=1, readers=1))
    kept = read_on(store, study, "R01", steps=2)
    slot = replace(kept[-1].slot, kind="ratings", instrument="case_ratings")
    bad = (ItemAnswer("comment", text='=HYPERLINK("http://evil")\n"quoted", ü'), ItemAnswer("misled", "no_answer"))
    store.save(study, "R01", slot, bad, seen=0, token="t", opened_at=OPENED)
    rows = read_back(tables.table_csv(tables.ratings(store, study)))
    assert rows["text"][0].startswith("'=HYPERLINK") and rows["text"][0].endswith('\n"quoted", ü')
    assert rows["value"][0] == "" == rows["active_s"][0]
    readings = read_back(tables.table_csv(tables.readings(store, study)))
    assert list(readings["ai_probability"]) == ["", "0.8"] and list(readings["value"]) == ["70", "70"]


def test_what_one_store_exports_another_takes_in_once(read: tuple[StudyStore, StudyRecord], tmp_path: Path) -> None:
    found = tables.all_tables(*read)
    store, study = new(tmp_path / "other.sqlite")
    readings, ratings = (tables.table_csv(found[n]) for n in ("readings", "ratings"))
    count = len(found["readings"])
    assert tables.import_readings(store, study, readings) == count
    assert tables.import_readings(store, study, readings) == 0
    forms = found["ratings"].drop_duplicates(["reader", "arm", "case"])
    assert tables.import_ratings(store, study, ratings) == len(forms)
    assert tables.import_ratings(store, study, ratings) == 0
    again = tables.all_tables(store, study)
    assert set(again["readings"]["imported"]) == {1} == set(again["ratings"]["imported"])
    for name in ("readings", "ratings"):
        keys = ["reader", "period", "arm", "case", "stage", *(["item"] if name == "ratings" else [])]
        one, other = (t[name].drop(columns=["imported"]).sort_values(keys, ignore_index=True) for t in (found, again))
        pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_questionnaires_are_taken_in(tmp_path: Path) -> None:
    made = with_questionnaires(protocol(arms=(UNAIDED, AI), cases=1, readers=1, crossover=True))
    store, study = new(tmp_path / "s.sqlite", made)
    csv = "reader,instrument,item,value,state,period,answered_at\n" + "".join(
        f"r01,{name},{item},{value},{state},{period},2026-03-01T10:00:00+01:00\n"
        for name, item, value, state, period in [
            ("sus", "sus_1", 5, "", ""), ("sus", "sus_2", "", "no_answer", ""),
            ("nasa_tlx_raw", "effort", 72.5, "answered", 2),
        ]
    )  # fmt: skip
    assert tables.import_ratings(store, study, csv.encode()) == 2
    found = tables.ratings(store, study)
    assert list(found["item"]) == ["sus_1", "sus_2", "effort"] and list(found["period"]) == [0, 0, 2]
    assert found["value"].tolist()[0] == 5.0 and found["answered_at"][0] == "2026-03-01T09:00:00+00:00"


GOOD = {
    "reader": "R01", "arm": "ai_only", "case": "C00", "stage": "ai", "value": "62.5", "confidence": "4",
    "region": "[1, 2, 3, 4]", "ai_probability": "0.7", "committed_at": "2026-03-01T10:00:00+00:00", "active_s": "12",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reader": ""}, "column reader: must not be blank"),
        ({"reader": "Jane Doe"}, "column reader: the study has no reader of this code"),
        ({"arm": "placebo"}, "column arm: the study has no such arm; got 'placebo'"),
        ({"case": "Doe"}, "column case: the study has no such case"),
        ({"stage": "explanation"}, "column stage: this arm has the stages unaided, ai; got 'explanation'"),
        ({"value": "101"}, "takes a number from 0 to 100; got 101"),
        ({"value": "high"}, "column value: must be a number; got 'high'"),
        ({"value": ""}, "column value: must not be blank"),
        ({"confidence": "6"}, "takes a whole number from 1 to 5; got 6"),
        ({"region": "left"}, "column region: must be [x0, y0, x1, y1]; got 'left'"),
        ({"region": "[4, 2, 3, 4]"}, "0 <= x0 < x1"),
        ({"ai_probability": "70"}, "column ai_probability: must be 0 to 1; got '70'"),
        ({"stage": "unaided"}, "column ai_probability: must be blank at the unaided stage"),
        ({"committed_at": "yesterday"}, "column committed_at: must be a time with its zone"),
        ({"committed_at": "2026-03-01T10:00:00"}, "column committed_at: must be a time with its zone"),
        ({"committed_at": "2999-03-01T10:00:00+00:00"}, "column committed_at: lies in the future"),
        ({"active_s": "-1"}, "the active time must be 0 seconds or more"),
        ({"study": "other"}, "column study: must be us-pilot or blank; got 'other'"),
        ({"version": "2"}, "column version: must be 1 or blank; got '2'"),
        ({"explainer": "x"}, "column explainer: must be a JSON object"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named_and_nothing_is_kept(change: dict[str, str], expected: str, tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", protocol(arms=(AI,), cases=2))
    first = {**GOOD, "case": "C01"}
    frame = pd.DataFrame([first, {**GOOD, **change}]).fillna("")
    with pytest.raises(StudyStoreError) as caught:
        tables.import_readings(store, study, frame.to_csv(index=False).encode(), name="old.csv")
    message = str(caught.value)
    assert message.startswith("old.csv, row 3") and expected.lower() in message.lower(), message
    assert "Doe" not in message
    assert store.kept(study) == ()


def test_an_answer_that_is_there_is_not_overwritten_by_a_file(tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", protocol(arms=(AI,), cases=1))
    read_on(store, study, "R01", steps=2)
    with pytest.raises(StudyStoreError, match="row 2: the store holds another answer of this reader"):
        tables.import_readings(store, study, pd.DataFrame([GOOD]).to_csv(index=False).encode())
    twice = pd.DataFrame([{**GOOD, "reader": "R02"}, {**GOOD, "reader": "R02", "value": "1"}])
    with pytest.raises(StudyStoreError, match="row 3: the store holds another answer"):
        tables.import_readings(store, study, twice.to_csv(index=False).encode())
    assert {k.reader for k in store.kept(study)} == {"R01"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"", "needs one column 'reader'; found 0"),
        (b"reader,arm,case,stage,value,committed_at\n", "has no row below its header"),
        (b"reader,arm,case,stage,value,committed_at\na,b\n", "row 2: has 2 cells; the header has 6"),
    ],
)
def test_files_that_are_no_table(data: bytes, expected: str, tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", protocol(arms=(AI,), cases=1))
    with pytest.raises(StudyStoreError, match=expected):
        tables.import_readings(store, study, data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"instrument": "scs"}, "column instrument: this study asks trust_xai, nasa_tlx_raw, sus, case_ratings"),
        ({"item": "sus_11"}, "no question 'sus_11'"),
        ({"value": "9"}, "got 9"),
        ({"state": "maybe"}, "column state: must be answered or no_answer"),
        ({"stage": "start"}, "column stage: this questionnaire is filled in at end"),
        ({"instrument": "nasa_tlx_raw", "item": "effort", "period": "4"}, "column period: must be 1 to 1"),
        ({"instrument": "case_ratings", "item": "agree_prediction", "arm": "ai_only", "case": "C7"}, "no such case"),
        ({"instrument": "case_ratings", "item": "mood", "arm": "ai_only", "case": "C00"}, "no question 'mood'"),
    ],
)
def test_a_wrong_rating_is_named(change: dict[str, str], expected: str, tmp_path: Path) -> None:
    store, study = new(tmp_path / "s.sqlite", with_questionnaires(protocol(arms=(AI,), cases=1)))
    good = {"reader": "R01", "instrument": "sus", "item": "sus_1", "value": "4", "answered_at": GOOD["committed_at"]}
    with pytest.raises(StudyStoreError, match=f"row 2.*{expected}"):
        tables.import_ratings(store, study, pd.DataFrame([{**good, **change}]).to_csv(index=False).encode())
