"""Making probabilities mean what they say, and choosing where to act on them. Fit on validation data, never on test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.metrics import ECE_BINS

#: Temperatures that are searched: beyond them the scores carry no information, or the sample is too small to say.
TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True, eq=False)
class CalibrationBins:
    """A reliability diagram.

    Attributes:
        edges: (bins + 1,) equal-width edges from 0 to 1.
        count: (bins,) cases in each bin.
        predicted: (bins,) mean probability; NaN in an empty bin.
        observed: (bins,) share of positives; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike, *, temperature: float = 1.0) -> float:
    """Mean of -log softmax(logits / T)[label], in nats.

    Args:
        logits: (n, K).
        labels: (n,) class indices.
        temperature: T > 0.
    """
    scores, truth = _checked(logits, labels)
    return float(-log_softmax(scores / temperature, axis=1)[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that minimises the negative log likelihood (Guo et al. 2017).

    The likelihood is convex in 1 / T, so that a bounded search in log T finds its only minimum. Where the validation
    data are separated perfectly the best T is 0: a value near the lower end of `TEMPERATURE_RANGE` is then returned.

    Args:
        logits: (n, K) raw logits on validation data.
        labels: (n,) class indices.

    Returns:
        T within `TEMPERATURE_RANGE`.

    Raises:
        CohortError: No case, or a label outside the classes.
    """
    scores, truth = _checked(logits, labels)
    rows = np.arange(len(truth))

    def loss(log_t: float) -> float:
        return float(-log_softmax(scores / np.exp(log_t), axis=1)[rows, truth].mean())

    low, high = np.log(TEMPERATURE_RANGE)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def youden_threshold(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold that maximises sensitivity + specificity - 1 (Youden 1950) on validation data.

    Lies half way between the two neighbouring scores, so that rounding does not move a case across it; of several
    equal maxima the lowest threshold is taken, which favours sensitivity.

    Args:
        labels: (n,) bool.
        probabilities: (n,) of the positive class, in [0, 1].

    Returns:
        A threshold in [0, 1]; a case at or above it is called positive.

    Raises:
        CohortError: A class is missing.
    """
    truth, p = np.asarray(labels, bool), np.asarray(probabilities, np.float64)
    if truth.all() or not truth.any():
        raise CohortError(
            f"A threshold needs validation cases of both classes; got {int(truth.sum())} positive "
            f"and {int((~truth).sum())} negative."
        )
    values = np.unique(p)
    cuts = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])
    called = p[None, :] >= cuts[:, None]
    youden = called[:, truth].mean(1) - called[:, ~truth].mean(1)
    return float(cuts[int(np.argmax(youden))])


def calibration_bins(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = ECE_BINS) -> CalibrationBins:
    """The bins behind the expected calibration error of `metrics.ece`."""
    truth, p = np.asarray(labels, bool), np.asarray(probabilities, np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    full = np.where(count > 0, count, np.nan)
    predicted = np.bincount(index, weights=p, minlength=bins) / full
    observed = np.bincount(index, weights=truth.astype(float), minlength=bins) / full
    return CalibrationBins(np.linspace(0, 1, bins + 1), count, predicted, observed)


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not len(truth):
        raise CohortError(f"Calibration needs (n, K) logits and n labels; got {scores.shape} and {truth.shape}.")
    if truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise CohortError(f"Labels must be from 0 to {scores.shape[1] - 1}; these span {truth.min()} to {truth.max()}.")
    return scores, truth
