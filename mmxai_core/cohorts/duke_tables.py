"""The two workbooks of Duke-Breast-Cancer-MRI: clinical features (three header rows) and annotation boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from mmxai_core.errors import CohortError

_MISSING = {"", "nan", "nc", "np", "na"}
_WHOLE = re.compile(r"-?\d+(\.0+)?")
_BOX_COLUMNS = ("Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice")


@dataclass(frozen=True)
class LesionBox:
    """The expert's box in the whole volume. All bounds count from 1 and are inclusive, as published."""

    start_row: int
    end_row: int
    start_column: int
    end_column: int
    start_slice: int
    end_slice: int


@dataclass(frozen=True)
class DukePatient:
    """One row of the clinical workbook.

    Attributes:
        cells: Cell as text by column name, missing ones (blank, NC, NP, NA) absent.
    """

    cells: Mapping[str, str]

    def code(self, column: str) -> int | None:
        """A whole-number code by the start of its column's name, or None where missing or not one whole number."""
        cell = next((v for k, v in self.cells.items() if k.startswith(column)), "")
        return int(float(cell)) if _WHOLE.fullmatch(cell) else None


def read_clinical(root: Path) -> dict[str, DukePatient]:
    """Patients by id ("Breast_MRI_001" ...).

    The sheet `Data` has three header rows: group, name, coding. Of names that occur twice (`Shape`, `Margin`,
    `Tumor Size (cm)`, of mammography and then of ultrasound) the second gets `.1`; the grade's three parts stand under
    one name, the last two unnamed.

    Raises:
        CohortError: The workbook is missing or has another layout.
    """
    path = _workbook(root, "Clinical_and_Other_Features*.xlsx")
    table = _sheet(path, sheet_name="Data", header=1).iloc[1:]
    names = [str(c).strip() for c in table.columns]
    if "Patient ID" not in names:
        raise CohortError(f"{path.name} must name the column Patient ID in its second row; it has {names[0]!r} first.")
    out: dict[str, DukePatient] = {}
    for row in table.itertuples(index=False):
        cells = {k: t for k, v in zip(names, row, strict=True) if (t := _text(v)).lower() not in _MISSING}
        if patient_id := cells.get("Patient ID"):
            out[patient_id] = DukePatient(cells)
    return out


def read_boxes(root: Path) -> dict[str, LesionBox]:
    """The annotation box of each patient.

    Raises:
        CohortError: The workbook is missing, or lacks a column.
    """
    path = _workbook(root, "Annotation_Boxes*.xlsx")
    table = _sheet(path, sheet_name=0, header=0)
    table.columns = [str(c).strip() for c in table.columns]
    if missing := [c for c in ("Patient ID", *_BOX_COLUMNS) if c not in table.columns]:
        raise CohortError(f"{path.name} needs column {missing[0]!r}.")
    out: dict[str, LesionBox] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        bounds = [_text(row[c]) for c in _BOX_COLUMNS]
        if strange := [b for b in bounds if not _WHOLE.fullmatch(b)]:
            raise CohortError(f"Row {number} of {path.name}: bounds must be whole numbers; got {strange[0]!r}.")
        out[_text(row["Patient ID"])] = LesionBox(*(int(float(b)) for b in bounds))
    return out


def _workbook(root: Path, pattern: str) -> Path:
    found = sorted((*root.glob(pattern), *root.glob(f"*/{pattern}")))
    if not found:
        raise CohortError(f"No Duke workbook {pattern} in {root}.")
    return found[0]


def _sheet(path: Path, *, sheet_name: str | int, header: int) -> pd.DataFrame:
    try:
        return pd.read_excel(path, sheet_name=sheet_name, header=header, dtype=object)
    except (ValueError, KeyError, OSError, BadZipFile) as error:
        raise CohortError(f"{path.name} is not the Duke workbook as published ({type(error).__name__}).") from error


def _text(value: object) -> str:
    return str(value).strip()
