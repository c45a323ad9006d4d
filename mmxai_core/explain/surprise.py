"""How unusual a clinical record is, whatever number of its fields is known."""

from __future__ import annotations

import numpy as np

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.model.field_statistics import FieldStatistics

#: Below this share a category counts as this rare.
_RAREST = 1e-3


def record_surprise(record: ClinicalRecord, statistics: FieldStatistics) -> float | None:
    """Surprise of the known values, standardised; None where no field is known. No forward pass.

    Each known field gives -log of its value's share in the cohort (for a number half its squared z-score), classes
    mixed by their share; the sum minus its expectation, over its standard deviation, both under the cohort's own
    shares with the fields taken as independent. About 0 for a usual record, whatever is known.

    Args:
        record: A record of the statistics' schema.
        statistics: From the bundle, or `measure_field_statistics`.
    """
    total = variance = 0.0
    fields = 0
    for i, field in enumerate(statistics.schema.fields):
        value = record.values.get(field.id)
        if value is None or statistics.known[i] == 0:
            continue
        fields += 1
        if field.kind == "numeric":
            within = statistics.normal[:, i]
            mean = float(statistics.prior @ within[:, 0])
            second = float(statistics.prior @ (within[:, 1] ** 2 + within[:, 0] ** 2))
            spread = max(second - mean**2, 1e-9)
            total += 0.5 * ((float(value) - mean) ** 2 / spread - 1)
            variance += 0.5  # of half a chi-square with one degree of freedom
            continue
        share = np.maximum(statistics.prior @ statistics.probability[:, i], 0.0)[: len(field.category_ids)]
        share = share / share.sum()
        rare = -np.log(np.maximum(share, _RAREST))
        expected = float(share @ rare)
        word = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        total += float(rare[field.category_ids.index(word)]) - expected
        variance += float(share @ (rare - expected) ** 2)
    return total / float(np.sqrt(variance + 0.05)) if fields else None
