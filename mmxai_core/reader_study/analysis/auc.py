"""Empirical AUC of readers: one reader's with its interval, and the mean over readers of any design."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from mmxai_core.reader_study.analysis.cluster import Means
from mmxai_core.reader_study.auc_covariance import auc_covariance
from mmxai_core.reader_study.resampling import Estimate, interval

#: Replicates held in memory at once.
_BLOCK = 250
NEEDS = "An ROC curve needs at least 1 positive and 1 negative case; here there are"


def one_auc(ratings: NDArray[np.float64], truth: NDArray[np.bool_]) -> Estimate:
    """AUC of one reader in one condition, interval by DeLong's variance on the logit scale (Pepe 2003, 5.2).

    Args:
        ratings: (K,), larger means more suspicion.
        truth: (K,) bool.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return Estimate(None, None, None, len(truth), f"{NEEDS} {positives} and {negatives}.")
    if min(positives, negatives) < 2:
        value = float(_auc(ratings[truth], ratings[~truth]))
        return Estimate(value, None, None, len(truth), "No interval: it needs 2 positive and 2 negative cases.")
    aucs, covariance = auc_covariance(ratings[None], truth, method="delong")
    value, variance = float(aucs[0]), float(covariance[0, 0])
    if variance <= 0 or not 0 < value < 1:
        return Estimate(value, None, None, len(truth), "No interval: positive and negative cases are fully separated.")
    half = float(norm.ppf(0.975)) * sqrt(variance) / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)), len(truth))


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    difference = positive[:, None] - negative[None]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def mean_aucs(frame: pd.DataFrame, conditions: Sequence[str], *, replicates: int = 1000, seed: int = 0) -> Means:
    """Reader-averaged AUC in each condition, and every pair's difference, whatever was read by whom.

    The bootstrap draws readers, and positive and negative cases apart, so that no replicate lacks a class.

    Args:
        frame: With `reader`, `case`, `condition`, `rating`, `truth`; rows without rating or truth are left out.
        conditions: In order; pairs are later minus earlier.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """
    used = frame[frame["rating"].notna() & frame["truth"].notna() & frame["condition"].isin(conditions)]
    readers = sorted(used["reader"].unique())
    truth = used.groupby("case")["truth"].first()
    names = {True: list(truth.index[truth == 1]), False: list(truth.index[truth == 0])}
    cubes = {v: _cube(used, conditions, readers, n) for v, n in names.items()}
    counts = used.groupby("condition").size().reindex(list(conditions), fill_value=0)
    point = _weighted(cubes, np.ones((1, len(readers))), {v: np.ones((1, len(n))) for v, n in names.items()})[0]
    few = min(len(readers), len(names[True]), len(names[False])) < 2
    drawn = np.empty((0, len(conditions)))
    if not few:
        rng = np.random.default_rng(seed)
        blocks = []
        for start in range(0, replicates, _BLOCK):
            size = min(_BLOCK, replicates - start)
            weight = [
                rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
                for n in (len(readers), len(names[True]), len(names[False]))
            ]
            blocks.append(_weighted(cubes, weight[0], {True: weight[1], False: weight[2]}))
        drawn = np.concatenate(blocks)

    def estimate(value: float, column: NDArray[np.float64], n: int) -> Estimate:
        if not np.isfinite(value):
            found = f"{len(names[True])} and {len(names[False])}"
            return Estimate(None, None, None, n, f"{NEEDS} {found}, and every condition needs both.")
        if few:
            return Estimate(value, None, None, n, "No interval: it needs 2 readers, 2 positive and 2 negative cases.")
        low, high, why = interval(column)
        return Estimate(value, low, high, n, why)

    by_condition = {c: estimate(float(point[i]), drawn[:, i], int(counts.iloc[i])) for i, c in enumerate(conditions)}
    pairs = {
        (conditions[j], conditions[i]): estimate(
            float(point[j] - point[i]), drawn[:, j] - drawn[:, i], int(min(counts.iloc[i], counts.iloc[j]))
        )
        for i, j in combinations(range(len(conditions)), 2)
    }
    return by_condition, pairs


def _cube(
    used: pd.DataFrame, conditions: Sequence[str], readers: Sequence[str], cases: Sequence[str]
) -> NDArray[np.float64]:
    """(I, J, K) ratings, NaN where not read."""
    cube = np.full((len(conditions), len(readers), len(cases)), np.nan)
    mine = used[used["case"].isin(cases)]
    where = [
        mine[c].map({n: i for i, n in enumerate(names)}).to_numpy(int)
        for c, names in (("condition", conditions), ("reader", readers), ("case", cases))
    ]
    cube[tuple(where)] = mine["rating"].to_numpy(np.float64)
    return cube


def _weighted(
    cubes: dict[bool, NDArray[np.float64]], readers: NDArray[np.float64], cases: dict[bool, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """(B, I) means over readers of AUCs under weights of readers and cases."""
    positive, negative = cubes[True], cubes[False]
    top = np.zeros((len(readers), positive.shape[0]))
    bottom = np.zeros_like(top)
    for i in range(positive.shape[0]):
        for j in range(positive.shape[1]):
            has1, has0 = np.isfinite(positive[i, j]), np.isfinite(negative[i, j])
            difference = positive[i, j][has1][:, None] - negative[i, j][has0][None]
            wins = (difference > 0) + 0.5 * (difference == 0)
            w1, w0 = cases[True][:, has1], cases[False][:, has0]
            pairs = w1.sum(axis=1) * w0.sum(axis=1)
            weight = readers[:, j] * (pairs > 0)
            top[:, i] += weight * ((w1 @ wins) * w0).sum(axis=1) / np.where(pairs > 0, pairs, 1)
            bottom[:, i] += weight
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def roc_points(ratings: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """False and true positive rates from (0, 0) to (1, 1), one point a distinct rating."""
    cuts = np.unique(ratings)[::-1]
    tpr = [(ratings[truth] >= c).mean() for c in cuts]
    fpr = [(ratings[~truth] >= c).mean() for c in cuts]
    return np.array([0.0, *fpr]), np.array([0.0, *tpr])
