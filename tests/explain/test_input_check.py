from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.evaluation.input_flags import count_flags
from mmxai_core.evaluation.intruders import make_intruders
from mmxai_core.explain.input_check import check_input
from mmxai_core.explain.input_features import canvas_grey
from mmxai_core.explain.surprise import record_surprise
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.field_statistics import FieldStatistics, measure_field_statistics
from mmxai_core.model.fingerprints import TrainingImages, fingerprint
from mmxai_core.model.reference import InputReference
from mmxai_core.predict import Predictor
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.study import PixelGeometry, StudyImage
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.input_reference import accepted, fit_inputs, input_vectors
from mmxai_core.worklist.case import flags_of
from tests.tiny_bundle import ARCH, SCHEMA, tiny_network, tiny_study, write_tiny_bundle

CASES = 90


def cohort(n: int, *, seed: int) -> CohortArrays:
    """Speckle with a dark disc, and records of usual values."""
    rng = np.random.default_rng(seed)
    geometry = CanvasGeometry.letterbox((90, 120), ARCH.canvas)
    grey = np.stack(
        [np.round(geometry.to_canvas(tiny_study(seed=1000 * seed + i).images[0].grey) * 255) for i in range(n)]
    )
    records = tuple(
        SCHEMA.record({"age": float(np.clip(rng.normal(50, 8), 20, 85)), "palpable": bool(rng.random() < 0.9),
                       "margin": "smooth"}) for _ in range(n)
    )  # fmt: skip
    content = np.tile(np.array([*geometry.offset, *geometry.content], np.int64), (n, 1))
    labels = (np.arange(n) % 2).astype(np.int64)
    names = tuple(str(i) for i in range(n))
    empty = np.zeros((n, len(SCHEMA.fields)))
    return CohortArrays(
        grey.astype(np.uint8), content, np.zeros_like(grey, np.uint8), np.zeros(n, bool), empty.astype(np.float32),
        empty.astype(bool), labels, names, names, records,
    )  # fmt: skip


@pytest.fixture(scope="module")
def train() -> CohortArrays:
    return cohort(CASES, seed=1)


@pytest.fixture(scope="module")
def statistics(train: CohortArrays) -> FieldStatistics:
    return measure_field_statistics(train.records, train.labels, schema=SCHEMA, classes=2, source="made up")


@pytest.fixture(scope="module")
def inputs(train: CohortArrays, statistics: FieldStatistics) -> InputReference:
    vectors = input_vectors(tiny_network().image_encoder, train)
    reference, account = fit_inputs([vectors], [train], ["made_up"], modality="US", statistics=statistics)
    assert account["accepted_held_out"]["made_up"] >= 0.95 and reference.clinical is not None
    return reference


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


def test_fresh_cases_of_the_cohort_are_accepted(inputs: InputReference) -> None:
    share = accepted(inputs, input_vectors(tiny_network().image_encoder, cohort(60, seed=2))).mean()
    assert share >= 0.85


def test_every_intruder_is_flagged_and_the_cohort_is_not(predictor: Predictor, inputs: InputReference) -> None:
    found = count_flags(predictor, [(i.name, i.study()) for i in make_intruders()], inputs=inputs)
    assert found.passed == () and found.share == 1
    usual = count_flags(predictor, [(str(i), tiny_study(shape=(180, 240), seed=50 + i)) for i in range(2)], inputs=None)
    assert usual.flagged == ()


def test_a_usual_case_passes_and_says_so(
    predictor: Predictor, inputs: InputReference, statistics: FieldStatistics, train: CohortArrays
) -> None:
    study = tiny_study(seed=1003)
    found = check_input(predictor.encode(study), train.records[0], inputs=inputs, statistics=statistics)
    assert not [f for f in found.images[0].findings if f.rule == "unlike training images"]
    assert [s.name for s in found.images[0].scores] == ["picture", "whole glance", "lesion glance", "image"]
    assert [s.name for s in found.scores] == ["clinical", "joint"]
    image = found.images[0].scores[-1]
    assert image.limit == inputs.image.limit and image.tail is not None and 0.05 <= image.tail <= 1
    assert found.measured and "held out" in found.computed_from


def test_the_file_scores_an_image_as_training_did(
    predictor: Predictor, inputs: InputReference, train: CohortArrays
) -> None:
    found = check_input(predictor.encode(tiny_study(seed=1003)), ClinicalRecord(), inputs=inputs)
    vectors = input_vectors(tiny_network().image_encoder, train.take([3]))
    expected = max(float(b.score(vectors[b.name])[0]) for b in inputs.blocks)
    assert found.images[0].scores[-1].value == pytest.approx(expected, abs=0.1)  # training rounds to 8 bits


def test_a_training_image_is_said_to_be_one_and_stays_valid(predictor: Predictor) -> None:
    study = tiny_study(shape=(180, 240), seed=1003)
    encoded = predictor.encode(study)
    geometry = encoded.geometries[0]
    canvas = canvas_grey(study.images[0].grey, geometry)
    known = TrainingImages.of({"made_up": [fingerprint(canvas, (*geometry.offset, *geometry.content))]})
    found = check_input(encoded, ClinicalRecord(), inputs=None, trained_on=known)
    assert [f.rule for f in found.images[0].findings] == ["training image"] and not found.flagged
    assert found.sentences[1].startswith("The model was trained on this image:")
    assert flags_of(found, None, unknown=0) == ("training image",)
    other = check_input(
        predictor.encode(tiny_study(shape=(180, 240), seed=1004)), ClinicalRecord(), inputs=None, trained_on=known
    )
    assert not other.images[0].findings and flags_of(other, None, unknown=0) == ()


def test_another_modality_is_a_rule_of_its_own(predictor: Predictor, inputs: InputReference) -> None:
    study = replace(tiny_study(seed=1003), modality="MR")
    found = check_input(predictor.encode(study), ClinicalRecord(), inputs=inputs)
    assert found.flagged and found.findings[0].rule == "modality"
    assert "MR (magnetic resonance) (Modality (0008,0060)); the model reads US (ultrasound) only" in found.sentences[1]
    assert "do not rely on the prediction" in found.sentence
    same = replace(study, modality="US")
    assert not check_input(predictor.encode(same), ClinicalRecord(), inputs=inputs).findings


def test_no_lesion_is_spoken_of_in_an_image_of_another_kind(predictor: Predictor, inputs: InputReference) -> None:
    grey = np.clip(np.random.default_rng(0).rayleigh(0.08, (180, 240)), 0, 0.4).astype(np.float32)
    grey[20:160:20] = grey[:, 20:220:20] = 0.9  # a lattice, as of bone: each crossing answers to the rule for callipers
    study = replace(tiny_study(), images=(StudyImage(grey, PixelGeometry((180, 240))),), modality=None)
    encoded = predictor.encode(study)
    plain = check_input(encoded, ClinicalRecord(), inputs=None)
    assert "marks over the lesion" in {f.rule for f in plain.images[0].findings}, "else the test shows nothing"
    for other in (study, replace(study, modality="CT")):  # unlike the training images; and by its own header
        found = check_input(predictor.encode(other), ClinicalRecord(), inputs=inputs)
        assert found.flagged and not any("lesion" in s or "calliper" in s for s in found.sentences)
    lesion = replace(inputs, blocks=tuple(b for b in inputs.blocks if b.name == "lesion glance"))
    said = " ".join(check_input(encoded, ClinicalRecord(), inputs=lesion).sentences)
    assert "Most unlike: the second look." in said and "lesion" not in said


def test_one_odd_image_flags_a_study_and_is_named(predictor: Predictor, inputs: InputReference) -> None:
    usual = tiny_study(shape=(180, 240), seed=5).images[0]
    odd = StudyImage(np.zeros((180, 240), np.float32), PixelGeometry((180, 240)))
    study = replace(tiny_study(), images=(usual, odd))
    found = check_input(predictor.encode(study), ClinicalRecord(), inputs=None)
    assert [i.flagged for i in found.images] == [False, True] and "(1 of 2 images)" in found.sentence


def test_without_statistics_the_plain_rules_still_hold(predictor: Predictor) -> None:
    found = check_input(predictor.encode(tiny_study(shape=(180, 240))), ClinicalRecord(), inputs=None)
    assert not found.flagged and not found.measured and "is not known" in found.sentence
    assert check_input(None, ClinicalRecord(), inputs=None).sentence == "No image to check."


def test_unusual_fields_are_a_caution(inputs: InputReference, statistics: FieldStatistics) -> None:
    odd = SCHEMA.record({"age": 89.0, "palpable": False, "margin": "spiky"})
    found = check_input(None, odd, inputs=inputs, statistics=statistics)
    assert not found.flagged and [f.rule for f in found.findings] == ["unusual fields"]
    usual = SCHEMA.record({"age": 50.0, "palpable": True, "margin": "smooth"})
    assert not check_input(None, usual, inputs=inputs, statistics=statistics).findings


def test_surprise_is_standardised_whatever_is_known(statistics: FieldStatistics, train: CohortArrays) -> None:
    values = [record_surprise(r, statistics) for r in train.records]
    assert abs(np.mean([v for v in values if v is not None])) < 0.3
    assert record_surprise(ClinicalRecord(), statistics) is None
    alone = record_surprise(SCHEMA.record({"palpable": False}), statistics)
    assert alone is not None and alone > 1.5


def test_statistics_hold_no_case(inputs: InputReference) -> None:
    arrays = inputs.to_arrays()
    assert all(CASES not in a.shape for a in arrays.values())
    again = InputReference.from_arrays(arrays, {"modality": "US", "source": inputs.source})
    x = np.random.default_rng(0).normal(size=(4, len(inputs.blocks[0].centre)))
    np.testing.assert_allclose(again.blocks[0].score(x), inputs.blocks[0].score(x))
    assert again.joint is not None and inputs.joint is not None and again.joint.limit == inputs.joint.limit
