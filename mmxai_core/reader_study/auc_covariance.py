"""Empirical AUCs of many readings of the same cases, and how they vary together when cases are drawn anew.

Readings stand on the leading axes, cases on the last, so that a thousand simulated studies cost one call.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Covariance = Literal["jackknife", "bootstrap", "delong"]

#: Bootstrap replicates held in memory at once.
_BLOCK = 250


def placements(
    ratings: NDArray[np.float64], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Structural components of the AUC (DeLong et al. 1988), by midranks (Sun and Xu 2014).

    Args:
        ratings: (..., K), larger means more suspicion.
        truth: (K,) bool.

    Returns:
        (..., K1) for each positive case, the share of negatives it outranks, ties counting half; and (..., K0) for
        each negative case, the share of positives that outrank it. The mean of either is the AUC.
    """
    positive, negative = ratings[..., truth], ratings[..., ~truth]
    pooled = rankdata(ratings, axis=-1)
    above = (pooled[..., truth] - rankdata(positive, axis=-1)) / negative.shape[-1]
    below = 1 - (pooled[..., ~truth] - rankdata(negative, axis=-1)) / positive.shape[-1]
    return above, below


def _scatter(components: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = components - components.mean(axis=-1, keepdims=True)
    return np.asarray(centred @ np.swapaxes(centred, -1, -2))


def auc_covariance(
    ratings: NDArray[np.float64],
    truth: NDArray[np.bool_],
    *,
    method: Covariance = "jackknife",
    replicates: int = 2000,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUC of each reading, and the covariance matrix of the AUCs over the cases.

    The jackknife leaves out one case at a time, positive or negative, and scales by (K - 1)/K (Efron 1982; Hillis et
    al. 2005); since leaving one out moves the AUC by (AUC - placement)/(K1 - 1), it needs no loop. The bootstrap draws
    positives and negatives separately, so that no replicate lacks a class.

    Args:
        ratings: (..., R, K), R readings (treatment x reader) of the same K cases.
        truth: (K,) bool, at least 2 of each.
        method: "jackknife", "bootstrap" or "delong".
        replicates: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        (..., R) AUCs in [0, 1] and (..., R, R) covariances.
    """
    above, below = placements(ratings, truth)
    aucs = above.mean(axis=-1)
    positives, negatives = above.shape[-1], below.shape[-1]
    if method == "bootstrap":
        return aucs, _bootstrap(ratings, truth, replicates, np.random.default_rng(seed))
    by_positive, by_negative = _scatter(above), _scatter(below)
    if method == "delong":
        return aucs, by_positive / (positives * (positives - 1)) + by_negative / (negatives * (negatives - 1))
    cases = positives + negatives
    scatter = by_positive / (positives - 1) ** 2 + by_negative / (negatives - 1) ** 2
    return aucs, scatter * (cases - 1) / cases


def _bootstrap(
    ratings: NDArray[np.float64], truth: NDArray[np.bool_], replicates: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    positive, negative = ratings[..., truth], ratings[..., ~truth]
    n1, n0 = positive.shape[-1], negative.shape[-1]
    difference = positive[..., :, None] - negative[..., None, :]
    wins = (difference > 0) + 0.5 * (difference == 0)
    drawn = []
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        w1 = rng.multinomial(n1, np.full(n1, 1 / n1), size=size) / n1
        w0 = rng.multinomial(n0, np.full(n0, 1 / n0), size=size) / n0
        drawn.append(((w1 @ wins) * w0).sum(axis=-1))
    aucs = np.concatenate(drawn, axis=-1)
    return _scatter(aucs) / (replicates - 1)
