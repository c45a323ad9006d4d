"""A unit: one model fitted on one fold with one seed. Its file holds all that metrics and later units need of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.types import Json

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Scores:
    """Calibrated probabilities of the positive class at one level.

    Attributes:
        test: (n,) of the fold's held-out cases.
        validation: (v,) of its validation cases.
        threshold: Youden's, from the validation cases.
        temperature: That divided the logits, from the validation cases.
    """

    test: NDArray[np.float64]
    validation: NDArray[np.float64]
    threshold: float
    temperature: float


@dataclass(frozen=True, eq=False)
class Localised:
    """One map against one mask, for each held-out case that has a mask.

    Attributes:
        case_ids: Cases.
        hit: Pointing game, without tolerance.
        iou: Of the lesion and as many strongest pixels.
        energy: Share of the evidence inside the lesion.
        lesion_share: Share of the image that the lesion covers: what a map without knowledge scores.
    """

    case_ids: tuple[str, ...]
    hit: tuple[float, ...]
    iou: tuple[float, ...]
    energy: tuple[float, ...]
    lesion_share: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Unit:
    """One (seed, fold, model).

    Attributes:
        seed: Seed of the run.
        fold: From 0.
        model: Name.
        test_ids: Held-out cases, in the order of `scores.test`.
        validation_ids: Validation cases.
        scores: By level.
        localised: Of a model with a map, or None.
        account: How it was fitted: encoder, best epochs, chosen settings.
        extra: Probabilities of the held-out cases under a changed input, by what was changed; the image level.
    """

    seed: int
    fold: int
    model: str
    test_ids: tuple[str, ...]
    validation_ids: tuple[str, ...]
    scores: dict[str, Scores]
    localised: Localised | None
    account: Json
    extra: dict[str, tuple[float, ...]]


def unit_path(folder: Path, seed: int, fold: int, model: str) -> Path:
    """Where a unit lies."""
    return folder / "units" / f"{seed}-{fold}-{model}.json"


def write_unit(folder: Path, unit: Unit) -> None:
    """Writes a unit at once and whole."""
    path = unit_path(folder, unit.seed, unit.fold, unit.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = unit.localised
    row: Json = {
        "format": FORMAT, "seed": unit.seed, "fold": unit.fold, "model": unit.model, "account": unit.account,
        "test_ids": list(unit.test_ids), "validation_ids": list(unit.validation_ids),
        "levels": {
            level: {
                "threshold": round(s.threshold, 6), "temperature": round(s.temperature, 6),
                "test": _rounded(s.test), "validation": _rounded(s.validation),
            }
            for level, s in unit.scores.items()
        },
        "localised": None if found is None else {
            "case_ids": list(found.case_ids), "hit": _rounded(found.hit), "iou": _rounded(found.iou),
            "energy": _rounded(found.energy), "lesion_share": _rounded(found.lesion_share),
        },
        "extra": {k: _rounded(v) for k, v in unit.extra.items()},
    }  # fmt: skip
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(row), encoding="utf-8")
    partial.replace(path)


def _rounded(values: object) -> list[float]:
    return [round(float(v), 6) for v in np.asarray(values, np.float64)]


def read_unit(path: Path) -> Unit:
    """A unit from its file.

    Raises:
        CohortError: The file is malformed or of another format.
    """
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        if row["format"] != FORMAT:
            raise CohortError(f"Unit {path.name} is of format {row['format']}; this version reads {FORMAT}.")
        scores = {
            level: Scores(np.array(s["test"]), np.array(s["validation"]), s["threshold"], s["temperature"])
            for level, s in row["levels"].items()
        }
        found = row["localised"]
        localised = None if found is None else Localised(**{k: tuple(v) for k, v in found.items()})
        return Unit(
            row["seed"], row["fold"], row["model"], tuple(row["test_ids"]), tuple(row["validation_ids"]), scores,
            localised, row["account"], {k: tuple(v) for k, v in row["extra"].items()},
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CohortError(f"Unit {path.name} cannot be read: {error!r}.") from error


def read_units(folder: Path) -> list[Unit]:
    """All units of a run, by seed, fold and name."""
    paths = (folder / "units").glob("*.json")
    return sorted((read_unit(p) for p in paths), key=lambda u: (u.seed, u.fold, u.model))
