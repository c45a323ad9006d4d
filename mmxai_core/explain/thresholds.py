"""Thresholds of the reliability numbers, from the cohort's own distribution.

After training the strip runs over cases of the cohort; a number's threshold is then the 10th percentile of what the
cohort shows (90th where lower is better): a case beyond it is unusual for this model. A model whose explanations are
poor throughout must not bless itself, so each number has a floor that no cohort can lower: beating random means above
0, and maps that correlate less than `FLOORS` says are not alike whatever the cohort shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mmxai_core.types import Json

#: General thresholds, used where a bundle has none measured. Keys are stable: bundles store them.
GENERAL: dict[str, float] = {
    "ssim_noise": 0.85, "ssim_shift": 0.85, "pearson_noise": 0.95, "pearson_shift": 0.95,
    "deletion_gain": 0.0, "insertion_gain": 0.0, "field_gain": 0.0, "randomisation": 0.5,
    "agreement": 0.0, "attention_overlap": 0.0, "inside_lesion": 0.5,
}  # fmt: skip
#: No cohort can move a threshold past these.
FLOORS: dict[str, float] = {
    "ssim_noise": 0.5, "ssim_shift": 0.5, "pearson_noise": 0.7, "pearson_shift": 0.7,
    "deletion_gain": 0.0, "insertion_gain": 0.0, "field_gain": 0.0, "randomisation": 0.5,
    "agreement": 0.0, "attention_overlap": 0.0, "inside_lesion": 0.25,
}  # fmt: skip
#: Numbers where low is good.
LOWER_IS_BETTER = frozenset({"randomisation"})
#: Tail of the cohort that counts as unusual.
TAIL = 0.1
#: Fewer cases than this say nothing about a 10th percentile.
MIN_CASES = 20


@dataclass(frozen=True)
class Threshold:
    """Where a verdict changes.

    Attributes:
        value: The threshold.
        source: Where it comes from, in words.
    """

    value: float
    source: str


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of one bundle.

    Attributes:
        measured: By key, what `measure_thresholds` wrote; empty: none measured.
    """

    measured: Mapping[str, Mapping[str, float]]

    @classmethod
    def from_json(cls, stored: Json) -> Thresholds:
        """What a bundle stored; None, or an entry that is not of the expected form, counts as not measured."""
        entries = stored if isinstance(stored, dict) else {}
        return cls(
            {
                k: {n: float(v) for n, v in e.items() if isinstance(v, int | float)}
                for k, e in entries.items()
                if isinstance(e, dict)
            }
        )

    def of(self, key: str) -> Threshold:
        """The threshold of one number, never beyond its floor."""
        entry = self.measured.get(key, {})
        found, cases = entry.get("threshold"), int(entry.get("cases", 0))
        if found is None or cases < MIN_CASES:
            return Threshold(GENERAL[key], "general threshold: none was measured for this bundle")
        lower = key in LOWER_IS_BETTER
        value = min(found, FLOORS[key]) if lower else max(found, FLOORS[key])
        share = f"{100 * TAIL:.0f} % of {cases} training cases lie {'above' if lower else 'below'} {found:.2g}"
        return Threshold(value, share if value == found else f"least that counts; {share}")


def measure_thresholds(rows: Iterable[Mapping[str, float | None]]) -> Json:
    """The cohort's distribution of each number, for the bundle's reference as "reliability_thresholds".

    Args:
        rows: `ReliabilityStrip.values()` of each case; None where a number could not be computed.

    Returns:
        By key: {"threshold", "cases", "p05", "p25", "p50", "p75", "p95"}; keys without a case are left out.
    """
    kept = list(rows)
    out: dict[str, Json] = {}
    for key in GENERAL:
        values = [float(v) for row in kept if (v := row.get(key)) is not None and np.isfinite(v)]
        if values:
            tail = 1 - TAIL if key in LOWER_IS_BETTER else TAIL
            marks = {f"p{round(100 * q):02d}": float(np.quantile(values, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
            out[key] = {"threshold": float(np.quantile(values, tail)), "cases": len(values), **marks}
    return out
