"""A reader's session without a browser: seeded errors, what a protocol may ask, a window left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from study_protocols import protocol
from tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

from dashboard.study_ai import AiOutput, start_ai, turn
from dashboard.study_limits import problems_here
from mmxai_core.errors import StudyReadError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.protocol import Arm, Case, InstrumentUse, Protocol, Questions, Reader
from mmxai_core.reader_study.records import ItemAnswer, Slot
from mmxai_core.reader_study.store import new_token
from mmxai_core.reader_study.study_store import StudyStore
from mmxai_core.results import Attribution

WRONG = Arm("seeded", "ai_explanation", "", ("saliency", "attribution"), wrong_share=1.0)
CLINICAL = {"age": 61, "palpable": "yes"}


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explainer]:
    predictor = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield Explainer(predictor)
    predictor.close()


def answer(explainer: Explainer, made: Protocol, *, wrong: bool, image: bool = True) -> AiOutput:
    reading = Assignment("R01", 1, 1, "seeded", made.cases[0].id, ai_seeded_wrong=wrong)
    study = tiny_study() if image else None
    job = start_ai(explainer.predictor, explainer, study, SCHEMA.record(CLINICAL), protocol=made, assignment=reading)
    return job.future.result(60)


def test_a_seeded_wrong_reading_differs_in_what_it_says_and_in_nothing_else(explainer: Explainer) -> None:
    made = protocol(arms=(WRONG,), cases=1, threshold=0.5)
    probability = explainer.predictor.predict(tiny_study(), SCHEMA.record(CLINICAL)).probability
    made = replace(made, cases=(replace(made.cases[0], truth=probability >= 0.5),))  # the AI is right by itself
    right, wrong = (answer(explainer, made, wrong=w) for w in (False, True))
    assert right.prediction.predicted_class != wrong.prediction.predicted_class
    assert right.explanations == wrong.explanations == ("saliency", "attribution")
    assert right.explanation.target_class == wrong.explanation.target_class == "malignant"
    for one in (right, wrong):
        assert one.explanation.saliency is not None
        assert one.explanation.saliency.target_class == one.prediction.predicted_class
        account = one.explanation.attribution
        assert (account.interval, account.interval_from) == (None, "")
        assert account.base_value + np.sum(account.values) + account.residual == pytest.approx(account.output)
        assert 1 / (1 + np.exp(-account.output)) == pytest.approx(one.prediction.probability, abs=1e-4)
        assert one.shown.probability == one.prediction.probability
    same = ("players", "estimator", "coalitions", "semantics", "space")
    assert all(getattr(right.explanation.attribution, n) == getattr(wrong.explanation.attribution, n) for n in same)


def test_a_case_without_an_image_has_no_map(explainer: Explainer) -> None:
    found = answer(explainer, protocol(arms=(WRONG,), cases=1), wrong=False, image=False)
    assert found.explanations == ("attribution",)


def test_an_account_that_hardly_moved_is_turned_within_reason() -> None:
    values = np.array([2.0, -1.9])
    real = Attribution(("age", "image"), "log_odds", values, 0.3, 0.4, np.zeros((2, 2)), 0.0, "exact", 4, "removal")
    turned = turn(real, -1.1)
    assert turned.base_value + turned.values.sum() == pytest.approx(-1.1)
    assert np.abs(turned.values).max() < 3  # scaled from 0.1 to -1.4 it would be 28
    still = turn(replace(real, values=np.zeros(2), output=0.3), -0.7)
    assert still.values == pytest.approx([-0.5, -0.5])


def test_what_a_session_cannot_honour_is_said_before_the_start(explainer: Explainer) -> None:
    bundle = explainer.predictor.bundle
    good = protocol(arms=(WRONG,), cases=1)
    good = replace(good, cases=(Case("C1", True, clinical={"age": 50}),))
    assert problems_here(good, bundle) == ()
    more = replace(WRONG, explanations=("saliency", "similar"))
    placebo = Arm("p", "ai_explanation", "", ("saliency", "unified"), placebo_share=0.5)
    for changes, words in (
        ({"arms": (more,)}, "take out 'similar'"),
        ({"arms": (placebo,)}, "take out 'unified'"),
        ({"arms": (Arm("w", "ai_explanation", "", ("what_if",)),)}, "cannot show 'what_if'"),
        ({"instruments": (InstrumentUse("explanation_survey"),)}, "a session cannot ask it"),
        ({"positive": "benign", "negative": "malignant"}, "the AI's probability is of 'malignant'"),
        ({"bundle_sha256": "0" * 64}, "for the bundle 00000000"),
        ({"cases": (Case("C1", True),)}, "neither an image nor a clinical value"),
        ({"cases": (Case("C1", True, clinical={"age": 900}),)}, "Case C1"),
        ({"cases": (Case("C1", True, clinical={"nothing": 1}),)}, "no clinical field 'nothing'"),
    ):
        found = problems_here(replace(good, **changes), bundle)
        assert len(found) == 1 and words in found[0], found


def test_an_image_that_cannot_be_read_is_named_by_its_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.study_files import open_case

    monkeypatch.setenv("MMXAI_CASES", str(tmp_path))
    (tmp_path / "malignant_12.dcm").write_bytes(b"no image")
    with pytest.raises(StudyReadError) as error:
        open_case(Case("C7", True, image="malignant_12.dcm"))
    assert "malignant" not in str(error.value)


@pytest.fixture
def session(app: AppTest, tmp_path: Path) -> tuple[AppTest, StudyStore]:
    """R01 is signed in to a study of clinical cases, unaided."""
    made = Protocol(
        "pilot", "Pilot", (Arm("alone", "unaided"),),
        tuple(Case(f"MALIGNANT{n}", bool(n % 2), clinical={"age": 40 + n}) for n in range(4)), (Reader("R01"),),
        questions=Questions(confidence="none", region=False),
        instruments=(InstrumentUse("nasa_tlx_weighted", "end"),),
    )  # fmt: skip
    store = StudyStore(tmp_path / "ratings.sqlite")
    store.start(made.lock(at=datetime.now(UTC)))
    app.query_params["study"], app.query_params["reader"] = "pilot", "R01"
    return app.switch_page("views/session.py").run(), store


def send(app: AppTest, value: float | None = None) -> AppTest:
    if value is not None:
        app.number_input[0].set_value(value)
    next(b for b in app.button if b.label.startswith(("Commit", "Save"))).click().run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return " ".join(e.value for kind in ("caption", "markdown", "error", "success") for e in getattr(app, kind))


def test_a_window_left_behind_says_that_its_answer_was_not_kept(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    send(app, 30.0)
    assert "Kept at" in said(app)
    study = store.study("pilot")
    second = store.assignments(study, "R01")[1]
    slot = Slot("reading", "reading", 1, "unaided", second.id)
    given = (ItemAnswer("opinion", value=10.0),)
    store.save(study, "R01", slot, given, seen=0, token=new_token(), opened_at=datetime.now(UTC))
    send(app, 99.0)
    assert "answered in another window" in said(app) and "not kept" in said(app) and "Kept at" not in said(app)
    assert [k.answers[0].value for k in store.kept(study, "R01")] == [30.0, 10.0]


def test_no_case_id_crosses_to_the_browser(session: tuple[AppTest, StudyStore]) -> None:
    app, _ = session
    ids = [str(w.proto) for kind in ("number_input", "button", "markdown", "caption") for w in getattr(app, kind)]
    assert ids and not [i for i in ids if "MALIGNANT" in i]


def test_the_comparisons_of_the_workload_are_kept_as_chosen_and_scored(session: tuple[AppTest, StudyStore]) -> None:
    app, store = session
    for value in (10.0, 20.0, 30.0, 40.0):
        send(app, value)
    assert "NASA Task Load Index, weighted" in " ".join(s.value for s in app.subheader)
    rank = ["physical_demand", "performance", "frustration", "effort", "temporal_demand", "mental_demand"]
    for item, value in zip(app.number_input, (70, 10, 55, 30, 65, 25), strict=True):
        item.set_value(float(value))
    for pair in app.radio:
        _, a, b = str(pair.key).rsplit("-", 2)
        pair.set_value(max(a, b, key=rank.index))
    send(app)
    from mmxai_core.reader_study.analysis.answers import current, scored_forms
    from mmxai_core.reader_study.tables import ratings

    table = ratings(store, store.study("pilot"))
    assert table["item"].str.startswith("pair__").sum() == 15 and not table["item"].str.startswith("weight_").any()
    (form,) = scored_forms(current(table))["nasa_tlx_weighted"]
    assert form.score.value == pytest.approx(845 / 15)


def test_another_model_than_the_studys_stops_the_session(app: AppTest, tmp_path: Path) -> None:
    made = replace(protocol(cases=2), bundle_sha256="0" * 64)
    StudyStore(tmp_path / "ratings.sqlite").start(made.lock(at=datetime.now(UTC)))
    app.query_params["study"], app.query_params["reader"] = "us-pilot", "R01"
    app.switch_page("views/session.py").run()
    assert "another model" in said(app) and not app.number_input


def test_who_leaves_is_told_so_and_gets_no_menu_before_asking_for_it(session: tuple[AppTest, StudyStore]) -> None:
    app, _ = session
    assert app.session_state["study"].is_readers
    next(b for b in app.button if b.label == "Leave").click().run()
    assert not app.exception and "You have left “Pilot”" in said(app)
    assert "The browser's Back goes on under your code as well: close this tab" in said(app)
    (code,) = [t for t in app.text_input if t.label == "Reader code"]
    assert code.value == ""  # the next at this screen may be another reader
    assert app.session_state["study"].is_readers
    next(b for b in app.button if b.label == "Show the other pages").click().run()
    assert not app.session_state["study"].is_readers and "You have left" not in said(app)


def test_who_has_left_signs_in_again_where_he_stopped(session: tuple[AppTest, StudyStore]) -> None:
    app, _ = session
    send(app, 30.0)
    next(b for b in app.button if b.label == "Leave").click().run()
    app.query_params.clear()
    next(t for t in app.text_input if t.label == "Reader code").set_value("r01")
    next(b for b in app.button if b.label == "Start or go on").click().run()
    assert not app.exception and app.session_state["study"].left == ""
    assert "You have left" not in said(app) and len(app.number_input) == 1


def test_a_server_for_readers_has_no_other_pages_to_show(
    session: tuple[AppTest, StudyStore], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    app, _ = session
    monkeypatch.setenv("MMXAI_ROLE", "reader")
    next(b for b in app.button if b.label == "Leave").click().run()
    assert "You have left" in said(app) and "Show the other pages" not in [b.label for b in app.button]
