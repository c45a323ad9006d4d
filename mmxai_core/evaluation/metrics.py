"""Metrics of a two-class score, each written once for weighted cases, so that the bootstrap reuses the same formula.

Every metric takes a (B, n) matrix of case weights: a row of ones gives the point estimate, a row of resampling counts
gives one bootstrap replicate. A metric that is undefined (a class is missing, nothing was called positive) is NaN in
these arrays and None, with the reason in words, in a `MetricTable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmxai_core.errors import CohortError

#: Equal-width bins of the expected calibration error.
ECE_BINS = 15

#: Names in the order in which they are reported.
METRICS = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece")

_WHY_UNDEFINED = {
    "auc": "both classes are needed, and one is missing",
    "sensitivity": "there is no positive case",
    "specificity": "there is no negative case",
    "ppv": "no case was called positive",
    "npv": "no case was called negative",
    "f1": "there is no positive case and none was called positive",
}


@dataclass(frozen=True, eq=False)
class Scored:
    """Cases with their truth and their score.

    Attributes:
        labels: (n,) bool, True = positive class.
        probabilities: (n,) float64, of the positive class, in [0, 1].
        threshold: A case at or above it is called positive.
    """

    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    threshold: float = 0.5

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, bool)
        probabilities = np.asarray(self.probabilities, np.float64)
        if labels.ndim != 1 or labels.shape != probabilities.shape or not len(labels):
            raise CohortError(
                f"Metrics need one label and one probability a case, and at least one case; "
                f"got {labels.shape} labels and {probabilities.shape} probabilities."
            )
        if not (np.isfinite(probabilities).all() and probabilities.min() >= 0 and probabilities.max() <= 1):
            raise CohortError(
                f"Probabilities must lie in [0, 1]; these span [{probabilities.min():g}, {probabilities.max():g}]."
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "probabilities", probabilities)

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) bool: called positive at the threshold."""
        return self.probabilities >= self.threshold


@dataclass(frozen=True)
class MetricTable:
    """Point estimates.

    Attributes:
        values: By metric name; None where undefined.
        undefined: Why, by metric name, for each None.
    """

    values: Mapping[str, float | None]
    undefined: Mapping[str, str]


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient, NaN where the bottom is 0."""
    out: NDArray[np.float64] = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def weighted_auc(labels: ArrayLike, scores: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the ROC curve as the Mann-Whitney probability, ties counted half (Bamber 1975).

    Args:
        labels: (n,) bool.
        scores: (n,) any real score; larger means more positive.
        weights: (B, n) non-negative case weights.

    Returns:
        (B,) in [0, 1]; NaN where a class has no weight.
    """
    truth = np.asarray(labels, bool)
    _, group = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    positive = np.add.reduceat(weights[:, order] * truth[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~truth[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    return _ratio((positive * (below + 0.5 * negative)).sum(1), positive.sum(1) * negative.sum(1))


def weighted_sensitivity_at(
    labels: ArrayLike, scores: ArrayLike, weights: NDArray[np.float64], *, specificity: float = 0.9
) -> NDArray[np.float64]:
    """Largest sensitivity of any threshold whose specificity is at least the given one.

    Args:
        labels: (n,) bool.
        scores: (n,) larger means more positive.
        weights: (B, n) non-negative case weights.
        specificity: In [0, 1].

    Returns:
        (B,) in [0, 1]; NaN where a class has no weight.
    """
    truth = np.asarray(labels, bool)
    _, group = np.unique(-np.asarray(scores, np.float64), return_inverse=True)  # from the highest score down
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    positive = np.cumsum(np.add.reduceat(weights[:, order] * truth[order], starts, axis=1), axis=1)
    negative = np.cumsum(np.add.reduceat(weights[:, order] * ~truth[order], starts, axis=1), axis=1)
    allowed = negative <= (1 - specificity) * negative[:, -1:] + 1e-9
    reached = np.where(allowed, positive, 0.0).max(1)
    out = _ratio(reached, positive[:, -1])
    out[negative[:, -1] == 0] = np.nan
    return out


def mass_bins(probabilities: ArrayLike, bins: int) -> NDArray[np.int64]:
    """(n,) bin of each case: bins of equal numbers of cases, equal probabilities together."""
    p = np.asarray(probabilities, np.float64)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    found: NDArray[np.int64] = np.searchsorted(edges, p, side="right")
    return found


def weighted_calibration_errors(
    labels: ArrayLike, probabilities: ArrayLike, weights: NDArray[np.float64], *, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Calibration error over bins of equal mass: the plain one, which noise inflates, and a debiased square.

    Args:
        labels: (n,) bool.
        probabilities: (n,) in [0, 1].
        weights: (B, n); bins are those of the cases themselves.
        bins: Number of bins.

    Returns:
        (B,) mean absolute gap (Naeini et al. 2015); (B,) debiased mean squared gap, which may be negative (Kumar,
        Liang, Ma 2019: the plug-in's bias y (1 - y) / (n_b - 1) is taken off each bin); (B,) plug-in mean squared gap.
    """
    p, truth = np.asarray(probabilities, np.float64), np.asarray(labels, bool)
    member = (mass_bins(p, bins)[:, None] == np.arange(bins)).astype(np.float64)
    mass, positive, predicted = weights @ member, weights @ (member * truth[:, None]), weights @ (member * p[:, None])
    total = weights.sum(1)
    plain = _ratio(np.abs(predicted - positive).sum(1), total)
    rate, mean = (_ratio(v, mass) for v in (positive, predicted))
    squared = (rate - mean) ** 2
    noise = _ratio(rate * (1 - rate), mass - 1)
    plug_in = _ratio(np.nansum(np.where(mass > 0, mass * squared, 0.0), axis=1), total)
    debiased = _ratio(np.nansum(np.where(mass > 1, mass * (squared - noise), 0.0), axis=1), total)
    return plain, debiased, plug_in


def weighted_ece(
    labels: ArrayLike, probabilities: ArrayLike, weights: NDArray[np.float64], *, bins: int = ECE_BINS
) -> NDArray[np.float64]:
    """Expected calibration error of the positive class's probability (Naeini et al. 2015; Guo et al. 2017).

    ECE = sum over bins of (n_b / n) |mean probability in b - share of positives in b|, with equal-width bins
    [0, 1/15), ... [14/15, 1].

    Args:
        labels: (n,) bool.
        probabilities: (n,) in [0, 1].
        weights: (B, n).
        bins: Number of bins.

    Returns:
        (B,) in [0, 1].
    """
    p = np.asarray(probabilities, np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    gap = (p - np.asarray(labels, bool))[:, None] * (index[:, None] == np.arange(bins))
    return _ratio(np.abs(weights @ gap).sum(1), weights.sum(1))


def weighted_metrics(scored: Scored, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """All of `METRICS` for each row of weights.

    Args:
        scored: n cases.
        weights: (B, n) non-negative case weights.

    Returns:
        (B,) by metric name; NaN where undefined.
    """
    truth, called = scored.labels, scored.called
    cells = np.stack([truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=1)
    tp, fp, fn, tn = (weights @ cells).T
    squared = (scored.probabilities - truth) ** 2
    return {
        "auc": weighted_auc(truth, scored.probabilities, weights),
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "ppv": _ratio(tp, tp + fp),
        "npv": _ratio(tn, tn + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "brier": _ratio(weights @ squared, weights.sum(1)),
        "ece": weighted_ece(truth, scored.probabilities, weights),
    }


def metrics(scored: Scored) -> MetricTable:
    """Point estimates of all metrics, with the reason beside each undefined one."""
    table = weighted_metrics(scored, np.ones((1, len(scored.labels))))
    values = {name: None if np.isnan(v[0]) else float(v[0]) for name, v in table.items()}
    return MetricTable(values, {n: _WHY_UNDEFINED[n] for n, v in values.items() if v is None})


def auc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Mann-Whitney AUC of any real score, ties counted half; None where a class is missing."""
    truth = np.asarray(labels, bool)
    value = float(weighted_auc(truth, scores, np.ones((1, len(truth))))[0]) if len(truth) else float("nan")
    return None if np.isnan(value) else value


def ece(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = ECE_BINS) -> float:
    """Expected calibration error of the positive class; see `weighted_ece`."""
    truth = np.asarray(labels, bool)
    return float(weighted_ece(truth, probabilities, np.ones((1, len(truth))), bins=bins)[0])
