"""The Case page: unknown again, names for a screen reader, undo past a refused value, what Cancel leaves."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.jobs import Job
from mmxai_core.errors import CancelledError


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def field(app: AppTest, kind: str, label: str):
    return next(w for w in getattr(app, kind) if w.label.startswith(label))


def values(app: AppTest) -> dict[str, object]:
    assert not app.exception, app.exception
    return dict(app.session_state["reading"].values)


def marks(app: AppTest) -> list[str]:
    return [m.value for m in app.markdown]


@pytest.fixture
def form(app: AppTest) -> AppTest:
    app.switch_page("views/case.py").run()
    button(app, "Enter clinical data only").click().run()
    return app


def test_a_choice_can_be_made_unknown_again_by_itself(form: AppTest) -> None:
    margin = field(form, "selectbox", "Margin")
    assert margin.options == ["Unknown", "Smooth", "Rough"] and margin.index == 0
    margin.select("Rough").run()
    assert values(form) == {"margin": "rough"}
    form.switch_page("views/model.py").run()
    form.switch_page("views/case.py").run()  # drawn anew, from a value that is set: no other way to clear it then
    field(form, "number_input", "Age").set_value(51.0).run()
    assert field(form, "selectbox", "Margin").index == 2
    field(form, "selectbox", "Margin").select("Unknown").run()
    assert values(form) == {"age": 51.0}


def test_a_changed_field_keeps_the_name_that_a_screen_reader_says(form: AppTest) -> None:
    names = {w.label for kind in ("number_input", "selectbox", "button_group") for w in getattr(form, kind)}
    field(form, "number_input", "Age").set_value(51.0).run()
    field(form, "selectbox", "Margin").set_value("rough").run()
    field(form, "button_group", "Palpable").set_value("yes").run()
    assert {w.label for kind in ("number_input", "selectbox", "button_group") for w in getattr(form, kind)} == names
    assert not [n for n in names if any(c in n for c in "[]:\\")]
    assert marks(form).count(":gray-badge[entered]") == 3 and ":orange-badge[changed]" not in marks(form)
    button(form, "Reset").click().run()
    assert ":gray-badge[entered]" not in marks(form)


def test_a_value_is_changed_only_where_another_one_was_analysed(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(51.0).run()
    analysed(form)
    assert marks(form).count(":gray-badge[entered]") == 1 and ":orange-badge[changed]" not in marks(form)
    field(form, "number_input", "Age").set_value(52.0).run()
    assert marks(form).count(":orange-badge[changed]") == 1 and ":gray-badge[entered]" not in marks(form)
    assert "1 changed" in said(form)


def test_a_disabled_analyse_says_beside_it_what_to_mend(form: AppTest) -> None:
    assert "Mend first" not in said(form)
    field(form, "number_input", "Age").set_value(300.0).run()
    assert button(form, "Analyse").disabled
    assert ":red[Mend first: Age must be from 0 to 120 years; got 300.]" in said(form)
    assert "(field age)" not in said(form)
    button(form, "Undo").click().run()
    assert "Mend first" not in said(form)


def test_undo_after_a_refused_value_goes_back_to_the_last_valid_one(form: AppTest) -> None:
    age = "number_input", "Age"
    for value in (34.0, 67.0, -8.0, 300.0):
        field(form, *age).set_value(value).run()
    assert button(form, "Analyse").disabled
    button(form, "Undo").click().run()
    assert field(form, *age).value == 67.0 and values(form) == {"age": 67.0}
    assert not button(form, "Analyse").disabled
    button(form, "Undo").click().run()
    assert field(form, *age).value == 34.0


def test_undo_takes_back_a_refused_value_where_it_is_all_there_is(form: AppTest) -> None:
    assert button(form, "Undo").disabled
    field(form, "number_input", "Age").set_value(300.0).run()
    button(form, "Undo").click().run()
    assert field(form, "number_input", "Age").value is None and button(form, "Undo").disabled


def test_a_refused_value_keeps_what_is_entered_in_other_fields(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(67.0).run()
    field(form, "number_input", "Age").set_value(300.0).run()
    field(form, "selectbox", "Margin").set_value("rough").run()
    assert values(form) == {"age": 67.0, "margin": "rough"}
    button(form, "Undo").click().run()
    assert field(form, "number_input", "Age").value == 67.0 and field(form, "selectbox", "Margin").value == "rough"


def test_a_value_typed_in_the_same_moment_as_undo_is_what_undo_takes_back(form: AppTest) -> None:
    for value in (34.0, 67.0):
        field(form, "number_input", "Age").set_value(value).run()
    field(form, "number_input", "Age").set_value(300.0)
    button(form, "Undo").click().run()
    assert field(form, "number_input", "Age").value == 67.0


def said(app: AppTest) -> str:
    assert not app.exception, app.exception
    kinds = ("markdown", "caption", "warning", "html")
    return " ".join(m.value for kind in kinds for m in app.get(kind)).replace("\\", "")


def analysed(app: AppTest) -> AppTest:
    button(app, "Analyse").click().run()
    end = time.monotonic() + 120
    while app.session_state["reading"].job is not None and time.monotonic() < end:
        time.sleep(0.05)
        app.run()
    assert "Analysed in" in said(app)
    return app


def cancelled(app: AppTest, *, age: float, predicted: bool, partial: bool = False) -> AppTest:
    """A second analysis, of this age, that the reader cancels with or without a prediction there."""
    session = app.session_state["reading"]
    earlier = session.analysis
    record = replace(earlier.record, values={"age": age})
    first = replace(session.first, prediction=replace(session.first.prediction))
    job = Job(first=first if predicted else None, record=record, _future=Future())
    if partial:
        part = replace(earlier.explanation, parts=("maps", "joint"))
        job.partial = replace(earlier, record=record, prediction=first.prediction, explanation=part)
    app.session_state["reading"] = replace(
        session, values={"age": age}, form_version=session.form_version + 1, job=job, first=None, first_for=None
    )
    app.run()
    assert "Analysed in" not in said(app)
    job._future.set_exception(CancelledError("Stopped."))
    button(app, "Cancel").click().run()
    assert app.session_state["reading"].job is None
    return app


def test_a_cancelled_analysis_says_so_and_takes_no_time_of_an_earlier_one(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(51.0).run()
    cancelled(analysed(form), age=80.0, predicted=True)
    assert "Cancelled before its explanation. The explanation on hand is of the analysis before." in said(form)
    assert "Analysed in" not in said(form) and "Out of date" not in said(form)
    analyse = next(b for b in form.button if b.key == "analyse")
    assert analyse.proto.type == "primary", "the explanation on hand is not of this prediction"
    analysed(form)
    assert "Cancelled" not in said(form)


def test_an_analysis_cancelled_before_its_prediction_says_so(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(51.0).run()
    cancelled(analysed(form), age=80.0, predicted=False)
    assert "Cancelled before there was a prediction." in said(form) and "Analysed in" not in said(form)


def test_an_analysis_cancelled_halfway_says_which_parts_are_missing(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(51.0).run()
    cancelled(analysed(form), age=80.0, predicted=True, partial=True)
    assert "Cancelled. Stopped before: attention test, reliability strip, what to ask next." in said(form)
    assert "Analysed in" not in said(form)


def test_a_cancelled_analysis_of_the_same_values_leaves_the_earlier_explanation(form: AppTest) -> None:
    field(form, "number_input", "Age").set_value(51.0).run()
    cancelled(analysed(form), age=51.0, predicted=True)
    assert "Cancelled. The explanation is of an earlier analysis of the same values." in said(form)
    assert "Analysed in" not in said(form)


def test_a_value_is_kept_before_the_rest_is_drawn(form: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is loaded again meanwhile stops the run there."""
    from dashboard import casebook, services
    from mmxai_core.worklist import SITE

    monkeypatch.setattr(
        casebook, "is_answered", lambda session: session.values and 1 / 0
    )  # asked once the form is read
    field(form, "number_input", "Age").set_value(51.0).run()
    session = form.session_state["reading"]
    owners = (SITE, casebook.desk_owner(session.desk))
    assert services.worklist().case(session.case, owners).values == {"age": 51.0}
