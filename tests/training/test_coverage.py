from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmxai_core.errors import CohortError
from mmxai_core.training.coverage import CALIBRATED, calibrate_sets, held_out_scores, split_coverage


def fold(k: int, *, n: int = 60) -> dict[str, Any]:
    """One fold's file of a made-up model whose log-odds say something of the label."""
    rng = np.random.default_rng(k)

    def scores(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = (rng.random(count) < 0.4).astype(int)
        return labels, rng.normal(np.where(labels == 1, 1.0, -1.0), 1.3)

    labels, margin = scores(n)
    watched, watched_margin = scores(n // 2)
    logits = np.stack([np.zeros(n // 2), watched_margin], 1).tolist()
    probability = (1 / (1 + np.exp(-margin))).tolist()
    return {
        "labels": labels.tolist(), "patients": [f"{k}-{i}" for i in range(n)],
        "case_ids": [f"{k}-{i}" for i in range(n)],
        "probabilities": {f"fused|{level}": probability for level in CALIBRATED},
        "temperature": {"fused": 1.0}, "validation_logits": dict.fromkeys(CALIBRATED, logits),
        "validation_labels": watched.tolist(), "validation_ids": [f"{k}-seen-{i}" for i in range(n // 2)],
    }  # fmt: skip


def test_coverage_lies_within_three_points_in_each_class() -> None:
    folds = [fold(k) for k in range(5)]
    reference, account = calibrate_sets(folds, classes=("benign", "malignant"))
    for level in CALIBRATED:
        for name, entry in reference.levels[level].items():
            assert entry.measured is not None and abs(entry.measured - 0.9) <= 0.03, (level, name)
            assert entry.low is not None and entry.high is not None and entry.low < entry.measured < entry.high
        shares = [account["levels"][level][k] for k in ("one_class", "both_classes", "no_class")]
        assert sum(shares) == pytest.approx(1)
    assert "300 cases" in reference.computed_from


def test_splits_keep_a_patient_on_one_side() -> None:
    one = fold(0)
    one["patients"] = ["a"] * 30 + ["b"] * 30
    one["labels"] = [0] * 15 + [1] * 15 + [0] * 15 + [1] * 15
    one["probabilities"] = {"fused|image": [0.1] * 15 + [0.9] * 15 + [0.2] * 15 + [0.8] * 15}
    found = split_coverage(held_out_scores([one], "image"), coverage=0.9, repeats=40, seed=0)
    # calibrated on a, b is less sure throughout: nothing is covered; the other way round everything is
    assert set(np.unique(found)) == {0.0, 1.0}


def test_missing_folds_and_entries_are_said() -> None:
    with pytest.raises(CohortError, match="none was found"):
        calibrate_sets([], classes=("benign", "malignant"))
    broken = fold(0)
    del broken["validation_logits"]
    with pytest.raises(CohortError, match="lacks the entry 'validation_logits'"):
        calibrate_sets([broken], classes=("benign", "malignant"))
