"""Percentile bootstrap that draws patients, not images: images of one patient are not independent evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.metrics import Scored, weighted_metrics
from mmxai_core.types import Json

#: Replicates by default.
REPLICATES = 2000
#: Coverage of every interval.
LEVEL = 0.95
#: Replicates held in memory at once.
_BLOCK = 500


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Attributes:
        value: Point estimate on the cases themselves.
        low: 2.5th percentile of the replicates; see `basic` for what is turned round.
        high: 97.5th percentile of the replicates.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> Json:
        """`{"value", "low", "high"}`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def resampling_weights(
    groups: Sequence[str], *, replicates: int = REPLICATES, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """How often each case is drawn when patients are drawn with replacement (Davison and Hinkley 1997, 2.4).

    Args:
        groups: (n,) patient of each case.
        replicates: Number of replicates.
        seed: Of the generator.

    Yields:
        (b, n) blocks of counts, `replicates` rows in all.

    Raises:
        CohortError: Fewer than 1 replicate or no case.
    """
    if replicates < 1 or not len(groups):
        raise CohortError(
            f"The bootstrap needs at least 1 replicate and 1 case; got {replicates} replicates, {len(groups)} cases."
        )
    _, index = np.unique(np.asarray(groups, str), return_inverse=True)
    patients = int(index.max()) + 1
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _BLOCK):
        counts = rng.multinomial(patients, np.full(patients, 1 / patients), size=min(_BLOCK, replicates - start))
        yield counts[:, index].astype(np.float64)


def intervals(
    statistic: Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]],
    groups: Sequence[str],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Percentile intervals of any weighted statistics.

    A replicate in which a statistic is undefined (it drew one class only) is left out of that statistic's percentiles.

    Args:
        statistic: (B, n) weights -> (B,) values by name, NaN where undefined.
        groups: (n,) patient of each case.
        replicates: Number of replicates.
        seed: Of the generator.

    Returns:
        By name; None where the statistic is undefined on the cases themselves.
    """
    point = statistic(np.ones((1, len(groups))))
    blocks = [statistic(w) for w in resampling_weights(groups, replicates=replicates, seed=seed)]
    tail = 100 * (1 - LEVEL) / 2
    out: dict[str, Interval | None] = {}
    for name, value in point.items():
        drawn = np.concatenate([b[name] for b in blocks])
        drawn = drawn[np.isfinite(drawn)]
        if np.isnan(value[0]):
            out[name] = None
            continue
        low, high = np.percentile(drawn, [tail, 100 - tail]) if len(drawn) else (value[0], value[0])
        out[name] = Interval(float(value[0]), float(low), float(high))
    return out


def basic(found: Interval) -> Interval:
    """A percentile interval turned round: the basic bootstrap interval of a number that is never negative.

    Resampling adds noise to a calibration error on top of what the cases' own noise has added, so that percentiles lie
    above the truth, and even above the estimate. The basic interval (Davison and Hinkley 1997, 5.2) turns the
    bootstrap's deviations round. It is cut at 0 and made to hold the estimate. Nominal: of 201 simulated cases with a
    true error of 0.10, 0.05 and 0 it held the truth in 96, 82 and 33 % of draws, where percentiles held it in 26, 0 and
    0 %; an error near 0 cannot be told from 0 by either.

    Args:
        found: A percentile interval.
    """
    turned = 2 * found.value - found.high, 2 * found.value - found.low
    return Interval(found.value, min(found.value, max(0.0, turned[0])), max(found.value, turned[1]))


def metric_intervals(
    scored: Scored, groups: Sequence[str], *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Interval | None]:
    """Patient-clustered 95 % intervals of every metric in `metrics.METRICS`: percentile ones; of "ece", see `basic`."""
    found = intervals(lambda w: weighted_metrics(scored, w), groups, replicates=replicates, seed=seed)
    return {name: basic(i) if name == "ece" and i is not None else i for name, i in found.items()}
