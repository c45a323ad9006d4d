"""What a model card says in words of the paired tests, and what a shipped card must not lose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmxai_core.cohorts.case import Cohort
from mmxai_core.comparison.files import read_predictions
from mmxai_core.evaluation.metrics import auc
from mmxai_core.training.card import CHOICES, _in_words
from tests.comparison.tiny_cohort import tiny_cohort

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("cohort"), images=2)


def test_the_tests_are_said_in_words(cohort: Cohort) -> None:
    tests = {
        "fused|history - image": {"value": 0.015, "low": -0.02, "high": 0.05, "p": 0.47},
        "fused|history - clinical|history": {"value": 0.134, "low": 0.07, "high": 0.2, "p": 3e-5},
        "fused|history+descriptor - image": {"value": -0.1, "low": -0.2, "high": -0.02, "p": 0.01},
        "fused|history+descriptor - clinical|history+descriptor": {"value": 0.0, "low": 0.0, "high": 0.0, "p": None},
        "fused|history+descriptor+assessment - image": {"value": 0.2, "low": 0.1, "high": 0.3, "p": 1e-4},
    }
    assert _in_words(tests, cohort) == (
        "In words, each test by itself at p < 0.05: the fused model is better than: with history known, the fields "
        "alone (+0.134). It is worse than: with history + descriptors known, the image alone (-0.100). It is not shown "
        "to differ from: with history known, the image alone (+0.015)."
    ), "a group that the cohort has no field of, and a test that is undefined, are left out"
    assert _in_words({}, cohort) == ""


@pytest.mark.parametrize("name", ["breast-us", "duke-mri", "lgg-mri"])
def test_a_shipped_card_says_what_its_results_hold(name: str) -> None:
    card = (PRETRAINED / name / "MODEL_CARD.md").read_text(encoding="utf-8")
    results = json.loads((PRETRAINED / name / "results.json").read_text(encoding="utf-8"))
    at = results["cross_validation"]["at_operating_threshold"]
    metadata = json.loads((PRETRAINED / name / "metadata.json").read_text(encoding="utf-8"))
    assert at["threshold"] == pytest.approx(metadata["calibration"]["threshold"], abs=1e-9)
    found = at["models"]["fused|history"]["sensitivity"]
    assert f"| {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f}) |" in card
    assert "In words, each test by itself" in card and "missingness carries no label" not in card
    for test in results["cross_validation"]["auc_difference_delong"].values():
        assert f"{test['value']:.3f} ({test['low']:.3f} to {test['high']:.3f})" in card or test["p"] is None
    assert results["training"].get("choices", CHOICES) in card


def test_the_card_says_what_other_seeds_came_to() -> None:
    """As the comparison's units say it: the seed that ships is not the only one that was run."""
    results = json.loads((PRETRAINED / "breast-us" / "results.json").read_text(encoding="utf-8"))
    card = (PRETRAINED / "breast-us" / "MODEL_CARD.md").read_text(encoding="utf-8")
    others = results["other_seeds"]
    assert others["seeds"] == [8, 9] and "The same recipe with other seeds (8 and 9)" in card
    by_model: dict[tuple[int, str, str], list[tuple[bool, float]]] = {}
    for p in read_predictions(PRETRAINED / "breast-us" / "results" / "breast_lesions_usg"):
        by_model.setdefault((p.seed, p.model, p.level), []).append((bool(p.label), p.probability))
    for key, values in others["auc"].items():
        model, _, level = key.partition("|")
        if model == "clinical":  # the sibling's; the comparison has a clinical-only rival of its own
            continue
        asked = ("shipped", level) if level else ("shipped_image", "image")
        for seed, value in zip(others["seeds"], values, strict=True):
            labels, probabilities = zip(*by_model[(seed, *asked)], strict=True)
            assert auc(labels, probabilities) == pytest.approx(value, abs=5e-4), (key, seed)


@pytest.mark.parametrize("name", ["duke-mri", "lgg-mri"])
def test_what_was_changed_after_figures_had_been_seen_stays_told(name: str) -> None:
    """A card written anew once dropped it."""
    assert "may flatter" in (PRETRAINED / name / "MODEL_CARD.md").read_text(encoding="utf-8")
