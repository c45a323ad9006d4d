"""What a reader's rating means as a number, and from where on it calls a case positive."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmxai_core.errors import StudyStoreError

#: Subcategories of BI-RADS 4 (ACR BI-RADS Atlas, 5th ed.): low, moderate and high suspicion, in this order.
_SUBCATEGORY = {"": 0.0, "a": 0.25, "b": 0.5, "c": 0.75}


@dataclass(frozen=True)
class Scale:
    """The rating scale that an analysis uses.

    Attributes:
        name: As in the readings; may be blank.
        threshold: A rating at or above it calls the case positive; None where it is not known.
        reason: Where the threshold comes from, or why there is none.
        others: Further scales in the readings, not analysed.
    """

    name: str
    threshold: float | None
    reason: str
    others: tuple[str, ...] = ()


def rating_number(text: str) -> float:
    """A rating as a number: as it stands, or a BI-RADS category such as "4a"; NaN where it is neither.

    BI-RADS 0 (incomplete) and 6 (known cancer) are no degrees of suspicion, but a plain number is never dropped here:
    see `is_birads`.
    """
    try:
        value = float(text)
    except ValueError:
        found = re.fullmatch(r"(?:bi-?rads\s*)?([0-6])([abc]?)", text.strip().lower())
        return float(found[1]) + _SUBCATEGORY[found[2]] if found else float("nan")
    return value if np.isfinite(value) else float("nan")


def is_birads(name: str) -> bool:
    """True for a scale of BI-RADS categories."""
    return "birads" in name.lower().replace("-", "").replace("_", "")


def choose_scale(readings: pd.DataFrame, *, name: str | None = None, threshold: float | None = None) -> Scale:
    """The scale to analyse: the one asked for, else the one with most readings (a probability before others).

    Known thresholds: BI-RADS 4 or more; half of a probability's range (0.5, or 50 %).

    Args:
        readings: With `scale` and `value`.
        name: Of the scale, or None.
        threshold: Given by the coordinator, or None.

    Raises:
        StudyStoreError: No reading has that scale.
    """
    counts = readings["scale"].value_counts()
    names = sorted(counts.index, key=lambda n: (-counts[n], "probab" not in n.lower(), n))
    if name is not None and name not in names:
        raise StudyStoreError(f"Scales in the readings are {', '.join(map(repr, names))}; got {name!r}.")
    chosen = name if name is not None else (names[0] if names else "")
    others = tuple(n for n in names if n != chosen)
    if threshold is not None:
        return Scale(chosen, threshold, f"positive from {threshold:g} on, as asked for", others)
    low = chosen.lower()
    if is_birads(chosen):
        return Scale(chosen, 4.0, "positive from BI-RADS 4 on", others)
    if "probab" in low or "percent" in low or "suspicion" in low:
        values = readings.loc[readings["scale"] == chosen, "value"].map(rating_number)
        middle = 0.5 if values.max() <= 1 else 50.0
        return Scale(chosen, middle, f"positive from {middle:g} on, the middle of the scale", others)
    return Scale(chosen, None, f"no threshold is known for the scale {chosen!r}; give one", others)
