"""Two models on the same cases: DeLong's test for independent cases, the paired bootstrap for clustered ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.bootstrap import LEVEL, REPLICATES, Interval, intervals
from mmxai_core.evaluation.metrics import METRICS, Scored, weighted_metrics


@dataclass(frozen=True)
class DelongTest:
    """DeLong's test of two correlated ROC curves.

    Attributes:
        auc_a: AUC of the first model.
        auc_b: AUC of the second model.
        difference: auc_a - auc_b, with its 95 % interval.
        standard_error: Of the difference.
        z: difference / standard_error; None where the standard error is 0.
        p_value: Two-sided; 1 where the models rank all pairs alike, None where the standard error is 0 otherwise.
    """

    auc_a: float
    auc_b: float
    difference: Interval
    standard_error: float
    z: float | None
    p_value: float | None


def delong(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> DelongTest:
    """Compares two AUCs on the same independent cases (DeLong et al. 1988, by the midranks of Sun and Xu 2014).

    Cases are taken as independent. Where patients have several images, use `paired_bootstrap`.

    Args:
        labels: (n,) bool.
        scores_a: (n,) scores of the first model, larger = more positive.
        scores_b: (n,) scores of the second model.

    Raises:
        CohortError: Shapes differ, or a class has fewer than two cases.
    """
    truth = np.asarray(labels, bool)
    scores = np.stack([np.asarray(s, np.float64) for s in (scores_a, scores_b)])
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if truth.shape != scores.shape[1:] or min(positives, negatives) < 2:
        raise CohortError(
            f"DeLong's test needs paired scores and at least 2 cases a class; got {positives} positive and "
            f"{negatives} negative."
        )
    v_positive, v_negative = _placements(truth, scores)
    aucs = v_positive.mean(1)
    covariance = np.cov(v_positive) / positives + np.cov(v_negative) / negatives
    error = math.sqrt(max(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), 0.0))
    return _verdict(float(aucs[0]), float(aucs[1]), error)


def clustered_delong(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, groups: Sequence[str] | None = None
) -> DelongTest:
    """Compares the mean AUCs of two models over S repeats, cases clustered by patient.

    The AUC's structural components (DeLong et al. 1988) are averaged over the repeats, for the mean of AUCs is a sum of
    the same kind, and summed within patients before their variance is taken (Obuchowski 1997). With one repeat and one
    case a patient this is `delong`.

    Args:
        labels: (n,) bool.
        scores_a: (S, n) scores of the first model, a row a repeat.
        scores_b: (S, n) scores of the second model.
        groups: (n,) patient of each case; None: all different.

    Raises:
        CohortError: Shapes differ, or a class has fewer than two cases.
    """
    truth = np.asarray(labels, bool)
    models = [np.atleast_2d(np.asarray(s, np.float64)) for s in (scores_a, scores_b)]
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if any(m.shape[1:] != truth.shape for m in models) or min(positives, negatives) < 2:
        raise CohortError(
            f"DeLong's test needs paired scores and at least 2 cases a class; got {positives} positive and "
            f"{negatives} negative."
        )
    aucs, influence = [], []
    for scores in models:
        on_positive, on_negative = (v.mean(0) for v in _placements(truth, scores))
        value = float(on_positive.mean())
        psi = np.zeros(len(truth))
        psi[truth] = (on_positive - value) / math.sqrt(positives * (positives - 1))
        psi[~truth] = (on_negative - value) / math.sqrt(negatives * (negatives - 1))
        aucs.append(value)
        influence.append(psi)
    _, patient = np.unique(np.asarray(groups if groups is not None else np.arange(len(truth))), return_inverse=True)
    summed = np.bincount(patient, weights=influence[0] - influence[1])
    return _verdict(aucs[0], aucs[1], math.sqrt(float((summed**2).sum())))


def _verdict(auc_a: float, auc_b: float, error: float) -> DelongTest:
    difference = auc_a - auc_b
    z = difference / error if error > 1e-12 else None
    p = 2 * float(norm.sf(abs(z))) if z is not None else (1.0 if abs(difference) < 1e-12 else None)
    half = float(norm.ppf(0.5 + LEVEL / 2)) * error
    return DelongTest(auc_a, auc_b, Interval(difference, difference - half, difference + half), error, z, p)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (1979) of a family of tests; an undefined test stays out of the family."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    out: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        out[i] = largest
    return out


def _placements(
    truth: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DeLong's structural components: (2, positives) and (2, negatives)."""
    among_all = rankdata(scores, axis=1)
    positives, negatives = truth.sum(), (~truth).sum()
    v_positive = (among_all[:, truth] - rankdata(scores[:, truth], axis=1)) / negatives
    v_negative = 1 - (among_all[:, ~truth] - rankdata(scores[:, ~truth], axis=1)) / positives
    return v_positive, v_negative


def paired_bootstrap(
    a: Scored,
    b: Scored,
    groups: Sequence[str],
    *,
    metric: str = "auc",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval | None:
    """Interval of metric(a) - metric(b), both read on the same drawn patients in every replicate.

    Args:
        a: First model's scores.
        b: Second model's scores of the same cases in the same order.
        groups: (n,) patient of each case.
        metric: One of `metrics.METRICS`.
        replicates: Number of replicates.
        seed: Of the generator.

    Returns:
        None where the metric is undefined for one of the models.

    Raises:
        CohortError: The cases differ, or there is no such metric.
    """
    if metric not in METRICS:
        raise CohortError(f"Metrics are {', '.join(METRICS)}; got {metric!r}.")
    if not np.array_equal(a.labels, b.labels):
        raise CohortError("A paired comparison needs the same cases in the same order; their labels differ.")

    def difference(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {metric: weighted_metrics(a, weights)[metric] - weighted_metrics(b, weights)[metric]}

    return intervals(difference, groups, replicates=replicates, seed=seed)[metric]
