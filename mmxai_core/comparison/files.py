"""The files of a run: what `compare` writes and what a page or a report reads; their types are in `comparison.results`.

A run's folder (`pretrained/<bundle>/results/<run>/`) holds

- `config.json` (`RunConfig`): cohort, question, models, settings, statements a reader of the results must know;
- `splits.json`: train, validation and test case ids of every seed and fold, each with its hash;
- `units/<seed>-<fold>-<model>.json`: what each fitted model said; the other files are drawn from these alone;
- `metrics.json` (`Metrics`), `tests.json` (`Tests`), `subgroups.json` (`Subgroups`);
- `predictions.csv` (`read_predictions`): case, patient, fold, seed, model, level, probability, threshold, label;
- `leakage.json` and `generalisation.json` (`Findings`), where they were measured;
- `progress.jsonl`: a row an epoch and a row a finished unit, with the time.

A figure that was not measured is null. A run with missing units says so in `status`, and each of its rows counts only
the units that are there. `level` names the field groups that were known: "image" (none), "history",
"history+descriptor", "history+descriptor+assessment".
"""

from __future__ import annotations

import csv
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mmxai_core.comparison.results import Findings, Metrics, Prediction, RunConfig, Subgroups, Tests
from mmxai_core.errors import CohortError
from mmxai_core.types import Json

FORMAT = 1
PREDICTION_COLUMNS = ("case", "patient", "fold", "seed", "model", "level", "probability", "threshold", "label")

T = TypeVar("T")


def write(path: Path, value: object) -> None:
    """Writes a file of this module from its type, whole or not at all."""
    assert is_dataclass(value) and not isinstance(value, type)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(asdict(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    partial.replace(path)


def _read(path: Path, kind: type[T]) -> T:
    """A file as its type.

    Raises:
        CohortError: It is missing, malformed, or of another format.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CohortError(f"Result file {path.name} of run {path.parent.name} cannot be read: {error}.") from error
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise CohortError(f"Result file {path.name} is of format {value.get('format')!r}; this version reads {FORMAT}.")
    try:
        made: T = _make(kind, value)
    except (KeyError, TypeError, ValueError) as error:
        raise CohortError(f"Result file {path.name} of run {path.parent.name} is malformed: {error!r}.") from error
    return made


def _make(kind: Any, value: Any) -> Any:
    """Plain JSON -> the annotated type."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _make(next(a for a in get_args(kind) if a is not type(None)), value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        there = (f for f in fields(kind) if f.name in value or f.default is MISSING)  # what came later has a default
        return kind(**{f.name: _make(hints[f.name], value[f.name]) for f in there})
    if origin is tuple:
        return tuple(_make(get_args(kind)[0], v) for v in value)
    if origin is Mapping:
        return {k: _make(get_args(kind)[1], v) for k, v in value.items()}
    if kind is float:
        return float(value)
    if kind is not Any and not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value


def read_config(folder: Path) -> RunConfig:
    """config.json of a run.

    Raises:
        CohortError: See `read_metrics`.
    """
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config: RunConfig = _make(RunConfig, {**raw, "raw": raw})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CohortError(f"Result file config.json of run {folder.name} cannot be read: {error!r}.") from error
    return config


def read_metrics(folder: Path) -> Metrics:
    """metrics.json of a run.

    Raises:
        CohortError: The file is missing, malformed, or of another format.
    """
    return _read(folder / "metrics.json", Metrics)


def read_tests(folder: Path) -> Tests:
    """tests.json of a run. Raises as `read_metrics`."""
    return _read(folder / "tests.json", Tests)


def read_subgroups(folder: Path) -> Subgroups:
    """subgroups.json of a run. Raises as `read_metrics`."""
    return _read(folder / "subgroups.json", Subgroups)


def read_leakage(folder: Path) -> Findings | None:
    """leakage.json of a run, or None where it was not measured. Raises as `read_metrics`."""
    path = folder / "leakage.json"
    return _read(path, Findings) if path.is_file() else None


def read_generalisation(folder: Path) -> Findings | None:
    """generalisation.json of a run, or None where it was not measured. Raises as `read_metrics`."""
    path = folder / "generalisation.json"
    return _read(path, Findings) if path.is_file() else None


def read_predictions(folder: Path) -> tuple[Prediction, ...]:
    """predictions.csv of a run.

    Raises:
        CohortError: The file is missing, or a row does not fit.
    """
    path = folder / "predictions.csv"
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return tuple(
                Prediction(
                    r["case"], r["patient"], int(r["fold"]), int(r["seed"]), r["model"], r["level"],
                    float(r["probability"]), float(r["threshold"]), int(r["label"]),
                )
                for r in csv.DictReader(lines)
            )  # fmt: skip
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise CohortError(f"Result file predictions.csv of run {folder.name} cannot be read: {error!r}.") from error


def runs(results: Path) -> tuple[Path, ...]:
    """Folders of a bundle's `results` that hold a run with metrics, by name."""
    return tuple(sorted(p.parent for p in results.glob("*/metrics.json")))


def to_json(value: object) -> Json:
    """A file of this module as plain values."""
    assert is_dataclass(value) and not isinstance(value, type)
    return asdict(value)
