"""A cohort of the user's own: one CSV that names images, masks, labels and clinical values.

Columns `case_id, patient_id, image, mask, label`, then one column a clinical field. Paths are relative to the CSV; a
blank cell is unknown. Several masks of one image are joined by `|`. A column `stratum_NAME` is kept for subgroup tables
and never fed to a model. Any other column is refused: a mistyped field name must not silently become *unknown*.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import ClinicalValueError, CohortError

NAME = "manifest"
REQUIRED = ("case_id", "patient_id", "image", "label")
OPTIONAL = ("mask",)
STRATUM = "stratum_"


def load(
    path: Path,
    *,
    schema: ClinicalSchema,
    classes: tuple[str, ...] = ("benign", "malignant"),
    positive_class: str = "malignant",
) -> Cohort:
    """The cases a manifest lists, every cell checked.

    Args:
        path: The CSV, UTF-8, separated by commas or semicolons.
        schema: Clinical fields a column may stand for: the bundle's.
        classes: Labels allowed, negative first.
        positive_class: One of `classes`.

    Raises:
        CohortError: The file cannot be read or a cell breaks a rule; the message names row and column.
        ClinicalValueError: A clinical value breaks its field's rule; the message names row and column.
    """
    header, rows = _table(path)
    _check_header(header, schema, path)
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, cells in rows:
        row = dict(zip(header, cells, strict=True))
        case = _case(row, number, folder=path.parent, schema=schema, classes=classes)
        if case.case_id in seen:
            raise CohortError(f"Row {number}, column case_id: must be unique; row {seen[case.case_id]} has the same.")
        seen[case.case_id] = number
        cases.append(case)
    if not cases:
        raise CohortError(f"The manifest {path.name} lists no case.")
    return Cohort(
        name=NAME,
        cases=tuple(cases),
        schema=schema,
        classes=classes,
        positive_class=positive_class,
        label="As the manifest states.",
        leaks=(),
        dropped=(),
        licence="The manifest's owner decides.",
        citation=f"Manifest {path.name}",
        download="Local files",
    )


def _table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header, and (row number as a spreadsheet shows it, cells) of each row that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            f"The manifest {path.name} must be UTF-8 text; byte {error.start} is not. Save it as CSV UTF-8."
        ) from error
    except OSError as error:
        raise CohortError(f"Cannot read the manifest {path}: {error.strerror}.") from error
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise CohortError(f"The manifest {path.name} is not a CSV table: {error}.") from error
    if not rows:
        raise CohortError(f"The manifest {path.name} is empty.")
    return rows[0], _numbered(rows)


def _numbered(rows: Sequence[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(rows[0]):
            raise CohortError(f"Row {number} has {len(row)} cells; the header has {len(rows[0])}.")
        yield number, row


def _check_header(header: Sequence[str], schema: ClinicalSchema, path: Path) -> None:
    if missing := [c for c in REQUIRED if c not in header]:
        raise CohortError(f"The manifest {path.name} needs column {missing[0]}; it has {', '.join(header) or 'none'}.")
    if repeated := [c for c in header if header.count(c) > 1]:
        raise CohortError(f"The manifest {path.name} has column {repeated[0]!r} twice.")
    known = (*REQUIRED, *OPTIONAL, *schema.ids)
    if strange := [c for c in header if c not in known and not c.startswith(STRATUM)]:
        raise CohortError(
            f"The manifest {path.name} has an unknown column {strange[0]!r}; clinical fields are "
            f"{', '.join(schema.ids) or 'none'}; a column for subgroups starts with {STRATUM}."
        )


def _case(
    row: Mapping[str, str], number: int, *, folder: Path, schema: ClinicalSchema, classes: tuple[str, ...]
) -> Case:
    for column in ("case_id", "patient_id", "image"):
        if not row[column]:
            raise CohortError(f"Row {number}, column {column}: must not be blank.")
    label = row["label"].lower()
    by_name = {c.lower(): c for c in classes}
    if label and label not in by_name:
        raise CohortError(
            f"Row {number}, column label: must be one of {', '.join(classes)} or blank; got {row['label']!r}."
        )
    clinical: dict[str, Any] = {}
    for field in schema.fields:
        try:
            value = field.parse(row.get(field.id))
        except ClinicalValueError as error:
            raise ClinicalValueError(f"Row {number}, column {field.id}: {error}") from error
        if value is not None:
            clinical[field.id] = value
    masks = [m.strip() for m in row.get("mask", "").split("|") if m.strip()]
    return Case(
        case_id=row["case_id"],
        patient_id=row["patient_id"],
        image=_file(folder, row["image"], number, "image"),
        masks=tuple(_file(folder, m, number, "mask") for m in masks),
        label=by_name.get(label),
        clinical=clinical,
        strata={k.removeprefix(STRATUM): v for k, v in row.items() if k.startswith(STRATUM) and v},
    )


def _file(folder: Path, name: str, number: int, column: str) -> Path:
    path = folder / name
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character
        found = False
    if not found:
        raise CohortError(f"Row {number}, column {column}: no such file beside the manifest; got {name!r}.")
    return path
