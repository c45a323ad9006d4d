"""An estimate that may be undefined, and the bootstrap that draws readers, cases or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyStoreError
from mmxai_core.types import Json

REPLICATES = 2000
LEVEL = 0.95
_BLOCK = 500


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval, or the reason why there is none.

    Attributes:
        value: None where undefined.
        low: Lower end of the interval; None where the interval is undefined.
        high: Upper end.
        n: What it rests on: the number of cases or readings that count.
        reason: Why value or interval is undefined; "" otherwise.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    def to_json(self) -> Json:
        """`{"value", "low", "high", "n", "reason"}`, value "undefined" where there is none."""
        value = "undefined" if self.value is None else self.value
        return {"value": value, "low": self.low, "high": self.high, "n": self.n, "reason": self.reason or None}


def draws(
    clusters: Sequence[NDArray[np.intp]], *, replicates: int = REPLICATES, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Weights of bootstrap replicates in which the clusters of each factor are drawn with replacement.

    With two factors (readers and cases) the counts multiply: the pigeonhole bootstrap (Owen 2007), which lets both
    vary and errs to the wide side.

    Args:
        clusters: One or two (n,) arrays, the cluster of each row, 0, 1, 2 ...
        replicates: Number of replicates.
        seed: Of the generator.

    Yields:
        (b, n) blocks of weights, `replicates` rows in all.

    Raises:
        StudyStoreError: Fewer than 1 replicate, or no row.
    """
    if replicates < 1 or not all(len(c) for c in clusters):
        raise StudyStoreError(f"The bootstrap needs at least 1 replicate and 1 row; got {replicates} replicates.")
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        weights = np.ones((size, len(clusters[0])))
        for index in clusters:
            count = int(index.max()) + 1
            weights *= rng.multinomial(count, np.full(count, 1 / count), size=size)[:, index]
        yield weights


def estimate(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    clusters: Sequence[NDArray[np.intp]],
    *,
    n: int,
    reason: str,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """Point value and 95 % percentile interval of one weighted statistic (Davison and Hinkley 1997, 5.3).

    Args:
        statistic: (B, rows) weights -> (B,) values, NaN where undefined.
        clusters: As `draws`.
        n: What the value rests on.
        reason: Said where the value is undefined.
        replicates: Number of replicates.
        seed: Of the generator.
    """
    value = float(statistic(np.ones((1, len(clusters[0]))))[0])
    if not np.isfinite(value):
        return Estimate(None, None, None, n, reason)
    few = min(int(c.max()) + 1 for c in clusters)
    if few < 2:
        return Estimate(value, None, None, n, "No interval: there is only 1 case or reader to draw from.")
    drawn = np.concatenate([statistic(w) for w in draws(clusters, replicates=replicates, seed=seed)])
    low, high, why = interval(drawn)
    return Estimate(value, low, high, n, why)


def interval(drawn: NDArray[np.float64]) -> tuple[float | None, float | None, str]:
    """Percentile interval of the replicates, or none, with the reason.

    There is none where most replicates are undefined, or where all are alike: a share of 0 of 10 would otherwise come
    with an interval from 0 to 0, which claims more than 10 readings can say.
    """
    defined = drawn[np.isfinite(drawn)]
    if 2 * len(defined) < len(drawn):
        share = 1 - len(defined) / len(drawn)
        return (
            None,
            None,
            f"No interval: undefined in {100 * share:.0f} % of the bootstrap replicates, so too few data.",
        )
    if np.ptp(defined) < 1e-12:
        return (
            None,
            None,
            "No interval: every bootstrap replicate gives this same value, so it cannot tell how far off it is.",
        )
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high), ""
