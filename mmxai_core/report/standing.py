"""What must be said beside a bundle's answers: whether it beats chance, how few cases it knows, its data's licence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Fewer patients than this are said to be few: a proportion's 95 % interval is then wider than 0.12.
FEW_PATIENTS = 250
#: Levels of `results.json` as they are said.
_LEVELS = {
    "image": "from the image alone",
    "history": "with the history",
    "history+descriptor": "with history and descriptors",
    "history+descriptor+assessment": "with every field known",
}


def warnings(metadata: Mapping[str, Any], results: object) -> tuple[str, ...]:
    """Sentences to show wherever the bundle answers; none where there is nothing to warn of.

    Args:
        metadata: The bundle's.
        results: The bundle's `results.json`, or None.

    Returns:
        Of: not shown to be better than chance (the lower end of the cross-validated AUC's 95 % interval is at most
        0.5), few patients, non-commercial licence.
    """
    return tuple(s for s in (_chance(results), _size(metadata), _licence(metadata)) if s)


def _chance(results: object) -> str:
    measured = _fused(results)
    flat = {level: auc for level, auc in measured.items() if auc["low"] <= 0.5}
    if not flat:
        return ""
    if len(flat) == len(measured) > 1:
        low, high = (f(a["value"] for a in flat.values()) for f in (min, max))
        between = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        return (
            f"Not shown to be better than chance: cross-validated AUC {between}, and every 95 % interval reaches 0.5, "
            "whatever is known."
        )
    told = "; ".join(
        f"{auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f}) {_LEVELS.get(level, level)}"
        for level, auc in flat.items()
    )
    return f"Not shown to be better than chance: cross-validated AUC (95 % interval) {told}."


def _fused(results: object) -> dict[str, Mapping[str, float]]:
    """AUC of the fused model by level, those with an interval."""
    cross = results.get("cross_validation") if isinstance(results, Mapping) else None
    models = cross.get("models") if isinstance(cross, Mapping) else None
    found = {}
    for key, entry in (models or {}).items():
        auc = entry.get("auc") if isinstance(entry, Mapping) else None
        if key.startswith("fused|") and isinstance(auc, Mapping) and auc.get("low") is not None:
            found[key.removeprefix("fused|")] = auc
    return dict(sorted(found.items(), key=lambda item: list(_LEVELS).index(item[0]) if item[0] in _LEVELS else 9))


def _rows(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = metadata.get("training_data")
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list) else []


def _size(metadata: Mapping[str, Any]) -> str:
    patients = sum(int(r.get("patients", 0)) for r in _rows(metadata))
    return f"Trained on {patients} patients only." if 0 < patients < FEW_PATIENTS else ""


def _licence(metadata: Mapping[str, Any]) -> str:
    bound = any("NC" in str(r.get("licence", "")) for r in _rows(metadata))
    return "Non-commercial: so the licence of its training data." if bound else ""
