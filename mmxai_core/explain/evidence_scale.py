"""An absolute scale for saliency: how strong is a map against maps of read-outs that learned from shuffled labels?

A case's peak has a percentile among the peaks of `mmxai_core.explain.null_maps`; what lies below their 95th percentile
is drawn blank, so that no evidence looks like none. One peak a map makes it a test of the whole map at once (maximum
statistic). It answers "more than this read-out finds by chance?", not "is there a lesion?".

Source of the p value: Phipson & Smyth 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmxai_core.results import ReliabilityNumber
from mmxai_core.results.strip import EvidenceScale

#: A map below this percentile of the null is drawn blank, and a case above it counts as evidence.
LEVEL = 0.95
NAME = "Strength of the evidence (percentile of maps without meaning)"

Peaks = NDArray[np.float64]


def evidence_scale(peaks: Peaks, *, reference: float) -> EvidenceScale:
    """The scale of a bundle; costs nothing.

    Args:
        peaks: What `null_peaks` gave.
        reference: The bundle's `saliency_reference`.
    """
    return EvidenceScale(float(np.quantile(peaks, LEVEL)), reference, len(peaks))


def null_percentile(peak: float, peaks: Peaks) -> float:
    """1 - p of a map's peak, p = (1 + nulls at least as high) / (1 + nulls) (Phipson & Smyth 2010); in [0, 1)."""
    return 1 - (1 + int((peaks >= peak).sum())) / (1 + len(peaks))


def evidence_strength(peak: float, peaks: Peaks | None) -> ReliabilityNumber:
    """The strength of one case's map on the absolute scale; costs nothing.

    Args:
        peak: Largest value of the case's combined map.
        peaks: The bundle's null peaks; None: never measured.
    """
    if peaks is None or not len(peaks):
        value, verdict = None, "Could not be computed: this bundle has no maps without meaning to compare with."
        source = "not measured for this bundle"
    else:
        value = null_percentile(peak, peaks)
        source = (
            f"peak of the map against {len(peaks)} maps of training images, read by weights fitted to shuffled labels"
        )
        if value >= LEVEL:
            verdict = f"The map is stronger than {100 * value:.0f} % of maps that mean nothing."
        else:
            verdict = f"No more than chance: only {100 * value:.0f} % of maps that mean nothing are weaker. Ignore it."
    return ReliabilityNumber(NAME, value, LEVEL, True, verdict, source)
