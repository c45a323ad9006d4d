"""Study set-up's overview of one study: take in answers, make a new version, close it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import study_drafts
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.protocol import Arm, Case, Protocol, Questions, Reader
from mmxai_core.reader_study.records import ItemAnswer, Slot
from mmxai_core.reader_study.store import new_token
from mmxai_core.reader_study.study_store import StudyStore

CSV = "reader,arm,case,stage,value,committed_at\nR01,alone,C0,unaided,35,2026-11-01T10:00:00Z\n"


@pytest.fixture
def studies(app: AppTest, tmp_path: Path) -> tuple[AppTest, StudyStore]:
    """The overview of one locked study, open."""
    made = Protocol(
        "pilot", "Pilot", (Arm("alone", "unaided"),),
        tuple(Case(f"C{n}", bool(n % 2), clinical={"age": 40 + n}) for n in range(3)), (Reader("R01"), Reader("R02")),
        questions=Questions(confidence="none", region=False),
    )  # fmt: skip
    store = StudyStore(tmp_path / "ratings.sqlite")
    store.start(made.lock(at=datetime.now(UTC)))
    return app.switch_page("views/studies.py").run(), store


def press(app: AppTest, label: str) -> None:
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception, app.exception


def said(app: AppTest) -> str:
    return " ".join(e.value for kind in ("markdown", "success", "error", "subheader") for e in getattr(app, kind))


def test_answers_made_elsewhere_are_taken_in_once_and_whole(studies: tuple[AppTest, StudyStore]) -> None:
    app, store = studies
    study = store.study("pilot")
    app.file_uploader(key="import").upload("wrong.csv", CSV.replace("R01", "R09").encode(), "text/csv").run()
    press(app, "Take them in")
    (problem,) = app.error
    assert "wrong.csv, row 2, column reader" in problem.value and store.kept(study) == ()
    app.file_uploader(key="import").upload("readings.csv", CSV.encode(), "text/csv").run()
    press(app, "Take them in")
    assert "1 taken in, marked as imported" in said(app) and not app.error
    (kept,) = store.kept(study)
    assert (kept.reader, kept.answers[0].value) == ("R01", 35.0)


def test_a_new_version_is_a_draft_that_names_what_it_comes_from(studies: tuple[AppTest, StudyStore]) -> None:
    app, store = studies
    press(app, "Change: new version")
    draft = app.session_state["study"].draft
    assert (draft.version, draft.parent) == (2, store.study("pilot").locked.sha256)
    assert len(store.studies()) == 1, "nothing is started yet"


@pytest.mark.parametrize("how", ["Go on with that draft", "Discard it and change version 1"])
def test_a_new_version_beside_another_draft_of_the_study_is_a_choice(
    studies: tuple[AppTest, StudyStore], how: str
) -> None:  # fmt: skip
    app, store = studies
    study = store.study("pilot")
    other = replace(study.protocol, title="From a file", version=2, parent="0" * 64)
    study_drafts.keep(other)
    app.run()
    assert not [b for b in app.button if b.label == "Change: new version"]
    assert "Another draft of this study is kept, version 2" in said(app)
    press(app, how)
    draft = app.session_state["study"].draft
    assert draft.parent == (other.parent if how.startswith("Go on") else study.locked.sha256)
    assert not app.warning
    assert [d.protocol and d.protocol.title for d in study_drafts.drafts()] == [draft.title]


def test_a_draft_that_cannot_be_read_makes_way_for_a_new_version(studies: tuple[AppTest, StudyStore]) -> None:
    app, store = studies
    study_drafts.keep(store.study("pilot").protocol)
    (study_drafts.folder() / "pilot.json").write_text("{}")
    app.run()
    assert "is kept, one that this version of the program cannot read" in said(app)
    assert not [b for b in app.button if b.label == "Go on with that draft"]
    press(app, "Discard it and change version 1")
    assert not app.warning and [d.protocol and d.protocol.version for d in study_drafts.drafts()] == [2]


def test_the_address_that_readers_use_outlives_a_visit_to_another_page(studies: tuple[AppTest, StudyStore]) -> None:
    app, _ = studies
    app.text_input(key="readers-at").set_value("https://site.example").run()
    app.switch_page("views/model.py").run()
    app.switch_page("views/studies.py").run()
    assert app.text_input(key="readers-at").value == "https://site.example"


def test_a_closed_study_takes_no_answer(studies: tuple[AppTest, StudyStore]) -> None:
    app, store = studies
    assert "Open · " in said(app)
    press(app, "Close it")
    assert app.dataframe[0].value["Next"].tolist() == ["closed", "closed"]
    assert "Closed · " in said(app) and store.is_closed(store.study("pilot"))
    study, now = store.study("pilot"), datetime.now(UTC)
    slot = Slot("reading", "reading", 1, "unaided", store.assignments(study, "R01")[0].id)
    with pytest.raises(StudyStoreError, match="closed"):
        store.save(study, "R01", slot, (ItemAnswer("opinion", value=10.0),), seen=0, token=new_token(), opened_at=now)
    app.query_params["study"], app.query_params["reader"] = "pilot", "R01"
    app.switch_page("views/session.py").run()
    assert "The coordinator has closed this study" in " ".join(i.value for i in app.info)


def test_who_practises_first_is_not_said_to_be_at_a_case(app: AppTest, tmp_path: Path) -> None:
    cases = tuple(Case(f"C{n}", bool(n % 2), clinical={"age": 40 + n}, practice=n == 0) for n in range(3))
    made = Protocol("drill", "Drill", (Arm("alone", "unaided"),), cases, (Reader("R01"),),
                    questions=Questions(confidence="none", region=False))  # fmt: skip
    store = StudyStore(tmp_path / "ratings.sqlite")
    study = store.start(made.lock(at=datetime.now(UTC)))
    app.switch_page("views/studies.py").run()
    assert list(app.dataframe[0].value["Next"]) == ["practice"]
    (at,) = [a for a in store.assignments(study, "R01") if a.practice]
    slot, answer = Slot("reading", "reading", at.period, "unaided", at.id), ItemAnswer("opinion", value=40.0)
    store.save(study, "R01", slot, (answer,), seen=0, token=new_token(), opened_at=datetime.now(UTC))
    press(app, "Refresh")
    assert list(app.dataframe[0].value["Next"]) == ["case 1"]
