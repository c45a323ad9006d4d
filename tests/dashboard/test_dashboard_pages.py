"""Pages without a browser: widgets, state and messages. Charts and the viewer are driven in test_browser."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.jobs import Job
from mmxai_core.reader_study.instruments import PAPER_SURVEY
from mmxai_core.reader_study.store import RatedCase, RatingStore
from mmxai_core.results.certainty import BranchAccount, BranchView
from mmxai_core.worklist import Analysed

ROOT = Path(__file__).resolve().parents[2]


def page(app: AppTest, name: str) -> AppTest:
    return app.switch_page(f"views/{name}.py").run()


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def errors(app: AppTest) -> list[str]:
    assert not app.exception, app.exception
    return [e.value for e in app.error]


def clinical_only(app: AppTest) -> AppTest:
    page(app, "case")
    button(app, "Enter clinical data only").click().run()
    return app


def analysed(app: AppTest) -> AppTest:
    button(app, "Analyse").click().run()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        labels = {b.label for b in app.button}
        if "Show the explanation" in labels and "Cancel" not in labels:  # later parts may still be on their way
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError("the analysis did not end")


def field(app: AppTest, kind: str, label: str):
    return next(w for w in getattr(app, kind) if w.label.startswith(label))


def text_of(app: AppTest) -> str:
    return " ".join(
        m.value
        for kind in ("markdown", "caption", "warning", "info", "success", "subheader")
        for m in getattr(app, kind)
    )


def test_every_page_says_research_use_only(app: AppTest) -> None:
    for name in ("case", "explanation", "survey", "model"):
        page(app, name)
        assert errors(app) == []
        assert any("Research use only, not for diagnosis" in h.value for h in app.get("html"))


def test_unknown_is_the_default_and_the_analysis_of_clinical_data_alone_works(app: AppTest) -> None:
    clinical_only(app)
    assert field(app, "number_input", "Age").value is None
    assert button(app, "Analyse").disabled
    field(app, "number_input", "Age").set_value(51.0).run()
    assert not button(app, "Analyse").disabled
    analysed(app)
    assert "1 of 4 clinical fields known" in text_of(app) and "rests on the clinical data alone" in text_of(app)
    field(app, "selectbox", "Margin").set_value("rough").run()
    assert "Out of date" in text_of(app)
    button(app, "Undo").click().run()
    assert "Out of date" not in text_of(app)
    assert field(app, "number_input", "Age").value == 51.0


def test_the_base_rate_is_marked_where_the_bundle_tells_it(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def result() -> str:
        return next(h.value for h in app.get("html") if 'data-testid="result"' in h.value)

    clinical_only(app)
    field(app, "number_input", "Age").set_value(51.0).run()
    analysed(app)
    assert "base rate" not in result() and "threshold 40" in result()
    monkeypatch.setattr("mmxai_core.model.bundle.Bundle.results", lambda _: {"cross_validation": {"prevalence": 0.25}})
    app.run()
    assert errors(app) == []
    assert "base rate in the training data 25" in result() and '<i class="base" style="left:25.0%">' in result()


def test_a_value_out_of_range_is_answered_by_one_sentence(app: AppTest) -> None:
    clinical_only(app)
    field(app, "number_input", "Age").set_value(400.0).run()
    assert button(app, "Analyse").disabled
    assert r"Age must be from 0 to 120 years; got 400" in text_of(app).replace("\\", "")
    field(app, "number_input", "Age").set_value(95.0).run()
    assert "the model reads it as 90 years" in text_of(app)
    button(app, "All unknown").click().run()
    assert field(app, "number_input", "Age").value is None


def test_leaving_the_page_loses_nothing(app: AppTest) -> None:
    clinical_only(app)
    field(app, "number_input", "Age").set_value(51.0).run()
    page(app, "model")
    page(app, "case")
    assert field(app, "number_input", "Age").value == 51.0


def survey_of_a_case(app: AppTest) -> None:
    """The Survey page with an analysed case of one clinical value."""
    clinical_only(app)
    field(app, "number_input", "Age").set_value(51.0).run()
    analysed(app)
    page(app, "survey")


def test_a_rating_is_kept_before_the_page_says_so(app: AppTest, tmp_path: Path) -> None:
    survey_of_a_case(app)
    app.text_input[0].set_value("r07").run()
    assert all(r.value is None for r in app.radio), "nothing may be preselected"
    app.radio[0].set_value(4)
    button(app, "Save rating").click().run()
    (open_questions,) = errors(app)
    assert "4 questions left open" in open_questions.replace("\\", "")
    app.radio[0].set_value(4)
    for r in app.radio[1:]:
        r.set_value("no_answer")
    button(app, "Save rating").click().run()
    assert errors(app) == [] and "is saved" in text_of(app)
    (kept,) = RatingStore(tmp_path / "ratings.sqlite").responses(reader="R07")
    assert kept.about.case_code.startswith("clinical-") and kept.answer("understanding").value == 4
    assert kept.answer("agree_region").state == "no_answer"


def rated_cases(app: AppTest) -> list[str]:
    """How the table of ratings names the cases, newest first."""
    return [cell.replace("\\", "").split(": ")[0] for cell in app.table[0].value["Case"]]


def test_a_kept_rating_names_its_case_as_the_worklist_does(app: AppTest, tmp_path: Path) -> None:
    survey_of_a_case(app)
    app.text_input[0].set_value("R07").run()
    app.radio[0].set_value(4)
    for r in app.radio[1:]:
        r.set_value("no_answer")
    button(app, "Save rating").click().run()
    code = app.session_state["reading"].case
    assert len(code) == 12 and rated_cases(app) == [code]
    store = RatingStore(tmp_path / "ratings.sqlite")
    (kept,) = store.responses(reader="R07")
    assert kept.about.case_code.startswith("clinical-"), "what is stored is what it always was"
    # a rating of a case that this list does not hold is as readable as before
    store.save(reader="R07", about=replace(kept.about, case_code="9f0a12ab34cd56ef"), instrument=PAPER_SURVEY,
               answers=kept.answers, opened_at=kept.opened_at, token="another")  # fmt: skip
    page(app, "case")
    button(app, "Close and open another").click().run()
    page(app, "survey")
    assert errors(app) == [] and rated_cases(app) == ["9f0a12ab34cd", code], "the case need not be open"


def test_an_older_rating_of_the_open_case_goes_by_the_worklists_code_too(app: AppTest, tmp_path: Path) -> None:
    survey_of_a_case(app)
    session = app.session_state["reading"]
    explanation = session.analysis.explanation
    about = RatedCase(f"clinical-{explanation.id[:12]}", explanation.id, "tiny", "ab" * 32, "benign", 0.2)
    now = datetime.now(UTC)
    RatingStore(tmp_path / "ratings.sqlite").save(
        reader="R07", about=about, instrument=PAPER_SURVEY, answers=(), opened_at=now, token="older"
    )
    app.text_input[0].set_value("R07").run()
    assert rated_cases(app) == [session.case]


def test_a_look_back_at_the_pictures_keeps_a_half_filled_rating(app: AppTest, tmp_path: Path) -> None:
    survey_of_a_case(app)
    app.text_input[0].set_value("R07").run()
    app.radio[0].set_value(4).run()
    app.text_area[0].set_value("the map is off").run()
    page(app, "explanation")
    page(app, "survey")
    assert [r.value for r in app.radio] == [4, None, None, None, None] and app.text_area[0].value == "the map is off"
    for r in app.radio[1:]:
        r.set_value("no_answer")
    button(app, "Save rating").click().run()
    (kept,) = RatingStore(tmp_path / "ratings.sqlite").responses(reader="R07")
    assert kept.answer("understanding").value == 4 and kept.answer("comment").text == "the map is off"
    page(app, "explanation")
    page(app, "survey")
    assert all(r.value is None for r in app.radio) and not app.text_area[0].value, "a new form for a new rating"


def test_a_half_filled_rating_stays_with_its_explanation_and_its_reader(app: AppTest) -> None:
    survey_of_a_case(app)
    app.text_input[0].set_value("R07").run()
    app.radio[0].set_value(4).run()
    app.text_input[0].set_value("R08").run()
    assert all(r.value is None for r in app.radio), "another reader's answers"
    app.radio[0].set_value(2).run()
    page(app, "case")
    field(app, "number_input", "Age").set_value(71.0).run()
    analysed(app)
    page(app, "survey")
    assert all(r.value is None for r in app.radio), "answers about another explanation"


def test_a_part_of_an_explanation_is_not_taken_for_the_whole(app: AppTest) -> None:
    clinical_only(app)
    field(app, "number_input", "Age").set_value(51.0).run()
    analysed(app)
    session = app.session_state["reading"]
    whole = session.analysis
    assert whole is not None
    partial = replace(whole, explanation=replace(whole.explanation, parts=("maps", "joint")))
    running = Job(_future=Future())
    app.session_state["reading"] = replace(session, analysis=partial, job=running, reader="R07")
    page(app, "survey")
    assert errors(app) == [] and button(app, "Save rating").disabled
    assert "once the analysis has ended" in text_of(app) and "Stopped before" not in text_of(app)
    app.session_state["reading"] = replace(session, analysis=partial, job=None, reader="R07")
    for name in ("explanation", "survey"):
        page(app, name)
        assert errors(app) == []
        assert "Stopped before: attention test, reliability strip, what to ask next." in text_of(app)
    assert not button(app, "Save rating").disabled


def test_the_case_says_what_unknown_fields_leave_open_as_the_explanation_does(app: AppTest) -> None:
    clinical_only(app)
    field(app, "number_input", "Age").set_value(51.0).run()
    analysed(app)
    session = app.session_state["reading"]
    view = BranchView("clinical data only", True, 0.4, 0.9, 0.12, 0.63, 3, "Said.")
    made = replace(session.analysis.explanation, branches=BranchAccount((view,), 200, 0, "drawn"))
    session = replace(session, job=None, analysis=replace(session.analysis, explanation=made))
    app.session_state["reading"] = session
    for name in ("case", "explanation"):
        page(app, name)
        assert errors(app) == [] and "between 12 and 63 % (90 % of" in text_of(app)
    # a new answer, whose range is not there yet: its line is kept, and the earlier range is not taken for it
    again = replace(session.first, prediction=replace(session.first.prediction))
    app.session_state["reading"] = replace(session, first=again, first_for=None, job=Job(_future=Future()))
    page(app, "case")
    assert "What the unknown fields leave open is being computed." in text_of(app)
    assert "With every field known" not in text_of(app)
    # after a reload the kept answer brings its range, before any picture is computed again
    told = Analysed({}, None, 0, 0.4, 0.21, 0.58, 0.5, "malignant", "benign", (), (), "b", "c", datetime.now(UTC))
    app.session_state["reading"] = replace(session, first=again, first_for=told, analysis=None, job=None)
    page(app, "case")
    assert "between 21 and 58 % (90 % of" in text_of(app)


def test_explanation_and_survey_say_what_to_do_first(app: AppTest) -> None:
    page(app, "explanation")
    assert "Nothing to explain yet" in text_of(app)
    page(app, "survey")
    assert "analyse a case first" in text_of(app)


@pytest.mark.parametrize("raw", ["x", "Jane Doe"])
def test_a_bad_reader_code_is_one_sentence(app: AppTest, raw: str) -> None:
    page(app, "survey")
    app.text_input[0].set_value(raw).run()
    (said,) = errors(app)
    assert "A reader code has 2 to 32 letters" in said and raw not in said.split("R01")[-1][:5]


def test_without_a_bundle_each_page_says_what_to_do(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMXAI_BUNDLE", str(tmp_path / "nowhere"))
    for name in ("case", "explanation", "model"):
        page(app, name)
        assert errors(app) == [] and "No model is installed" in text_of(app)


def test_a_changed_bundle_is_refused_in_one_sentence(
    app: AppTest, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in tiny_bundle.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "results.json").write_text(json.dumps({"auc": 1.0}))
    monkeypatch.setenv("MMXAI_BUNDLE", str(changed))
    page(app, "case")
    (said,) = errors(app)
    assert "The model cannot be used" in said and "was changed after the bundle was written" in said.replace("\\", "")


def test_a_damaged_store_is_one_sentence(app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.sqlite"
    bad.write_bytes(b"no database at all, only text" * 40)
    monkeypatch.setenv("MMXAI_STORE", str(bad))
    page(app, "survey")
    app.text_input[0].set_value("R07").run()
    (said,) = errors(app)
    assert said.replace("\\", "").startswith("Not saved.") or "could not be opened" in said


def test_the_model_page_shows_card_results_and_provenance(app: AppTest) -> None:
    page(app, "model")
    assert errors(app) == []
    assert "A card for tests" in text_of(app)
    (shown,) = (h for h in (str(e.proto.body) for e in app.get("html")) if "<table" in h)
    assert re.findall(r'<th scope="col">(.*?)</th>', shown) == ["Entry", "AUC", "N"]
    assert re.findall(r"<td[^>]*>(.*?)</td>", shown) == ["0.500<small>0.400 to 0.600</small>", "10"]
    frames = [t.value for t in app.table]
    assert any("Value" in f and "tiny" in f["Value"].tolist() for f in frames)
    assert any("Id" in f and f["Id"].tolist() == ["age", "palpable", "margin", "birads"] for f in frames)
