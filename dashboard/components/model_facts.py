"""What a bundle says of itself, as sentences and rows: operating point, coverage, limits. Nothing is typed by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmxai_core.comparison.scoring import Pool
from mmxai_core.evaluation.metrics import ECE_BINS
from mmxai_core.model.bundle import Bundle
from mmxai_core.report.wording import class_name, percent

#: Where training writes what it measured at the operating threshold.
AT_THRESHOLD = "at_operating_threshold"
#: The fused model where no field is known: another network than the one trained on images alone.
NO_FIELD = "none (the fused model sees the image alone)"
#: Cases enough for as many calibration bins as a comparison's run ever has.
_MANY = 100_000


def card_section(card: str, heading: str) -> str:
    """The text below a second-level heading of a model card, "" where there is none.

    Args:
        card: Markdown.
        heading: Without its marks, e.g. "Limits".
    """
    lines, inside = [], False
    for line in card.splitlines():
        if line.startswith("## "):
            inside = line[3:].strip().lower() == heading.lower()
        elif inside:
            lines.append(line)
    return "\n".join(lines).strip()


def never_read(card: str) -> str:
    """The columns that a model card lists as never read, as it lists them; "" where it lists none.

    Args:
        card: Markdown, as training writes it.
    """
    for line in card.splitlines():
        if line.startswith("- Never read"):
            return line.partition(": ")[2].strip().removesuffix(".")
    return ""


def operating_point(bundle: Bundle) -> str:
    """Where the model calls a case positive, how that was chosen, and on what."""
    told = bundle.metadata.get("calibration", {})
    text = f"The model calls a case {class_name(bundle.positive_class)} from a probability of {bundle.threshold:.3f} on"
    rule, data, cases = told.get("threshold_rule"), told.get("data"), told.get("cases")
    text += f": {rule}" if rule else ""
    text += f", on {cases:,} scores of {data}" if isinstance(cases, int) and data else ""
    return text + "."


def operating_rows(results: Any, bundle: Bundle) -> list[dict[str, str]]:
    """Figures measured at the operating threshold, one row a model and field group; empty where none were measured."""
    measured = results.get("cross_validation", {}).get(AT_THRESHOLD) if isinstance(results, Mapping) else None
    if not isinstance(measured, Mapping) or abs(measured.get("threshold", -1) - bundle.threshold) > 1e-9:
        return []
    rows = []
    for name, entry in measured["models"].items():
        last = name.partition("|")[2].rpartition("+")[2]
        if last not in ("", "image") and all(f.group != last for f in bundle.schema.fields):
            continue  # a group without fields repeats the row above
        cells = {k.upper() if k in ("ppv", "npv") else k.capitalize(): interval(v) for k, v in entry.items()}
        level = name.partition("|")[2]
        known = NO_FIELD if level == "image" else level.replace("+", ", ") or "image alone"
        rows.append({"Known fields": known, **cells})
    return rows


def interval(entry: Mapping[str, Any]) -> str:
    """A value with its interval."""
    if entry.get("value") is None:
        return "not defined"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def _entries(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        for key, inner in node.items():
            if isinstance(inner, Mapping) and {"value", "low", "high"} <= inner.keys():
                yield key, inner
            else:
                yield from _entries(inner, (*path, str(key)))


def outside_its_interval(entry: Mapping[str, Any]) -> bool:
    """True where a value lies outside its own interval, as a biased number's may under resampling."""
    value, low, high = entry.get("value"), entry.get("low"), entry.get("high")
    return None not in (value, low, high) and not low <= value <= high  # type: ignore[operator]


def ece_note(results: Any) -> str:
    """Why some calibration errors lie below their own interval; "" where none does."""
    errors = [e for key, e in _entries(results) if key == "ece" and e["value"] is not None]
    outside = sum(outside_its_interval(e) for e in errors)
    if not outside:
        return ""
    return (
        f"† In {outside} of {len(errors)} rows the calibration error (ECE) lies below its own 95 % interval: "
        "cases drawn twice make the bins noisier, and noise can only make this error larger. Read "
        "the upper end of the interval as a bound; do not compare rows by it."
    )


def comparison_bins(cases: int) -> int:
    """Bins of equal numbers of cases over which a comparison's run measures its calibration error.

    Args:
        cases: Cases that the run counts.
    """
    none = np.zeros((0, cases))
    return Pool((), (), np.zeros(cases, np.bool_), none, none.astype(np.bool_), none.astype(np.int64)).bins


def ece_bins_note(results: Any) -> str:
    """Why the calibration errors here are not those of a comparison's run; "" where there are none."""
    if not any(key == "ece" and e["value"] is not None for key, e in _entries(results)):
        return ""
    return (
        f"ECE here: {ECE_BINS} bins of equal width. Comparison runs on the Performance page: up to "
        f"{comparison_bins(_MANY)} bins of equal numbers of cases, so that even the same predictions have another ECE "
        "there."
    )


def coverage_rows(bundle: Bundle) -> list[dict[str, str]]:
    """The prediction set's promise and what was measured, one row a field group and class."""
    told = bundle.metadata.get("conformal")
    if not isinstance(told, Mapping):
        return []
    rows = []
    for level, classes in told["levels"].items():
        for entry in classes.values():
            measured = "not measured"
            if entry.get("measured") is not None:
                measured = f"{percent(entry['measured'])} ({percent(entry['low'])} to {percent(entry['high'])})"
            rows.append(
                {
                    "Known fields": "image alone" if level == "image" else level.replace("+", ", "),
                    "Class": class_name(entry["class_id"]), "In the set from": percent(entry["least_probability"]),
                    "True class kept, asked": percent(told["coverage"]), "True class kept, measured": measured,
                    "Cases": f"{entry['cases']:,}",
                }
            )  # fmt: skip
    return rows


def coverage_spread(conformal: Any) -> str:
    """How far the coverage of single splits lies apart, beside its mean over them; "" where it was not measured.

    Args:
        conformal: A bundle's entry "conformal".
    """
    levels = conformal.get("levels", {}) if isinstance(conformal, Mapping) else {}
    found = [e for classes in levels.values() for e in classes.values() if e.get("measured") is not None]
    if not found:
        return ""
    means, lows, highs = ([float(e[k]) for e in found] for k in ("measured", "low", "high"))
    return (
        f"True class kept, {percent(conformal['coverage'])} asked: on average over repeated splits "
        f"{' to '.join(dict.fromkeys((percent(min(means)), percent(max(means)))))} in every class and set of known "
        f"fields; on single splits {percent(min(lows))} to {percent(max(highs))} (95 % ranges)"
    )


def training_rows(bundle: Bundle) -> list[dict[str, str]]:
    """Where the training data come from, one row a cohort."""
    told = bundle.metadata.get("training_data")
    return [
        {
            "Cohort": str(c.get("cohort", "")), "Images": f"{c.get('images', 0):,}",
            "Patients": f"{c.get('patients', 0):,}", "Truth": str(c.get("label", "")),
            "Left out": "; ".join(f"{n} {why}" for why, n in c.get("dropped", []) if n) or "none",
            "Licence": str(c.get("licence", "")), "Source": str(c.get("citation", "")),
        }
        for c in (told if isinstance(told, list) else [])
    ]  # fmt: skip
