"""Agreement of readers: four coefficients together, each with a case-bootstrap interval, or "undefined" and why.

No single coefficient is enough: at 90 % agreement on a lopsided sample kappa may be -0.05 and AC1 0.89 (the kappa
paradox, Feinstein and Cicchetti 1990).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import coefficients as co
from mmxai_core.reader_study.resampling import REPLICATES, Estimate, estimate
from mmxai_core.types import Json


@dataclass(frozen=True)
class Agreement:
    """How far readers agree on the same cases.

    Attributes:
        percent: Share of agreeing pairs of readers, in [0, 1].
        ac1: Gwet's AC1: exact agreement beyond chance, at most 1.
        ac2: Gwet's AC2: near misses count in part.
        alpha: Krippendorff's alpha, ordinal.
        kappa: Weighted kappa; the mean over pairs of readers where there are more than two.
        readers: Number of readers.
        cases: Number of cases with 2 or more ratings.
        categories: The scale.
        ac2_weighting: Credit for near misses in AC2.
        kappa_weighting: The same in kappa.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """

    percent: Estimate
    ac1: Estimate
    ac2: Estimate
    alpha: Estimate
    kappa: Estimate
    readers: int
    cases: int
    categories: tuple[float, ...]
    ac2_weighting: co.Weighting
    kappa_weighting: co.Weighting
    replicates: int
    seed: int

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """By name."""
        return {n: getattr(self, n) for n in ("percent", "ac1", "ac2", "alpha", "kappa")}

    @property
    def sentence(self) -> str:
        """The result in one plain line."""
        if self.ac2.value is None:
            return f"Agreement is undefined. {self.ac2.reason}"
        percent = self.percent.value if self.percent.value is not None else float("nan")
        span = "" if self.ac2.low is None else f" (95 % interval {self.ac2.low:.2f} to {self.ac2.high:.2f})"
        return (
            f"{self.readers} readers agree exactly in {100 * percent:.0f} % of pairs over {self.cases} cases; beyond "
            f"chance, AC2 = {self.ac2.value:.2f}{span}."
        )

    def to_json(self) -> Json:
        """Plain values."""
        return {n: e.to_json() for n, e in self.estimates.items()} | {
            "readers": self.readers,
            "cases": self.cases,
            "categories": list(self.categories),
            "ac2_weighting": self.ac2_weighting,
            "kappa_weighting": self.kappa_weighting,
            "replicates": self.replicates,
            "seed": self.seed,
            "sentence": self.sentence,
        }


def agreement(
    ratings: ArrayLike,
    *,
    categories: Sequence[float] | None = None,
    ac2_weighting: co.Weighting = "ordinal",
    kappa_weighting: co.Weighting = "quadratic",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Agreement:
    """Agreement of two or more readers on ordered categories; missing ratings are allowed and never imputed.

    Args:
        ratings: (n, r) one row a case, one column a reader, NaN where not rated.
        categories: The whole scale in order, e.g. 1 to 5; by default the values that occur. AC1 and AC2 depend on it.
        ac2_weighting: Credit for near misses in AC2.
        kappa_weighting: The same in kappa.
        replicates: Of the bootstrap, which draws cases.
        seed: Of the bootstrap.

    Raises:
        StudyStoreError: Not a table, or a value is not on the scale.
    """
    values = np.asarray(ratings, np.float64)
    if values.ndim != 2 or not values.size:
        raise StudyStoreError(f"Ratings must be a table of cases x readers; got shape {values.shape}.")
    used = np.unique(values[np.isfinite(values)])
    scale = np.asarray(used if categories is None else sorted(set(categories)), np.float64)
    if stray := sorted(set(used.tolist()) - set(scale.tolist())):
        raise StudyStoreError(f"A rating must be on the scale {scale.tolist()}; got {stray[0]:g}.")
    codes = np.where(np.isfinite(values), np.searchsorted(scale, np.nan_to_num(values)), -1).astype(np.intp)
    cases = int(((codes >= 0).sum(axis=1) >= 2).sum())
    one_value = "Every rating is the same, so agreement by chance is certain and there is nothing to compare with."

    def measure(statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], why: str) -> Estimate:
        if values.shape[1] < 2:
            return Estimate(None, None, None, cases, f"Agreement needs at least 2 readers; got {values.shape[1]}.")
        if not cases:
            return Estimate(None, None, None, 0, "No case was rated by 2 or more readers.")
        if len(scale) < 2:
            return Estimate(None, None, None, cases, one_value)
        rows = (np.arange(len(values)),)
        return estimate(statistic, rows, n=cases, reason=why, replicates=replicates, seed=seed)

    steps = max(len(scale), 2)
    table = co.counts(codes, steps)
    identity = co.category_weights("identity", steps)
    near, cohen = co.category_weights(ac2_weighting, steps), co.category_weights(kappa_weighting, steps)
    exact = measure(lambda w: co.percent_agreement(table, identity, w), "")
    if len(scale) == 1 and cases and values.shape[1] >= 2:
        exact = Estimate(1.0, 1.0, 1.0, cases)
    pair_why = (
        one_value
        if len(used) < 2
        else "At least one pair of readers shares no case, or gives the same answer to every case they share."
    )
    return Agreement(
        exact,
        measure(lambda w: co.gwet(table, identity, w), one_value),
        measure(lambda w: co.gwet(table, near, w), one_value),
        measure(lambda w: co.krippendorff(table, w), one_value),
        measure(lambda w: co.kappa(codes, cohen, w), pair_why),
        values.shape[1],
        cases,
        tuple(scale.tolist()),
        ac2_weighting,
        kappa_weighting,
        replicates,
        seed,
    )
