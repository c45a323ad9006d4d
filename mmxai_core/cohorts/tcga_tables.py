"""TCGA clinical tables, in the layouts they are published in, as facts of a patient.

Read are: BCR biotabs (three header rows), GDC exports of three generations (`submitter_id`; `case_submitter_id`, one
row a treatment; `cases.submitter_id` with prefixed columns), cBioPortal (web export and study download), the glioma
mutation table of UCI, and the `data.csv` of the LGG slices. A fact is named by layout and column, because one column
name means different things in two layouts: `age_at_diagnosis` is years in a biotab and days in a GDC export.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmxai_core.errors import CohortError

Layout = Literal["biotab", "gdc", "cbioportal", "mutations", "slices"]
BARCODE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
#: The source's own records contradict each other; no other table may settle it.
DISCREPANCY = "[Discrepancy]"
_SUFFIXES = (".txt", ".tsv", ".csv")
_BESIDE = ("tcga_clinical_tables", "clinical")
_MISSING = {"", "--", "'--", "na", "n/a", "nan", "not reported", "unknown", "not available"}
_PREFIX = re.compile(r"(cases|demographic|diagnoses|exposures|project)\.(.+)")
_KEYS: tuple[tuple[Layout, str, str], ...] = (  # layout, column of the patient, a column that must be there as well
    ("biotab", "bcr_patient_barcode", "bcr_patient_uuid"),
    ("gdc", "cases.submitter_id", "cases.submitter_id"),
    ("gdc", "case_submitter_id", "case_submitter_id"),
    ("gdc", "submitter_id", "project_id"),
    ("cbioportal", "Patient ID", "Study ID"),
    ("cbioportal", "PATIENT_ID", "PATIENT_ID"),
    ("mutations", "Case_ID", "IDH1"),
    ("slices", "Patient", "neoplasm_histologic_grade"),
)
_PROJECT_COLUMNS = ("project_id", "project.project_id", "Project", "Study ID", "CANCER_TYPE_ACRONYM")


@dataclass(frozen=True)
class Patient:
    """One patient's facts.

    Attributes:
        barcode: "TCGA-XX-NNNN".
        facts: "layout:column" -> cell as written, missing ones absent.
    """

    barcode: str
    facts: Mapping[str, str]

    def get(self, *columns: str) -> str | None:
        """The first of these facts ("biotab:tumor_grade" ...) that is stated; None where it is a discrepancy."""
        for column in columns:
            if (value := self.facts.get(column)) is not None:
                return None if value == DISCREPANCY else value
        return None

    def number(self, *columns: str) -> float | None:
        """The first stated fact as a number, or None."""
        value = self.get(*columns)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None


def read_patients(root: Path, project: str) -> dict[str, Patient]:
    """Facts of one project's patients from every clinical table found.

    Args:
        root: Tables lie in it, up to two folders below it, or beside it in `tcga_clinical_tables` or `clinical`.
        project: "TCGA-BRCA" ...; rows that state another project are left out.

    Raises:
        CohortError: A table has no header or a row of another length.
    """
    facts: dict[str, dict[str, str]] = {}
    for path in _tables(root):
        for barcode, column, cell in read_table(path, project):
            facts.setdefault(barcode, {}).setdefault(column, cell)
    return {barcode: Patient(barcode, found) for barcode, found in sorted(facts.items())}


def read_table(path: Path, project: str) -> Iterator[tuple[str, str, str]]:
    """Each stated cell of one table: (barcode, "layout:column", value); nothing where it is no known clinical table.

    Raises:
        CohortError: A row is longer than the header.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        first = next((line for line in lines if not line.startswith("#")), "")
        delimiter = "\t" if "\t" in first else ";" if first.count(";") > first.count(",") else ","
        header = next(csv.reader([first], delimiter=delimiter), [])
        found = next(((layout, key) for layout, key, other in _KEYS if key in header and other in header), None)
        if found is None or not _of_project(project, path.name, found[0]):
            return
        layout, key = found
        names = _names(header, layout)
        rows = [_row(cells, header, path) for cells in csv.reader(lines, delimiter=delimiter) if any(cells)]
    place = header.index(key)
    for row in _primary_first(rows, header):
        barcode = row[place].strip().replace("_", "-")
        if BARCODE.fullmatch(barcode) and _states_project(row, header, project):
            yield from ((barcode, name, cell) for name, cell in zip(names, map(_clean, row), strict=True) if cell)


def _tables(root: Path) -> list[Path]:
    beside = [root.resolve().parent / name for name in _BESIDE]
    folders = [
        root,
        *sorted(p for p in root.glob("*") if p.is_dir()),
        *sorted(p for p in root.glob("*/*") if p.is_dir()),
    ]
    folders += [b for b in beside if b.is_dir() and b not in folders]
    return [f for folder in folders for f in sorted(folder.glob("*")) if f.suffix.lower() in _SUFFIXES and f.is_file()]


def _row(cells: list[str], header: Sequence[str], path: Path) -> list[str]:
    if len(cells) > len(header):
        raise CohortError(f"A row of {path.name} has {len(cells)} cells; its header has {len(header)}.")
    return [*cells, *[""] * (len(header) - len(cells))]


def _names(header: Sequence[str], layout: Layout) -> list[str]:
    """The name "layout:column" of each column: GDC prefixes removed, a repeated name counted (`diagnosis.1`)."""
    names: list[str] = []
    for column in header:
        match = _PREFIX.fullmatch(column) if layout == "gdc" else None
        name = f"{layout}:{match.group(2) if match else column}"
        again = sum(n == name or n.startswith(f"{name}.") for n in names)
        names.append(f"{name}.{again}" if again else name)
    return names


def _clean(cell: str) -> str:
    """The cell, or "" where it means missing. Any other word in square brackets than a discrepancy does."""
    text = cell.strip()
    if text == DISCREPANCY:
        return text
    return "" if text.lower() in _MISSING or (text.startswith("[") and text.endswith("]")) else text


def _primary_first(rows: Iterable[list[str]], header: Sequence[str]) -> list[list[str]]:
    """GDC repeats a case for each diagnosis and treatment: the primary disease's row speaks first."""
    column = "diagnoses.diagnosis_is_primary_disease"
    if column not in header:
        return list(rows)
    place = header.index(column)
    return sorted(rows, key=lambda r: r[place].strip().lower() != "true")


def _of_project(project: str, name: str, layout: Layout) -> bool:
    code = re.search(r"clinical_patient_([a-z]+)", name.lower())
    if layout == "slices":
        return project == "TCGA-LGG"
    return code is None or layout != "biotab" or code.group(1) == project.removeprefix("TCGA-").lower()


def _states_project(row: Sequence[str], header: Sequence[str], project: str) -> bool:
    code = project.removeprefix("TCGA-").lower()
    for column in _PROJECT_COLUMNS:
        if column in header and (stated := row[header.index(column)].strip().lower()):
            return stated in (code, f"tcga-{code}") or stated.startswith(f"{code}_tcga")
    return True
