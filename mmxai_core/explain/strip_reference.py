"""What the reliability strip needs of its cohort: where a bundle's reference keeps it, and reading it back."""

from __future__ import annotations

import numpy as np

from mmxai_core.explain.evidence_scale import Peaks, evidence_scale
from mmxai_core.explain.thresholds import Thresholds
from mmxai_core.model.reference import Reference
from mmxai_core.results.strip import EvidenceScale

#: Entry of the reference: what `measure_thresholds` gave.
THRESHOLDS = "reliability_thresholds"
#: Array of the reference: what `null_peaks` gave, as NULL_PART/peaks.
NULL_PART, NULL_ARRAY = "null_saliency_peaks", "peaks"


def bundle_thresholds(reference: Reference) -> Thresholds:
    """The bundle's thresholds; general ones where none were measured."""
    return Thresholds.from_json(reference.entries.get(THRESHOLDS))


def bundle_null(reference: Reference) -> Peaks | None:
    """The bundle's sorted null peaks; None where they were not measured."""
    peaks = reference.part(NULL_PART).get(NULL_ARRAY)
    return None if peaks is None or not len(peaks) else np.sort(np.asarray(peaks, np.float64))


def bundle_scale(reference: Reference, *, saliency_reference: float | None) -> EvidenceScale | None:
    """The absolute colour scale of Grad-CAM++ maps; None where the null or the colour scale was not measured.

    Args:
        reference: The bundle's.
        saliency_reference: `Bundle.saliency_reference`.
    """
    peaks = bundle_null(reference)
    return None if peaks is None or saliency_reference is None else evidence_scale(peaks, reference=saliency_reference)
