"""`results.json` as tables. The renderer knows no key: it shows whatever numbers with intervals a bundle reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class ResultTable:
    """One table.

    Attributes:
        title: Path of the entry, in words.
        rows: One row a case of the entry (model, field group ...), columns are its numbers.
        facts: Plain values beside the numbers (counts, notes).
    """

    title: str
    rows: pd.DataFrame
    facts: tuple[tuple[str, str], ...]


_SHORT = {
    "auc": "AUC", "ece": "ECE", "iou": "IoU", "f1": "F1", "n": "N", "sd": "SD", "ppv": "PPV", "npv": "NPV",
    "delong": "(DeLong)", "ci": "CI",
}  # fmt: skip
_COHORTS = {"bus bra": "BUS-BRA", "breast lesions usg": "BrEaST"}


def words(key: str) -> str:
    """A JSON key as a heading: "fused|history+descriptor" -> "fused: history + descriptor"."""
    spaced = key.replace("_", " ").replace("|", ": ").replace("+", " + ")
    text = " ".join(_SHORT.get(w, w) for w in spaced.split())
    for name, proper in _COHORTS.items():
        text = text.replace(name, proper)
    return text


def number(value: Any) -> str | None:
    """A number with its interval as text; None where the value is something else."""
    if isinstance(value, Mapping) and "value" in value:
        if value["value"] is None:
            return "not defined"
        low, high = value.get("low"), value.get("high")
        text = _plain(value["value"])
        if low is None or high is None:
            return text
        mark = "" if low <= value["value"] <= high else " †"  # a biased number may lie outside: see `ece_note`
        return f"{text}{mark} ({_plain(low)} to {_plain(high)})"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _plain(value)
    return None


def _plain(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _is_row(node: Any) -> bool:
    """A mapping whose own entries hold at least one number with an interval, or two plain numbers."""
    if not isinstance(node, Mapping) or "value" in node:
        return False
    entries = list(node.values())
    intervals = sum(isinstance(v, Mapping) and "value" in v for v in entries)
    return intervals > 0 or sum(number(v) is not None for v in entries) >= 2


def tables(results: Any, path: tuple[str, ...] = ()) -> Iterator[ResultTable]:
    """Every table in a nested result, in its order.

    Args:
        results: What `results.json` holds.
        path: Keys that led here.
    """
    if not isinstance(results, Mapping):
        return
    # At the top each entry is a section of its own; below, entries alike are the rows of one table.
    rows = {key: node for key, node in results.items() if path and _is_row(node)}
    facts = tuple((words(k), str(v)) for k, v in results.items() if isinstance(v, (str, int, float, bool)))
    if path and _is_row(results):
        cells, extra = _row(results)
        yield ResultTable(_title(path), pd.DataFrame([cells]), extra)
        rows = {}
    elif rows:
        frame, notes = [], list(facts)
        for key, node in rows.items():
            cells, extra = _row(node)
            frame.append({"": words(key), **cells})
            notes += [(f"{words(key)}: {name}", value) for name, value in extra]
        yield ResultTable(_title(path), pd.DataFrame(frame).fillna(""), tuple(notes))
    for key, node in results.items():
        if key in rows:
            for inner, deeper in node.items():
                if isinstance(deeper, Mapping) and "value" not in deeper:
                    yield from tables(deeper, (*path, key, inner))
        elif isinstance(node, Mapping) and "value" not in node:
            yield from tables(node, (*path, key))


def _title(path: tuple[str, ...]) -> str:
    title = ", ".join(words(p) for p in path)
    return title[:1].upper() + title[1:] or "Results"


def _row(node: Mapping[str, Any]) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    cells: dict[str, str] = {}
    facts: list[tuple[str, str]] = []
    for key, value in node.items():
        shown = number(value)
        if shown is not None:
            cells[words(key)] = shown
        elif isinstance(value, (str, bool)):
            facts.append((words(key), str(value)))
    return cells, tuple(facts)
