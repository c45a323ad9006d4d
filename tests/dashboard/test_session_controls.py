"""The reading session's own controls: change the last answer, keep it, pause, leave."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mmxai_core.reader_study.protocol import Arm, Case, Protocol, Questions, Reader
from mmxai_core.reader_study.study_store import StudyStore


@pytest.fixture
def session(app: AppTest, tmp_path: Path) -> tuple[AppTest, StudyStore]:
    """R01 is signed in to three clinical cases: unaided, then what he makes of them."""
    made = Protocol(
        "pilot", "Pilot", (Arm("alone", "unaided"),),
        tuple(Case(f"C{n}", bool(n % 2), clinical={"age": 40 + n}) for n in range(3)), (Reader("R01"),),
        questions=Questions(confidence="none", region=False),
    )  # fmt: skip
    store = StudyStore(tmp_path / "ratings.sqlite")
    store.start(made.lock(at=datetime.now(UTC)))
    app.query_params["study"], app.query_params["reader"] = "pilot", "R01"
    return app.switch_page("views/session.py").run(), store


def commit(app: AppTest, value: float) -> None:
    app.number_input[0].set_value(value)
    next(b for b in app.button if b.label.startswith("Commit")).click().run()
    assert not app.exception and not app.error


def press(app: AppTest, label: str) -> None:
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception, app.exception


def said(app: AppTest) -> str:
    return " ".join(e.value for kind in ("caption", "markdown", "info", "success") for e in getattr(app, kind))


def kept(store: StudyStore, *, current: bool = True) -> list[float]:
    found = store.kept(store.study("pilot"), "R01", current=current)
    return [a.value for k in found for a in k.answers if a.item == "opinion" and a.value is not None]


def test_the_last_answer_can_be_changed_and_the_first_stays_on_record(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    assert all(b.label != "Change last answer" for b in app.button), "nothing to change yet"
    commit(app, 30.0)
    press(app, "Change last answer")
    assert app.number_input[0].value == 30.0, "it starts from what was said"
    commit(app, 45.0)
    assert kept(store) == [45.0]
    assert kept(store, current=False) == [30.0, 45.0]
    assert app.number_input[0].value is None, "the next case is empty"


def test_gone_back_and_nothing_changed(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    commit(app, 30.0)
    press(app, "Change last answer")
    press(app, "Keep it as it was")
    assert app.number_input[0].value is None and kept(store) == [30.0]
    commit(app, 60.0)
    assert kept(store) == [30.0, 60.0]


def test_a_pause_hides_the_case_and_the_session_goes_on_where_it_was(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    commit(app, 30.0)
    press(app, "Pause")
    assert "Paused" in said(app) and not app.number_input
    assert all(not b.label.startswith("Commit") for b in app.button)
    press(app, "Go on")
    commit(app, 50.0)
    assert kept(store) == [30.0, 50.0]


def test_leaving_signs_out_and_the_link_signs_in_again(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    commit(app, 30.0)
    press(app, "Leave")
    assert "reader" not in app.query_params and not app.number_input
    app.query_params["study"], app.query_params["reader"] = "pilot", "R01"
    app.run()
    commit(app, 70.0)
    assert kept(store) == [30.0, 70.0]


def tens(app: AppTest):
    return next(b for b in app.button_group if b.key.endswith("-tens"))


def test_the_last_of_number_and_tens_counts_and_both_show_it(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    assert app.number_input[0].value is None and tens(app).value is None, "nothing may be preselected"
    app.number_input[0].set_value(55.0).run()
    tens(app).set_value(80).run()
    assert app.number_input[0].value == 80.0
    next(b for b in app.button if b.label.startswith("Commit")).click().run()
    tens(app).set_value(30).run()
    assert app.number_input[0].value == 30.0
    app.number_input[0].set_value(55.0).run()
    assert tens(app).value is None, "30 is not lit beside 55"
    next(b for b in app.button if b.label.startswith("Commit")).click().run()
    app.number_input[0].set_value(20.0).run()
    assert tens(app).value == 20
    next(b for b in app.button if b.label.startswith("Commit")).click().run()
    assert not app.exception and not app.warning and kept(store) == [80.0, 55.0, 20.0]


def test_an_answer_that_is_changed_starts_with_both_controls(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    commit(app, 30.0)
    press(app, "Change last answer")
    assert (app.number_input[0].value, tens(app).value) == (30.0, 30)
    tens(app).set_value(90).run()
    next(b for b in app.button if b.label.startswith("Commit")).click().run()
    assert kept(store) == [90.0]


def test_no_lesion_is_still_ticked_where_that_answer_is_changed_and_not_at_the_next(
    app: AppTest, tmp_path: Path
) -> None:
    image = "samples/phantom-b.dcm"
    made = Protocol(
        "pilot", "Pilot", (Arm("alone", "unaided"),),
        tuple(Case(f"C{n}", bool(n), image=image, clinical={"age": 40 + n}) for n in range(2)), (Reader("R01"),),
        questions=Questions(confidence="none"),
    )  # fmt: skip
    StudyStore(tmp_path / "ratings.sqlite").start(made.lock(at=datetime.now(UTC)))
    app.query_params["study"], app.query_params["reader"] = "pilot", "R01"
    app.switch_page("views/session.py").run()
    app.checkbox[0].check().run()
    commit(app, 30.0)
    assert not app.checkbox[0].value, "the next case is another one"
    press(app, "Change last answer")
    assert app.checkbox[0].value and app.number_input[0].value == 30.0
    commit(app, 35.0)
    assert kept(StudyStore(tmp_path / "ratings.sqlite")) == [35.0]
