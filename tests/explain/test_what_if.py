from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import what_if_case as made
from tiny_bundle import ARCH, SCHEMA, tiny_study, write_tiny_bundle

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
from mmxai_core.errors import ClinicalValueError, ExplanationError, StudyReadError
from mmxai_core.explain.what_if import WhatIf
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.encoded import EncodedStudy
from mmxai_core.model.network import FusedNetwork
from mmxai_core.predict import Predictor
from mmxai_core.results import Prediction

RAW = {"age": 60, "palpable": True, "nipple_discharge": False, "margin": "spiky"}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    path = write_tiny_bundle(tmp_path_factory.mktemp("b") / "tiny", network=made.network(), threshold=0.5)
    bundle = load_bundle(path)
    found = Predictor(bundle, device="cpu")
    yield found
    found.close()


@pytest.fixture(scope="module")
def encoded(predictor: Predictor) -> EncodedStudy:
    return predictor.encode(tiny_study(images=3))


def ask(predictor: Predictor, encoded: EncodedStudy | None, raw: dict[str, object] = RAW) -> WhatIf:
    return WhatIf(predictor, encoded, SCHEMA.record(raw), statistics=made.statistics())


def test_an_answer_is_the_prediction_of_the_changed_record(predictor: Predictor, encoded: EncodedStudy) -> None:
    what_if = ask(predictor, encoded)
    answer = what_if.answer({"margin": "smooth", "age": 33, "palpable": None})
    expected = predictor.predict(
        tiny_study(images=3), SCHEMA.record({"age": 33, "nipple_discharge": False, "margin": "smooth"})
    )
    assert answer.prediction.probability == pytest.approx(expected.probability, abs=1e-6)
    assert answer.difference == pytest.approx(expected.probability - what_if.prediction.probability, abs=1e-6)
    assert [(c.field, c.before, c.after) for c in answer.changes] == [
        ("age", "60 years", "33 years"), ("palpable", "yes", "unknown"), ("margin", "Spiky", "Smooth"),
    ]  # fmt: skip
    assert answer.turns_decision == (expected.predicted_class != what_if.prediction.predicted_class)
    assert f"{100 * expected.probability:.1f} % malignant" in answer.sentence
    blind = what_if.answer(without_image=True)
    alone = predictor.predict(None, SCHEMA.record(RAW))
    assert blind.without_image and blind.prediction.probability == pytest.approx(alone.probability, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0.9916, 0.9634, "96.3 % malignant instead of 99.2 % (-2.9 points)"),
        (0.99162, 0.99158, "99.2 % malignant instead of 99.2 % (unchanged)"),
        (0.99152, 0.99148, "99.1 % malignant instead of 99.2 % (-0.1 points)"),
        (0.4, 0.55, "55.0 % malignant instead of 40.0 % (+15.0 points)"),
    ],
)
def test_a_difference_is_that_of_the_numbers_beside_it(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, before: float, after: float, said: str
) -> None:
    what_if = ask(predictor, None)

    def at(p: float) -> Prediction:
        return replace(what_if.prediction, probabilities={"benign": 1 - p, "malignant": p})

    what_if.prediction, answered = at(before), at(after)
    monkeypatch.setattr(predictor, "predict", lambda *_, **__: answered)
    assert what_if.answer({"margin": "smooth"}).sentence.startswith(f"{said}; the decision ")


def test_a_curve_is_the_prediction_at_every_value(predictor: Predictor, encoded: EncodedStudy) -> None:
    what_if = ask(predictor, encoded)
    curve = what_if.response("age")
    for point in curve.points[::9]:
        expected = predictor.predict(encoded.study, SCHEMA.record({**RAW, "age": point.value}), encoded=encoded)
        assert point.probability == pytest.approx(expected.probability, abs=2e-5)
    assert curve.current == 60 and curve.current_probability == pytest.approx(what_if.prediction.probability, abs=2e-5)
    unknown = predictor.predict(encoded.study, SCHEMA.record({**RAW, "age": None}), encoded=encoded)
    assert curve.unknown_probability == pytest.approx(unknown.probability, abs=2e-5)
    assert {p.seen for p in curve.points} == {True, False}
    margin = what_if.response("margin")
    assert [p.text for p in margin.points] == ["Smooth", "Spiky"] and margin.crossings == ()
    with pytest.raises(ClinicalValueError, match="Unknown clinical field 'colour'"):
        what_if.response("colour")


def test_crossings_lie_on_the_threshold(predictor: Predictor, encoded: EncodedStudy, tmp_path: Path) -> None:
    points = ask(predictor, encoded).response("age").points
    middle = (min(p.probability for p in points) + max(p.probability for p in points)) / 2
    bundle = load_bundle(write_tiny_bundle(tmp_path / "t", network=made.network(), threshold=middle))
    other = Predictor(bundle, device="cpu")
    try:
        what_if = ask(other, replace(encoded, bundle_sha256=bundle.sha256))
        curve = what_if.response("age")
        assert curve.crossings
        for age in curve.crossings:
            assert what_if.answer({"age": age}).prediction.probability == pytest.approx(middle, abs=0.003)
    finally:
        other.close()


def test_a_counterfactual_holds_in_the_prediction_over_all_images(
    predictor: Predictor, encoded: EncodedStudy, tmp_path: Path
) -> None:
    now = ask(predictor, encoded).prediction.probability
    bundle = load_bundle(write_tiny_bundle(tmp_path / "t", network=made.network(), threshold=now - 0.004))
    other = Predictor(bundle, device="cpu")
    try:
        what_if = ask(other, replace(encoded, bundle_sha256=bundle.sha256))
        result = what_if.counterfactual(lock_groups=["assessment"], locked=["age"], fill_unknown=True)
        assert result.locked == ("age", "birads") and result.found
        for found in result.found:
            answer = what_if.answer({c.field: c.value for c in found.changes})
            assert answer.turns_decision and answer.prediction.probability == pytest.approx(found.probability, abs=2e-5)
            assert answer.prediction.predicted_class == found.predicted_class
    finally:
        other.close()


def test_clinical_only_image_only_and_a_bundle_without_statistics(predictor: Predictor, encoded: EncodedStudy) -> None:
    assert [v.inputs for v in ask(predictor, None).modalities().views] == ["clinical data only"]
    image_only = WhatIf(predictor, encoded, ClinicalRecord())
    assert [v.inputs for v in image_only.modalities().views] == ["image only"]
    asked = image_only.ask()
    assert {q.field for q in asked.questions} == set(SCHEMA.ids)
    assert "synthetic background rows" in asked.semantics and "Nipple discharge" in asked.semantics
    assert image_only.counterfactual().sentence == "There is no unlocked known field to change."


def test_bad_questions_get_one_sentence(predictor: Predictor, encoded: EncodedStudy) -> None:
    what_if = ask(predictor, encoded)
    with pytest.raises(ClinicalValueError, match="Age must be from 0 to 110 years; got 300"):
        what_if.answer({"age": 300})
    with pytest.raises(ExplanationError, match="changes 1, 2 or 3 fields; got 4"):
        what_if.counterfactual(max_changes=4)
    with pytest.raises(ClinicalValueError, match="neither"):
        WhatIf(predictor, None, ClinicalRecord())
    with pytest.raises(StudyReadError, match="another model"):
        WhatIf(predictor, replace(encoded, bundle_sha256="0" * 64), ClinicalRecord())
    with pytest.raises(ExplanationError, match="other clinical values"):
        WhatIf(predictor, encoded, ClinicalRecord(), prediction=what_if.prediction)


def test_a_study_of_many_images_says_which_take_part(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmxai_core.explain.what_if.MAX_IMAGES", 2)
    what_if = ask(predictor, predictor.encode(tiny_study(images=3)))
    curve = what_if.response("age")
    assert "Of the 3 images, the 2 with the highest probability take part." in curve.semantics
    assert curve.current_probability == pytest.approx(what_if.prediction.probability, abs=2e-5)


def test_a_bundle_without_fields_has_nothing_to_change(tmp_path: Path) -> None:

    schema = ClinicalSchema(())
    network = FusedNetwork(ARCH, schema)
    path = write_tiny_bundle(tmp_path / "none", network=network, schema=schema, background=pd.DataFrame())
    found = Predictor(load_bundle(path), device="cpu")
    try:
        with pytest.raises(ExplanationError, match="no clinical field"):
            WhatIf(found, None, ClinicalRecord())
    finally:
        found.close()


def test_questions_cost_a_fraction_of_a_forward_pass(predictor: Predictor) -> None:
    """The bound of 0.35 is measured on the shipped network by `benchmark`; here the order of magnitude is held."""
    study = tiny_study()
    start = time.perf_counter()
    for _ in range(5):
        encoded = predictor.encode(study)
        predictor.predict(study, SCHEMA.record(RAW), encoded=encoded)
    forward = (time.perf_counter() - start) / 5
    what_if = ask(predictor, encoded)
    seconds = [what_if.answer({"age": a}).seconds for a in np.linspace(20, 80, 15)]
    assert np.median(seconds) < forward
