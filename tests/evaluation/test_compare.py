from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.compare import delong, paired_bootstrap
from mmxai_core.evaluation.metrics import Scored, auc


def two_models(n: int = 80, *, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Labels and two correlated scores, the first better; rounded, so that ties occur."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    shared = rng.normal(y * 1.2, 1.0)
    a, b = shared + rng.normal(0, 0.4, n), shared + rng.normal(0, 1.2, n)
    return y, np.round(1 / (1 + np.exp(-a)), 2), np.round(1 / (1 + np.exp(-b)), 2)


def by_definition(y: NDArray[np.bool_], a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, float]:
    """DeLong's formulas (1988, eq. 4-6) as printed, pair by pair, without ranks."""

    def psi(x: float, z: float) -> float:
        return 1.0 if z < x else 0.5 if z == x else 0.0

    tables = []
    for s in (a, b):
        table = np.zeros((int(y.sum()), int((~y).sum())))
        for i, j in itertools.product(range(table.shape[0]), range(table.shape[1])):
            table[i, j] = psi(s[y][i], s[~y][j])
        tables.append(table)
    m, n = tables[0].shape
    theta = [t.mean() for t in tables]
    s10, s01 = np.zeros((2, 2)), np.zeros((2, 2))
    for r, q in itertools.product(range(2), range(2)):
        s10[r, q] = ((tables[r].mean(1) - theta[r]) * (tables[q].mean(1) - theta[q])).sum() / (m - 1)
        s01[r, q] = ((tables[r].mean(0) - theta[r]) * (tables[q].mean(0) - theta[q])).sum() / (n - 1)
    s = s10 / m + s01 / n
    contrast = np.array([1.0, -1.0])
    return theta[0], theta[1], math.sqrt(contrast @ s @ contrast)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_delong_equals_its_definition(seed: int) -> None:
    y, a, b = two_models(seed=seed)
    test = delong(y, a, b)
    auc_a, auc_b, error = by_definition(y, a, b)
    assert test.auc_a == pytest.approx(auc_a, abs=1e-12) == pytest.approx(auc(y, a), abs=1e-12)
    assert test.auc_b == pytest.approx(auc_b, abs=1e-12)
    assert test.standard_error == pytest.approx(error, abs=1e-12)
    assert test.z is not None and test.p_value is not None
    assert test.p_value == pytest.approx(2 * norm.cdf(-abs((auc_a - auc_b) / error)), abs=1e-12)


def test_delong_of_a_model_with_itself_is_no_difference() -> None:
    y, a, _ = two_models()
    test = delong(y, a, a)
    assert test.difference.value == 0 and test.z is None and test.p_value == 1.0


def test_delong_is_antisymmetric() -> None:
    y, a, b = two_models()
    one, other = delong(y, a, b), delong(y, b, a)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.p_value == pytest.approx(other.p_value)


def test_delong_keeps_its_level_under_the_null() -> None:
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        y = np.arange(60) < 25
        shared = rng.normal(y * 1.0, 1.0)
        p = delong(y, shared + rng.normal(0, 0.7, 60), shared + rng.normal(0, 0.7, 60)).p_value
        rejected += p is not None and p < 0.05
    assert 3 <= rejected <= 30  # 15 expected; binomial 99.9 % limits


def test_paired_bootstrap_agrees_with_delong_for_independent_cases() -> None:
    y, a, b = two_models(300)
    exact = delong(y, a, b).difference
    drawn = paired_bootstrap(Scored(y, a), Scored(y, b), [str(i) for i in range(300)], replicates=1000)
    assert drawn is not None
    assert drawn.value == pytest.approx(exact.value, abs=1e-12)
    assert drawn.high - drawn.low == pytest.approx(exact.high - exact.low, rel=0.15)


def test_paired_bootstrap_of_a_model_with_itself_is_exactly_zero() -> None:
    y, a, _ = two_models()
    same = paired_bootstrap(Scored(y, a), Scored(y, a), [str(i) for i in range(80)], metric="brier", replicates=50)
    assert same is not None and (same.low, same.value, same.high) == (0, 0, 0)


def test_refusals() -> None:
    y, a, b = two_models()
    with pytest.raises(CohortError, match="at least 2 cases a class; got 80 positive and 0 negative"):
        delong(np.ones(80, bool), a, b)
    with pytest.raises(CohortError, match="labels differ"):
        paired_bootstrap(Scored(y, a), Scored(~y, b), ["p"] * 80)
    with pytest.raises(CohortError, match="Metrics are auc"):
        paired_bootstrap(Scored(y, a), Scored(y, b), ["p"] * 80, metric="kappa")
