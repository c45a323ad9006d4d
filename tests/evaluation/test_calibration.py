from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.calibration import (
    TEMPERATURE_RANGE,
    calibration_bins,
    fit_temperature,
    negative_log_likelihood,
    youden_threshold,
)
from mmxai_core.evaluation.metrics import ece


def overconfident(temperature: float, *, n: int = 4000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Labels drawn from softmax(z), logits reported as z * temperature."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, n)
    labels = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.int64)
    return np.stack([np.zeros(n), z], 1) * temperature, labels


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_finds_the_temperature_the_logits_were_scaled_by(truth: float) -> None:
    logits, labels = overconfident(truth)
    assert fit_temperature(logits, labels) == pytest.approx(truth, rel=0.08)


def test_found_temperature_is_the_minimum_and_improves_ece() -> None:
    logits, labels = overconfident(3.0)
    t = fit_temperature(logits, labels)
    best = negative_log_likelihood(logits, labels, temperature=t)
    assert best < negative_log_likelihood(logits, labels, temperature=t * 1.02)
    assert best < negative_log_likelihood(logits, labels, temperature=t / 1.02)

    def probability(temperature: float) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-(logits[:, 1] - logits[:, 0]) / temperature)), np.float64)

    assert ece(labels, probability(t)) < 0.5 * ece(labels, probability(1.0))


def test_perfect_separation_stays_in_range_near_its_lower_end() -> None:
    t = fit_temperature([[1.0, -1.0], [-1.0, 1.0]], [0, 1])
    assert TEMPERATURE_RANGE[0] <= t < 0.1


def test_youden_by_hand_and_lowest_of_equal_cuts() -> None:
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)
    # Cuts at 0.25 and 0.75 both give 1/2; the lower one is taken.
    assert youden_threshold([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9]) == pytest.approx(0.25)


def test_bins_reproduce_ece() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(500)
    y = rng.random(500) < p**2
    bins = calibration_bins(y, p)
    full = bins.count > 0
    gap = np.abs(bins.predicted - bins.observed)[full]
    assert (bins.count[full] / 500 * gap).sum() == pytest.approx(ece(y, p), abs=1e-12)
    assert bins.count.sum() == 500 and len(bins.edges) == 16


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: youden_threshold([1, 1], [0.2, 0.3]), "both classes; got 2 positive and 0 negative"),
        (lambda: fit_temperature([[0.0, 1.0]], [2]), "from 0 to 1"),
        (lambda: fit_temperature(np.zeros((0, 2)), []), "logits"),
    ],
)
def test_refusals_name_what_was_seen(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(CohortError, match=said):
        call()
