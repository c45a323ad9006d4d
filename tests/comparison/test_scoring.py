"""Figures of a pool against slow, plain formulas and known values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmxai_core.comparison.measure import _estimates
from mmxai_core.comparison.scoring import SQUARED, Pool
from mmxai_core.evaluation.bootstrap import intervals
from mmxai_core.evaluation.compare import clustered_delong, delong, holm
from mmxai_core.evaluation.metrics import weighted_calibration_errors, weighted_sensitivity_at


def _pool(n: int = 400, seeds: int = 2) -> Pool:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 1, (seeds, n))
    labels = rng.random(n) < p.mean(0)
    ids = tuple(f"c{i}" for i in range(n))
    return Pool(ids, ids, labels, p, p >= 0.4, np.tile(np.arange(n) % 5, (seeds, 1)))


def test_auc_is_the_mean_over_seeds() -> None:
    pool = _pool()
    value = pool.statistics(np.ones((1, 400)))["auc"][0]
    assert value == pytest.approx(np.mean([roc_auc_score(pool.labels, p) for p in pool.p]))
    assert len(pool.auc_by_fold()) == 10


def test_the_mean_roc_curve_has_the_mean_auc() -> None:
    pool = _pool()
    roc = pool.roc()
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(pool.statistics(np.ones((1, 400)))["auc"][0], abs=0.01)


def test_net_benefit_is_that_of_treating_all_where_all_are_called() -> None:
    pool = _pool()
    decision = pool.decision()
    called_all = (pool.p >= 0.01).all()
    assert called_all or decision.net_benefit[0] == pytest.approx(decision.treat_all[0], abs=0.02)
    tp = np.mean([((p >= 0.5) & pool.labels).sum() for p in pool.p])
    fp = np.mean([((p >= 0.5) & ~pool.labels).sum() for p in pool.p])
    assert decision.net_benefit[decision.threshold.index(0.5)] == pytest.approx((tp - fp) / 400, abs=1e-5)


def test_a_calibrated_model_is_within_what_noise_shows() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((1, 2000))
    ids = tuple(str(i) for i in range(2000))
    good = Pool(ids, ids, rng.random(2000) < p[0], p, p >= 0.5, np.zeros((1, 2000), int))
    bad = Pool(ids, ids, rng.random(2000) < p[0] ** 2, p, p >= 0.5, np.zeros((1, 2000), int))
    ones = np.ones((1, 2000))
    limit = good.calibration(draws=200, seed=0).ece_if_calibrated_high
    assert good.statistics(ones)["ece"][0] < limit < bad.statistics(ones)["ece"][0]
    assert good.statistics(ones)[SQUARED][0] < 0.03**2 < bad.statistics(ones)[SQUARED][0]


def test_debiasing_takes_the_noise_off() -> None:
    rng = np.random.default_rng(2)
    plain, debiased = [], []
    for _ in range(60):
        p = rng.random(120)
        a, b, c = weighted_calibration_errors(rng.random(120) < p, p, np.ones((1, 120)), bins=8)
        plain.append(a[0])
        debiased.append(b[0])
        assert b[0] < c[0]
    assert np.mean(plain) > 0.06
    assert abs(np.mean(debiased)) < 0.1 * np.mean(np.square(plain))


def test_sensitivity_at_90_specificity_by_hand() -> None:
    labels = np.array([0] * 10 + [1] * 4, bool)
    scores = np.array([*range(10), 8.5, 9.5, 3.5, 10.0])  # one negative (9) may be called: threshold at 8.5
    assert weighted_sensitivity_at(labels, scores, np.ones((1, 14)))[0] == pytest.approx(3 / 4)
    tied = np.zeros(14)
    assert weighted_sensitivity_at(labels, tied, np.ones((1, 14)))[0] == 0
    assert np.isnan(weighted_sensitivity_at(np.zeros(14, bool), scores, np.ones((1, 14)))[0])


def test_sensitivity_weights_are_copies() -> None:
    rng = np.random.default_rng(3)
    labels, scores, w = rng.random(50) < 0.4, rng.integers(0, 9, 50), rng.integers(0, 4, (1, 50))
    copied = np.repeat(np.arange(50), w[0])
    one = weighted_sensitivity_at(labels, scores, w.astype(float))[0]
    assert one == pytest.approx(weighted_sensitivity_at(labels[copied], scores[copied], np.ones((1, len(copied))))[0])


def test_clustered_delong_is_delong_where_nothing_is_clustered() -> None:
    rng = np.random.default_rng(4)
    labels = rng.random(80) < 0.4
    a, b = labels + rng.normal(0, 1, 80), labels + rng.normal(0, 1.5, 80)
    plain, clustered = delong(labels, a, b), clustered_delong(labels, a, b)
    assert clustered.standard_error == pytest.approx(plain.standard_error)
    assert clustered.p_value == pytest.approx(plain.p_value)


def test_copies_of_a_patient_add_no_evidence() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random(60) < 0.5
    a, b = labels + rng.normal(0, 1, 60), labels + rng.normal(0, 2, 60)
    twice = [np.repeat(x, 2) for x in (labels, a, b)]
    groups = [str(i) for i in np.repeat(np.arange(60), 2)]
    once = clustered_delong(labels, a, b).standard_error
    assert clustered_delong(*twice, groups=groups).standard_error == pytest.approx(once, rel=0.03)
    assert clustered_delong(*twice).standard_error < 0.8 * once


def test_repeats_average_out_their_own_noise() -> None:
    rng = np.random.default_rng(6)
    labels = rng.random(100) < 0.5
    a = labels + rng.normal(0, 1, (8, 100))
    b = labels + rng.normal(0, 1, (8, 100))
    assert clustered_delong(labels, a, b).standard_error < clustered_delong(labels, a[:1], b[:1]).standard_error


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])


def test_calibration_intervals_hold_the_truth_of_a_calibrated_model() -> None:
    rng = np.random.default_rng(7)
    p = rng.random((1, 300))
    ids = tuple(str(i) for i in range(300))
    held = {"ece": 0, "ece_debiased": 0}
    for k in range(20):
        pool = Pool(ids, ids, np.random.default_rng(k).random(300) < p[0], p, p >= 0.5, np.zeros((1, 300), int))
        found = _estimates(intervals(pool.statistics, ids, replicates=100, seed=k))
        for name in held:
            e = found[name]
            assert e.low is not None and e.value is not None and e.high is not None
            assert e.low <= e.value <= e.high
            held[name] += e.low <= 0.03
    assert min(held.values()) >= 16
