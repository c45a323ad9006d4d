from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.conformal import class_thresholds, in_set, level_of, prediction_set
from mmxai_core.model.reference import ConformalReference
from mmxai_core.results import ImageScore, Prediction, Versions
from mmxai_core.results.uncertainty import ClassCoverage
from tests.tiny_bundle import SCHEMA


def draw(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities of a model that is worse at the rarer class, and labels."""
    labels = (rng.random(n) < 0.3).astype(np.int64)
    margin = rng.normal(np.where(labels == 1, 0.4, -1.5), 1.2)
    positive = 1 / (1 + np.exp(-margin))
    return np.stack([1 - positive, positive], 1), labels


def made(probability: float, *, known: tuple[str, ...] = (), image: int | None = 0, images: int = 1) -> Prediction:
    return Prediction(
        classes=("benign", "malignant"), positive_class="malignant",
        probabilities={"benign": 1 - probability, "malignant": probability}, logits={"benign": 0.0, "malignant": 0.0},
        temperature=1.0, branch_weights={"image": 0.5, "clinical": 0.5}, known_fields=known, unknown_fields=(),
        outlier_fields=(), threshold=0.5, lesion_box=None, lesion_box_source="none", image_index=image,
        image_scores=tuple(ImageScore(i, f"Image {i}", probability) for i in range(images)),
        versions=Versions("tiny", "", "", "", "cpu", 0),
    )  # fmt: skip


def reference(benign: float, malignant: float) -> ConformalReference:
    least = {"benign": ClassCoverage("benign", benign, 50), "malignant": ClassCoverage("malignant", malignant, 40)}
    return ConformalReference(0.9, {"image": least}, "made up")


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_each_class_is_covered_as_promised_on_fresh_cases(coverage: float) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        least = class_thresholds(*draw(300, rng), coverage=coverage)
        probabilities, labels = draw(600, rng)
        inside = in_set(probabilities, least)
        found.append([inside[labels == k, k].mean() for k in (0, 1)])
    assert np.abs(np.mean(found, 0) - coverage).max() < 0.015


def test_one_threshold_for_all_would_fail_the_rarer_class() -> None:
    rng = np.random.default_rng(1)
    probabilities, labels = draw(20_000, rng)
    shared = np.quantile(probabilities[np.arange(len(labels)), labels], 0.1)
    assert (probabilities[labels == 1, 1] >= shared).mean() < 0.85
    least = class_thresholds(probabilities, labels, coverage=0.9)
    assert in_set(probabilities, least)[labels == 1, 1].mean() == pytest.approx(0.9, abs=0.002)


def test_the_rank_is_the_finite_sample_one() -> None:
    own = np.linspace(0.05, 0.95, 19)  # ceil(20 * 0.9) = 18th smallest of 1 - p
    probabilities = np.stack([own, 1 - own], 1)
    least = class_thresholds(probabilities, np.zeros(19, np.int64), coverage=0.9)
    assert least[0] == pytest.approx(np.sort(own)[::-1][17])
    assert least[1] == 0  # no case of the class: it can never be ruled out


def test_too_few_cases_rule_nothing_out() -> None:
    probabilities = np.full((8, 2), 0.5)
    assert class_thresholds(probabilities, np.zeros(8, np.int64), coverage=0.9)[0] == 0


def test_a_coverage_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ExplanationError, match=r"between 0 and 1; got 1\."):
        class_thresholds(np.ones((3, 2)) / 2, np.zeros(3, np.int64), coverage=1.0)


@pytest.mark.parametrize(
    ("probability", "kept", "outcome", "said"),
    [
        (
            0.9,
            ("malignant",),
            "one",
            "Only malignant is kept; about 10 % of benign cases are wrongly left out in this way.",
        ),
        (
            0.1,
            ("benign",),
            "one",
            "Only benign is kept; about 10 % of malignant cases are wrongly left out in this way.",
        ),
        (
            0.5,
            ("benign", "malignant"),
            "several",
            "Neither class can be ruled out (10 % of each class may be ruled out wrongly): the model abstains.",
        ),
    ],
)
def test_sets_in_words(probability: float, kept: tuple[str, ...], outcome: str, said: str) -> None:
    found = prediction_set(made(probability), reference(0.3, 0.4), schema=SCHEMA)
    assert (found.classes, found.outcome, found.sentence) == (kept, outcome, said)
    assert found.abstains == (outcome != "one") and found.coverage == 0.9


def test_an_empty_set_abstains_too() -> None:
    found = prediction_set(made(0.5), reference(0.7, 0.7), schema=SCHEMA)
    assert found.classes == () and found.abstains and "the model abstains" in found.sentence


def test_what_is_not_calibrated_says_so() -> None:
    for prediction, given, why in (
        (made(0.9), None, "carries no calibration"),
        (made(0.9, known=("age",)), reference(0.3, 0.3), "carries no calibration"),
        (made(0.9, image=None, images=0), reference(0.3, 0.3), "without an image"),
    ):
        found = prediction_set(prediction, given, schema=SCHEMA)
        assert found.outcome == "not_calibrated" and found.abstains and why in found.sentence
        assert found.classes == ("benign", "malignant")


def test_a_study_of_many_images_carries_its_caveat() -> None:
    found = prediction_set(made(0.9, images=3), reference(0.3, 0.3), schema=SCHEMA)
    assert "holds 3 images" in found.sentence


@pytest.mark.parametrize(
    ("known", "level"),
    [
        ((), "image"),
        (("age",), "history"),
        (("margin",), "history+descriptor"),
        (("age", "birads"), "history+descriptor+assessment"),
    ],
)
def test_level(known: tuple[str, ...], level: str) -> None:
    record = SCHEMA.record({k: {"age": 40, "margin": "spiky", "birads": "3"}[k] for k in known})
    assert level_of(record.values, SCHEMA) == level


def test_reference_survives_json() -> None:
    given = reference(0.3, 0.4)
    again = ConformalReference.from_json(given.to_json())
    assert again == replace(given, levels={k: dict(v) for k, v in given.levels.items()})
