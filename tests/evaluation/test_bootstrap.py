from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.bootstrap import Interval, basic, intervals, metric_intervals, resampling_weights
from mmxai_core.evaluation.metrics import Scored, weighted_metrics


def scored(n: int = 200, *, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.4
    return Scored(labels, 1 / (1 + np.exp(-rng.normal(np.where(labels, 0.8, -0.8), 1.0))))


def test_weights_draw_whole_patients() -> None:
    weights = np.concatenate(list(resampling_weights(["a", "b", "a", "c"], replicates=700, seed=3)))
    assert weights.shape == (700, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert weights.mean() == pytest.approx(1.0, abs=0.05)


def test_interval_equals_a_plain_loop_over_resamples() -> None:
    cases = scored(80)
    groups = [str(i) for i in range(80)]
    ours = metric_intervals(cases, groups, replicates=300, seed=5)["auc"]
    loop = []
    for row in np.concatenate(list(resampling_weights(groups, replicates=300, seed=5))).astype(int):
        drawn = np.repeat(np.arange(80), row)
        loop.append(roc_auc_score(cases.labels[drawn], cases.probabilities[drawn]))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx(tuple(np.percentile(loop, [2.5, 97.5])), abs=1e-12)
    assert ours.value == pytest.approx(roc_auc_score(cases.labels, cases.probabilities))


def test_same_seed_same_interval_other_seed_other_interval() -> None:
    groups = [str(i) for i in range(200)]
    first, again, other = (metric_intervals(scored(), groups, replicates=200, seed=s)["auc"] for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_copies_of_a_patients_image_do_not_narrow_the_interval() -> None:
    once = scored(60)
    four = Scored(np.repeat(once.labels, 4), np.repeat(once.probabilities, 4))
    patients = [str(i) for i in range(60)]
    single = metric_intervals(once, patients, replicates=400)["auc"]
    clustered = metric_intervals(four, list(np.repeat(patients, 4)), replicates=400)["auc"]
    naive = metric_intervals(four, [str(i) for i in range(240)], replicates=400)["auc"]
    assert single is not None and clustered is not None and naive is not None
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low, rel=1e-6)
    assert naive.high - naive.low < 0.7 * (clustered.high - clustered.low)


def test_one_class_has_no_auc_but_other_intervals() -> None:
    cases = Scored(np.ones(20, bool), np.linspace(0.1, 0.9, 20))
    table = metric_intervals(cases, [str(i) for i in range(20)], replicates=50)
    assert table["auc"] is None
    assert table["sensitivity"] is not None and table["sensitivity"].low < table["sensitivity"].high


def test_refuses_no_replicates() -> None:
    with pytest.raises(CohortError, match="at least 1 replicate"):
        next(resampling_weights(["a"], replicates=0))


def test_a_calibration_error_of_calibrated_cases_has_an_interval_that_can_reach_0() -> None:
    """Percentiles lie above 0, and above the estimate itself, for noise alone: the interval is turned round."""
    groups = [str(i) for i in range(150)]
    percentile = basic_ones = held = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        p = rng.random(150)
        cases = Scored(rng.random(150) < p, p)
        plain = intervals(lambda w, c=cases: weighted_metrics(c, w), groups, replicates=200, seed=seed)["ece"]
        found = metric_intervals(cases, groups, replicates=200, seed=seed)["ece"]
        assert plain is not None and found is not None and found.value == plain.value
        percentile += plain.low <= 0.005
        basic_ones += found.low <= 0.005
        held += found.low <= found.value <= found.high
    assert percentile == 0 and basic_ones >= 6 and held == 12


def test_what_is_turned_round_is_cut_at_0_and_holds_the_estimate() -> None:
    assert basic(Interval(0.04, 0.05, 0.11)) == Interval(0.04, 0.0, 0.04)
    turned = basic(Interval(0.2, 0.15, 0.3))
    assert (turned.value, turned.low, turned.high) == pytest.approx((0.2, 0.1, 0.25))
