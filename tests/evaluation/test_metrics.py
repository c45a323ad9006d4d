from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.metrics import Scored, auc, ece, metrics, weighted_metrics


def sample(n: int = 300, *, seed: int = 0, decimals: int = 2) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels and probabilities with many ties (rounded to two decimals)."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    return labels, np.round(1 / (1 + np.exp(-rng.normal(np.where(labels, 0.7, -0.7), 1.0))), decimals)


def test_agrees_with_scikit_learn_with_ties() -> None:
    y, p = sample()
    called = p >= 0.37
    table = metrics(Scored(y, p, 0.37)).values
    assert table["auc"] == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert table["accuracy"] == pytest.approx(sk.accuracy_score(y, called), abs=1e-12)
    assert table["sensitivity"] == pytest.approx(sk.recall_score(y, called), abs=1e-12)
    assert table["specificity"] == pytest.approx(sk.recall_score(~y, ~called), abs=1e-12)
    assert table["ppv"] == pytest.approx(sk.precision_score(y, called), abs=1e-12)
    assert table["npv"] == pytest.approx(sk.precision_score(~y, ~called), abs=1e-12)
    assert table["f1"] == pytest.approx(sk.f1_score(y, called), abs=1e-12)
    assert table["brier"] == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)


def test_integer_weights_equal_repeated_cases() -> None:
    y, p = sample(60)
    counts = np.random.default_rng(1).integers(0, 4, len(y))
    repeated = metrics(Scored(np.repeat(y, counts), np.repeat(p, counts), 0.5)).values
    weighted = weighted_metrics(Scored(y, p, 0.5), counts[None].astype(float))
    for name, value in repeated.items():
        assert weighted[name][0] == pytest.approx(value, abs=1e-12), name


def test_auc_of_known_cases() -> None:
    assert auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.75)
    assert auc([0, 1], [0.5, 0.5]) == pytest.approx(0.5)
    assert auc([0, 1], [-3.0, 7.0]) == pytest.approx(1.0)


def test_ece_by_hand() -> None:
    # Two bins of 15 hold cases: mean 0.2 against 1/2 positive, mean 0.9 against 1 positive; half the cases each.
    assert ece([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9]) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)
    assert ece([1, 1], [1.0, 1.0]) == 0.0


def test_one_class_only_is_undefined_with_a_reason() -> None:
    table = metrics(Scored(np.ones(3, bool), np.array([0.2, 0.6, 0.9])))
    assert table.values["auc"] is None and "both classes" in table.undefined["auc"]
    assert table.values["specificity"] is None and "no negative" in table.undefined["specificity"]
    assert table.values["sensitivity"] == pytest.approx(2 / 3)
    assert auc([1, 1], [0.1, 0.2]) is None
    assert auc([], []) is None


def test_no_positive_call_leaves_ppv_undefined_and_f1_zero() -> None:
    table = metrics(Scored(np.array([True, False]), np.array([0.1, 0.2])))
    assert table.values["ppv"] is None and "called positive" in table.undefined["ppv"]
    assert table.values["f1"] == 0.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [([True], [1.2], "[0, 1]"), ([True, False], [0.1], "one label"), ([], [], "at least one case")],
)
def test_refuses_what_is_no_score(labels: list[bool], probabilities: list[float], said: str) -> None:
    with pytest.raises(CohortError, match=said.replace("[", r"\[").replace("]", r"\]")):
        Scored(np.array(labels, bool), np.array(probabilities, float))
