"""The Explanation page without a browser: every view, what-if, the search, methods; what is asked is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.jobs import Analysis
from dashboard.state import ReadingSession
from dashboard.views.panels import VIEWS
from mmxai_core.explain.explainer import Explainer
from mmxai_core.figures.account import say
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.results import REGION_LABELS, Attribution, ReliabilityNumber
from mmxai_core.study import PixelGeometry, Study, StudyImage

KNOWN = {"age": 51.0, "palpable": True, "margin": "rough"}
WAIT_S = 120


@pytest.fixture(scope="module")
def explainer(tiny_bundle: Path) -> Explainer:
    return Explainer(Predictor(load_bundle(tiny_bundle), device="cpu", deadline_s=600))


def analysed(explainer: Explainer, study: Study | None) -> Analysis:
    predictor = explainer.predictor
    record = predictor.bundle.schema.record(KNOWN)
    encoded = None if study is None else predictor.encode(study)
    prediction = predictor.predict(study, record, encoded=encoded)
    found = explainer.explain(study, record, prediction=prediction, encoded=encoded)
    return Analysis(study, record, None, 0, encoded, prediction, found, 1.0)


@pytest.fixture(scope="module")
def clinical_case(explainer: Explainer) -> Analysis:
    return analysed(explainer, None)


@pytest.fixture(scope="module")
def image_case(explainer: Explainer) -> Analysis:
    pixels = np.random.default_rng(0).rayleigh(0.2, (80, 96)).clip(0, 1).astype(np.float32)
    pixels[30:50, 30:60] *= 0.2
    study = Study((StudyImage(pixels, PixelGeometry((80, 96), (0.1, 0.1), "test")),), "png", "cd" * 32)
    return analysed(explainer, study)


def show(app: AppTest, analysis: Analysis, view: str = "account") -> AppTest:
    app.session_state["reading"] = ReadingSession(
        study=analysis.study, study_name="case", values=dict(analysis.record.values), opened=True, analysis=analysis
    )
    app.switch_page("views/explanation.py").run()
    return choose(app, "explanation-view", view)


def choose(app: AppTest, key: str, option: object) -> AppTest:
    widget = next(b for b in app.button_group if b.key and (b.key.startswith(key) or fnmatch(b.key, key)))
    if widget.value != option:
        widget.set_value(option).run()
    assert not app.exception, app.exception
    return app


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def calm(app: AppTest) -> AppTest:
    """The page once nothing runs any more."""
    end = time.monotonic() + WAIT_S
    while any(b.label == "Cancel" for b in app.button) and time.monotonic() < end:
        time.sleep(0.05)
        app.run()
    assert not app.exception and not app.error, (app.exception, [e.value for e in app.error])
    assert all(b.label != "Cancel" for b in app.button)
    return app


def text(app: AppTest) -> str:
    kinds = ("markdown", "caption", "warning", "info", "success", "subheader", "html")
    return " ".join(m.value for kind in kinds for m in app.get(kind)).replace("\\", "")


def test_every_view_of_a_case_without_an_image_shows_its_part_or_says_what_to_do(
    app: AppTest, clinical_case: Analysis
) -> None:
    says = {
        "account": "✓ Adds up to the prediction", "together": "On the diagonal: each input on its own",
        "joint_map": "Fill in a field on the Case page", "attention": "Open a study and fill in a field",
        "trust": "Contributions add up to the prediction: **below 0.0001**", "what_if": "As analysed",
        "ask": "What to ask next", "similar": "carries no groups of training cases",
        "methods": "open a study on the Case page", "limits": "What this cannot tell",
    }  # fmt: skip
    assert says.keys() == VIEWS.keys()
    show(app, clinical_case)
    for view, words in says.items():
        calm(choose(app, "explanation-view", view))
        assert words in text(app), view
    assert "✓ The one check passes." in text(app)  # that the account adds up; the others need an image


def test_every_view_of_a_case_with_an_image_shows_its_part(app: AppTest, image_case: Analysis) -> None:
    says = {
        "account": "Removing a field makes it unknown", "together": "Strongest pairs",
        "joint_map": "**Image and clinical data together**", "attention": "not borne out",
        "methods": "Methods measure in different units",
    }  # fmt: skip
    show(app, image_case)
    for view, words in says.items():
        calm(choose(app, "explanation-view", view))
        assert words in text(app), view
    assert {n for _, n in app.session_state["reading"].kept} >= {
        "map:grad_cam_pp:" + image_case.prediction.predicted_class + ":neck"
    }


def test_a_field_switched_off_shows_what_it_adds(app: AppTest, image_case: Analysis) -> None:
    show(app, image_case, "joint_map")
    assert "**The image.** Switch a field off" in text(app)
    choose(app, "joint-map-field", "age")
    assert "**What Age adds:**" in text(app)


def test_one_field_has_one_number_wherever_the_page_says_it(
    app: AppTest, image_case: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.components.viewer.viewer", lambda *_, **__: SimpleNamespace(layer="field:age"))
    explanation = image_case.explanation
    joint, whole = explanation.joint, explanation.attribution
    assert joint is not None
    # As different as a trained model's accounts are, so that two decimals tell them apart.
    apart = replace(joint, removal=replace(joint.removal, values=joint.removal.values + 0.5))
    case = replace(image_case, explanation=replace(explanation, joint=apart))
    regional = say(apart.removal.value_of("age"), "log_odds", sign=True)
    as_one = say(whole.value_of("age"), "log_odds", sign=True)
    points = say(explanation.attribution_probability.value_of("age"), "probability", sign=True)
    show(app, case)
    assert f"moves the prediction by {regional} log-odds" in text(app)
    choose(app, "explanation-view", "joint_map")
    assert f"Age {regional}" in joint_map_fields(app) and "(lesion, ring, rest; removed: unknown)" in text(app)
    choose(choose(app, "explanation-view", "account"), "account-image", "whole")
    assert f"moves the prediction by {as_one} log-odds" in text(app)
    choose(app, "explanation-view", "joint_map")
    assert f"Age {as_one}" in joint_map_fields(app) and "(whole; removed: unknown)" in text(app)
    choose(choose(app, "explanation-view", "account"), "account-scale", "probability")
    assert f"moves the prediction by {points}, " in text(app) and "points log-odds" not in text(app)
    choose(app, "explanation-view", "joint_map")
    assert f"Age {points}" in joint_map_fields(app) and "percentage points, as under Account" in text(app)


def test_the_joint_map_says_of_which_class_a_fields_number_is(app: AppTest, image_case: Analysis) -> None:
    """Whatever class is called, map and numbers are toward the same class: the positive one."""
    explanation = image_case.explanation
    assert explanation.unified is not None
    for called in image_case.prediction.classes:
        unified = replace(explanation.unified, target_class=called)
        show(app, replace(image_case, explanation=replace(explanation, unified=unified)), "joint_map")
        assert f"**Image and clinical data together**, toward {image_case.prediction.positive_class}" in text(app)
        assert explanation.target_class == image_case.prediction.positive_class
        assert f"Beside each field: its contribution to {explanation.target_class}, " in text(app)


def test_a_map_that_chance_would_draw_is_said_so_above_it(app: AppTest, image_case: Analysis) -> None:
    explanation = image_case.explanation
    for value, told in ((0.001, True), (0.99, False), (None, False)):
        strength = ReliabilityNumber("Strength of the evidence", value, 0.95, True, "Said.", "tests")
        others = [n for n in explanation.reliability if not n.name.startswith("Strength of the evidence")]
        numbers = (*others, strength)
        show(app, replace(image_case, explanation=replace(explanation, reliability=numbers)), "account")
        assert ("The Grad-CAM++ map is not told from chance maps" in text(app)) is told, value


def joint_map_fields(app: AppTest) -> list[str]:
    """What the fields of the joint map are called, with their numbers."""
    return [str(o.content) for b in app.button_group if b.key and "joint-map-field" in b.key for o in b.proto.options]


def as_grid(account: Attribution) -> Attribution:
    """An account whose region of the image is one of the grid's."""
    parts = [p for p in account.players if p in REGION_LABELS]
    return replace(account, players=tuple("image_upper_left" if p == parts[0] else p for p in account.players))


def test_a_grid_against_other_patients_is_not_claimed_where_the_image_is_one_input(
    app: AppTest, image_case: Analysis
) -> None:
    explanation, joint = image_case.explanation, image_case.explanation.joint
    assert joint is not None  # a bundle with typical records has their accounts: of the grid, with the image whole
    regional = replace(joint, background=joint.removal, background_rows=9)
    grid = replace(joint, partition="grid", removal=as_grid(joint.removal), background=explanation.attribution)
    case = replace(image_case, explanation=replace(explanation, joint=regional))
    show(app, case)
    reading = app.session_state["reading"]
    app.session_state["reading"] = replace(reading, kept={(explanation.id, "grid"): grid})
    calm(choose(app, "account-image", "grid"))
    assert "3 x 3 grid; removed: unknown" in text(app) and "not available here" not in text(app)
    choose(app, "account-removed", "background")
    said = text(app)
    assert "Whole; removed: another patient's" in said and "3 x 3 grid; removed: another patient's" not in said
    assert "so the 3 x 3 grid is not available here: the image counts as one input." in said
    choose(app, "account-image", "lesion")
    assert "Lesion, ring, rest; removed: another patient's" in text(app) and "not available here" not in text(app)


def test_the_grid_is_computed_once_and_kept(app: AppTest, image_case: Analysis) -> None:
    calm(choose(show(app, image_case, "together"), "account-image", "grid"))
    kept = app.session_state["reading"].kept[(image_case.explanation.id, "grid")]
    assert kept.partition == "grid" and "image_upper_left" in kept.removal.players
    calm(choose(app, "account-image", "lesion"))
    calm(choose(app, "account-image", "grid"))
    assert app.session_state["reading"].kept[(image_case.explanation.id, "grid")] is kept


def test_what_if_answers_and_the_case_keeps_its_values_until_they_are_used(
    app: AppTest, clinical_case: Analysis, explainer: Explainer
) -> None:
    calm(show(app, clinical_case, "what_if"))
    assert button(app, "Use these values").disabled and button(app, "Reset to the case").disabled
    app.slider[0].set_value(80.0).run()
    choose(app, "what-if-*-palpable", "unknown")
    changed = explainer.predictor.bundle.schema.record({"age": 80, "margin": "rough"})
    expected = explainer.predictor.predict(None, changed).probability
    before = clinical_case.prediction.probability
    assert f"{100 * expected:.1f} % malignant instead of {100 * before:.1f} %" in text(app)
    assert "Age: 51 years → 80 years; Palpable lump: yes → unknown" in text(app)
    assert dict(app.session_state["reading"].values) == KNOWN
    button(app, "Reset to the case").click().run()
    assert app.slider[0].value == 51.0 and "As analysed" in text(app)
    app.slider[0].set_value(80.0).run()
    button(app, "Use these values").click().run()
    assert dict(app.session_state["reading"].values) == {**KNOWN, "age": 80.0}
    assert "Out of date: Age changed after this analysis." in text(app) and not button(app, "Analyse again").disabled
    said = [m.value for m in app.markdown if "operating threshold" in m.value]
    assert said and said[0].startswith(":gray["), "an answer of earlier values does not stand as bold as one of these"


def test_a_choice_of_what_if_can_be_made_unknown_and_stays_so(app: AppTest, clinical_case: Analysis) -> None:
    calm(show(app, clinical_case, "what_if"))
    margin = next(s for s in app.selectbox if s.label == "Margin")
    assert margin.options[0] == "Unknown" and margin.value == "rough"
    margin.set_value("").run()
    assert "Margin: Rough → unknown" in text(app)
    app.switch_page("views/model.py").run()
    app.switch_page("views/explanation.py").run()
    assert "Margin: Rough → unknown" in text(calm(app)), "left and come back"


def test_the_search_keeps_age_and_history_unless_unlocked_and_its_answer_can_be_tried(
    app: AppTest, clinical_case: Analysis
) -> None:
    calm(show(app, clinical_case, "what_if"))
    choose(app, "what-if-view", "turn")
    assert app.multiselect[0].value == ["age", "palpable"]
    calm(button(app, "Search").click().run())
    assert "1 changed record tried." in text(app)
    app.multiselect[0].set_value([]).run()
    calm(button(app, "Search").click().run())
    kept = app.session_state["reading"].kept
    found = [v for (_, n), v in kept.items() if n.startswith("turning::") and v is not None]
    assert len(found) == 1 and found[0].locked == ()
    if found[0].found:
        button(app, "Try these values").click().run()
        assert "decision turns" in text(app)
    else:
        assert "No plausible change" in text(app)


def test_a_cancelled_task_waits_for_the_button(app: AppTest, image_case: Analysis) -> None:
    calm(show(app, image_case, "methods"))
    app.selectbox[0].set_value("score_cam").run()
    assert "about 140 passes" in text(app)
    button(app, "Compute ScoreCAM").click().run()
    cancel = [b for b in app.button if b.label == "Cancel"]
    if cancel:  # a small network may be done already
        cancel[0].click().run()
    calm(app)
    done = any("score_cam" in n and "problem" not in n for _, n in app.session_state["reading"].kept)
    assert done or ("Cancelled." in text(app) and not button(app, "Compute ScoreCAM").disabled)


def test_what_was_kept_goes_with_the_explanation(app: AppTest, clinical_case: Analysis) -> None:
    calm(show(app, clinical_case, "what_if"))
    session = app.session_state["reading"]
    other = replace(clinical_case, explanation=replace(clinical_case.explanation, id="another"))
    app.session_state["reading"] = replace(session, analysis=other)
    calm(app.run())
    assert {about for about, _ in app.session_state["reading"].kept} == {"another"}
