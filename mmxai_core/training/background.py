"""Synthetic background rows for a bundle: never a patient's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.training.data import CohortArrays


def synthetic_background(data: CohortArrays, schema: ClinicalSchema, *, rows: int = 100, seed: int) -> pd.DataFrame:
    """Rows drawn field by field, independently, from the cohort's marginal distributions.

    Fields are drawn on their own, so no row repeats a patient's combination but by chance; numbers come from a normal
    distribution with the cohort's mean and SD, rounded, inside the plausible range. A field's share of unknown values
    is kept.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {}
    for field in schema.fields:
        seen = [r.values[field.id] for r in data.records if field.id in r.values]
        share = len(seen) / max(len(data.records), 1)
        known = rng.random(rows) < share
        if not seen:
            columns[field.id] = [None] * rows
            continue
        if field.kind == "numeric":
            numbers = np.array(seen, float)
            low, high = field.scale
            drawn: list[Any] = [
                round(float(v)) for v in np.clip(rng.normal(numbers.mean(), numbers.std(), rows), low, high)
            ]
        else:
            options, counts = np.unique([field.category_ids.index(_category(v)) for v in seen], return_counts=True)
            drawn = [field.category_ids[int(i)] for i in rng.choice(options, rows, p=counts / counts.sum())]
        columns[field.id] = [v if k else None for v, k in zip(drawn, known, strict=True)]
    return pd.DataFrame(columns)


def _category(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
