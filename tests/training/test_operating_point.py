"""Figures at the operating threshold, from the folds' own out-of-fold scores, and their row in the card."""

from __future__ import annotations

from mmxai_core.training.card import _at_threshold_rows
from mmxai_core.training.crossval import at_threshold

FOLDS = [
    {"labels": [1, 0, 1, 0], "patients": ["a", "b", "c", "d"],
     "probabilities": {"fused|history": [0.45, 0.1, 0.9, 0.44], "image": [0.9, 0.9, 0.9, 0.9]}},
    {"labels": [1, 0], "patients": ["e", "f"], "probabilities": {"fused|history": [0.3, 0.2], "image": [0.9, 0.9]}},
]  # fmt: skip


def test_calls_are_counted_at_the_threshold_asked_for() -> None:
    found = at_threshold(FOLDS, 0.423, seed=0, replicates=50)
    entry = found["models"]["fused|history"]
    assert set(found["models"]) == {"fused|history"} and found["threshold"] == 0.423
    assert entry["sensitivity"]["value"] == entry["specificity"]["value"] == 2 / 3
    assert entry["ppv"]["value"] == 2 / 3 and entry["accuracy"]["value"] == 4 / 6
    half = at_threshold(FOLDS, 0.5, seed=0, replicates=50)["models"]["fused|history"]
    assert half["sensitivity"]["value"] == 1 / 3 and half["specificity"]["value"] == 1.0


def test_the_card_says_which_threshold() -> None:
    rows = _at_threshold_rows(at_threshold(FOLDS, 0.423, seed=0, replicates=50))
    assert "operating threshold of 0.423" in rows[1] and rows[-1].startswith("| Fused, history | 0.667 (")
    assert _at_threshold_rows(None) == []
