"""`results.json` as tables. The renderer knows no key: it shows whatever numbers with intervals a bundle reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mmxai_core.figures.performance_parts import Table
from mmxai_core.report.glossary import term


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
#: Below it a plain number is written with two digits of its own, not with three decimals.
_SMALL = 0.01
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
    if isinstance(value, float) and 0 < abs(value) < _SMALL:
        return f"{value:.2g}"  # a learning rate of 0.0002 is not 0.000
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
    rows = {k: v for k, v in results.items() if path and _is_row(v) and not _are_tests(v)}
    if path and _are_tests(results):
        yield ResultTable(_title(path), pd.DataFrame([_test(key, node) for key, node in results.items()]), ())
        return
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


def _are_tests(node: Mapping[str, Any]) -> bool:
    """Entries that are each a number with a p value: as many rows, not one row that is too wide for a page."""
    return bool(node) and all(isinstance(v, Mapping) and "value" in v and "p" in v for v in node.values())


def _test(key: str, node: Mapping[str, Any]) -> dict[str, str]:
    p = node["p"]
    said = "undefined" if p is None else "below 0.001" if p < 0.001 else f"{p:.3f}"
    return {"": words(key).replace(" - ", " minus "), "Difference": number(node) or "", "p": said}


#: Column headings of `as_table` for keys that a reader cannot know, and what they are.
_EXPLAINED = {
    "hit": ("Pointing game (hit)", term("hit").text),
    "IoU": ("IoU", term("iou").text),
    "energy": ("Evidence inside (energy)", "The share of the map's evidence that lies inside the lesion outline."),
}


def as_table(entry: ResultTable, *, source: str = "") -> Table:
    """A table for page, report and CSV, named by what it holds; what a reader cannot know of its columns is explained.

    Args:
        entry: One of `tables`.
        source: What it was computed from.
    """
    columns = tuple(str(c) for c in entry.rows.columns)
    rows = tuple(tuple(str(v) for v in row) for row in entry.rows.itertuples(index=False))
    if columns[:1] != ("",):  # one nameless row is given the name of the table
        columns, rows = ("", *columns), tuple((entry.title, *row) for row in rows)
    heads = [_EXPLAINED[c][0] if c in _EXPLAINED else c if c == "p" else c[:1].upper() + c[1:] for c in columns[1:]]
    notes = [f"{_EXPLAINED[c][0]}: {_EXPLAINED[c][1]}" for c in columns if c in _EXPLAINED]
    if "Difference" in heads:
        notes.append("Difference in AUC with its 95 % interval; p is two-sided, of each test by itself.")
    facts = " · ".join(f"{name}: {value}" for name, value in entry.facts)
    name = re.sub(r"[^a-z0-9]+", "_", entry.title.lower()).strip("_")
    return Table(
        f"bundle_{name}", entry.title, ("Entry", *heads), rows, source, notes=(*notes, *([facts] if facts else []))
    )


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
