"""Agreement coefficients as functions of case weights, so that a bootstrap is a matrix product.

Ratings come as (n, r) category codes, -1 where a rater did not rate the case; weights as (B, n). Every function returns
(B,) values, NaN where the coefficient is undefined. Cases with one rating say nothing about agreement.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weighting = Literal["identity", "linear", "quadratic", "ordinal"]
#: (n, r) category codes from 0, -1 = not rated.
Codes = NDArray[np.intp]
#: (B, n) weights of the cases, or (B,) values.
Weights = NDArray[np.float64]


def category_weights(kind: Weighting, categories: int) -> NDArray[np.float64]:
    """(q, q) agreement credited to a pair of categories, 1 on the diagonal (Gwet 2014, chapter 3).

    Args:
        kind: "identity"; "linear" 1 - d/(q-1); "quadratic" 1 - d^2/(q-1)^2; "ordinal" 1 - C(d+1, 2)/C(q, 2), d the
            distance in steps.
        categories: q, at least 2.
    """
    d = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))).astype(np.float64)
    if kind == "identity":
        return np.eye(categories)
    if kind == "linear":
        return 1 - d / (categories - 1)
    if kind == "quadratic":
        return np.asarray(1 - (d / (categories - 1)) ** 2)
    return 1 - d * (d + 1) / (categories * (categories - 1))


def counts(codes: Codes, categories: int) -> NDArray[np.float64]:
    """(n, q) how many raters put each case into each category."""
    return np.stack([(codes == k).sum(axis=1) for k in range(categories)], axis=1).astype(np.float64)


def _ratio(numerator: Weights, denominator: Weights) -> Weights:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(denominator) > 1e-12, numerator / denominator, np.nan)


def percent_agreement(table: NDArray[np.float64], credit: NDArray[np.float64], w: Weights) -> Weights:
    """Share of agreeing pairs of raters, averaged over cases with 2 or more ratings (Gwet 2014)."""
    raters = table.sum(axis=1)
    rated = raters >= 2
    credited = (table * (table @ credit.T - 1)).sum(axis=1)
    share = np.where(rated, credited / np.where(rated, raters * (raters - 1), 1), 0.0)
    return _ratio(w @ share, w @ rated.astype(np.float64))


def gwet(table: NDArray[np.float64], credit: NDArray[np.float64], w: Weights) -> Weights:
    """AC1 (identity credit) or AC2: chance agreement pe = sum(credit)/(q(q-1)) sum(pi(1-pi)) (Gwet 2008, 2014)."""
    raters = table.sum(axis=1)
    any_rating = raters >= 1
    shares = table / np.where(any_rating, raters, 1)[:, None]
    prevalence = _ratio(w @ shares, (w @ any_rating.astype(np.float64))[:, None])
    q = table.shape[1]
    chance = credit.sum() / (q * (q - 1)) * (prevalence * (1 - prevalence)).sum(axis=1)
    agreed = percent_agreement(table, credit, w)
    return _ratio(agreed - chance, 1 - chance)


def krippendorff(table: NDArray[np.float64], w: Weights, *, ordinal: bool = True) -> Weights:
    """Alpha (Krippendorff 2004, 11.3), ordinal metric (sum of the marginals between two categories)^2, or nominal."""
    raters = table.sum(axis=1)
    q = table.shape[1]
    usable = raters >= 2
    pairs = table[:, :, None] * table[:, None, :] - table[:, :, None] * np.eye(q)
    pairs = pairs * (usable / np.where(usable, raters - 1, 1))[:, None, None]
    coincidence = (w @ pairs.reshape(len(table), q * q)).reshape(-1, q, q)
    marginal = coincidence.sum(axis=2)
    if ordinal:
        rank = np.cumsum(marginal, axis=1) - marginal / 2
        distance = (rank[:, :, None] - rank[:, None, :]) ** 2
    else:
        distance = np.broadcast_to(1 - np.eye(q), coincidence.shape)
    observed = (coincidence * distance).sum(axis=(1, 2))
    expected = (marginal[:, :, None] * marginal[:, None, :] * distance).sum(axis=(1, 2))
    return 1 - _ratio((marginal.sum(axis=1) - 1) * observed, expected)


def kappa(codes: Codes, credit: NDArray[np.float64], w: Weights) -> Weights:
    """Weighted kappa (Cohen 1968); for more than two raters the mean over pairs of raters (Light 1971).

    Undefined where it is undefined for any pair.
    """
    q = len(credit)
    values = []
    for a, b in combinations(range(codes.shape[1]), 2):
        both = (codes[:, a] >= 0) & (codes[:, b] >= 0)
        cells = np.zeros((len(codes), q * q))
        cells[np.flatnonzero(both), codes[both, a] * q + codes[both, b]] = 1
        joint = (w @ cells).reshape(-1, q, q)
        total = joint.sum(axis=(1, 2))
        chance = _ratio(
            np.einsum("bi,ij,bj->b", joint.sum(axis=2), credit, joint.sum(axis=1)), np.where(total > 0, total, 1) ** 2
        )
        observed = _ratio((joint * credit).sum(axis=(1, 2)), total)
        values.append(_ratio(observed - chance, 1 - chance))
    return np.asarray(np.mean(values, axis=0))
