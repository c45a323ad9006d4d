"""What must be said beside a bundle's answers: whether it beats chance, how few cases it knows, its data's licence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Fewer patients than this are said to be few. The 95 % interval of a share near one half is then wider than 0.12.
FEW_PATIENTS = 250
#: Levels of `results.json` as they are said.
_LEVELS = {
    "image": "from the image alone",
    "history": "with the history",
    "history+descriptor": "with history and descriptors",
    "history+descriptor+assessment": "with every field known",
}
_NON_COMMERCIAL = re.compile(r"\bNC\b|non-?\s?commercial", re.IGNORECASE)


@dataclass(frozen=True)
class _Auc:
    value: float
    low: float
    high: float


def warnings(metadata: Mapping[str, Any], results: object) -> tuple[str, ...]:
    """Sentences to show above a bundle's answers; none where there is nothing to warn of.

    Args:
        metadata: The bundle's.
        results: The bundle's `results.json`, or None. What in either is not as `train` writes it counts as not told.

    Returns:
        Of: not shown to be better than chance (no AUC was cross-validated, or the lower end of its 95 % interval is at
        most 0.5), few patients, non-commercial licence. Few patients alone are no warning: their intervals say it.
    """
    chance, licence = _chance(results), _licence(metadata)
    return tuple(s for s in (chance, _size(metadata), licence) if s) if chance or licence else ()


def is_non_commercial(licence: object) -> bool:
    """Whether a licence's words leave out commercial use."""
    return bool(_NON_COMMERCIAL.search(str(licence)))


def _chance(results: object) -> str:
    measured = _fused(results)
    if not measured:
        return "Not shown to be better than chance: no cross-validated AUC travels with it."
    flat = {level: auc for level, auc in measured.items() if auc.low <= 0.5}
    if not flat:
        return ""
    told = "; ".join(
        f"{auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f}) {_LEVELS.get(level, level)}" for level, auc in flat.items()
    )
    if len(flat) < len(measured) or len(flat) == 1:
        return f"Not shown to be better than chance: cross-validated AUC (95 % interval) {told}."
    low, high = (f"{f(auc.value for auc in flat.values()):.2f}" for f in (min, max))
    between = low if low == high else f"{low} to {high}"
    return (
        f"Not shown to be better than chance: cross-validated AUC {between}; at every measured level of known fields "
        "the 95 % interval begins at or below 0.5."
    )


def _fused(results: object) -> dict[str, _Auc]:
    """AUC of the fused model by level, those that have an interval, in the order of the levels."""
    cross = results.get("cross_validation") if isinstance(results, Mapping) else None
    models = cross.get("models") if isinstance(cross, Mapping) else None
    found = {}
    for key, entry in models.items() if isinstance(models, Mapping) else ():
        auc = entry.get("auc") if isinstance(entry, Mapping) else None
        numbers = [_number(auc.get(part)) for part in ("value", "low", "high")] if isinstance(auc, Mapping) else []
        if str(key).startswith("fused|") and numbers and None not in numbers:
            found[str(key).removeprefix("fused|")] = _Auc(*(n for n in numbers if n is not None))
    order = list(_LEVELS)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None  # type: ignore[arg-type]  # a number, by the line above


def _rows(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = metadata.get("training_data")
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list) else []


def _size(metadata: Mapping[str, Any]) -> str:
    """Of the cohort it answers for: the first; another one only taught its image branch before."""
    first = _rows(metadata)[0] if _rows(metadata) else {}
    patients, images = _number(first.get("patients")), _number(first.get("images"))
    if patients is None or not 0 < patients < FEW_PATIENTS:
        return ""
    what = "slices" if metadata.get("planes") else "images"  # elsewhere each of them counts as a case
    several = f"{images:.0f} {what} of " if images is not None and images > patients else ""
    return f"Trained on {several}{patients:.0f} patients only."


def _licence(metadata: Mapping[str, Any]) -> str:
    bound = any(is_non_commercial(r.get("licence", "")) for r in _rows(metadata))
    return "Non-commercial use only, by the licence of its training data." if bound else ""
