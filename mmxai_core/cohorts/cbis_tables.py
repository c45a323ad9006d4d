"""The four case-description tables of CBIS-DDSM, one row a lesion in a view."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmxai_core.cohorts.case import PublishedSplit
from mmxai_core.errors import CohortError

LesionType = Literal["mass", "calcification"]
_TABLES: tuple[tuple[str, str, LesionType, PublishedSplit], ...] = (
    ("mass", "train", "mass", "train"),
    ("mass", "test", "mass", "test"),
    ("calc", "train", "calcification", "train"),
    ("calc", "test", "calcification", "test"),
)
_LABELS = {"BENIGN": "benign", "BENIGN_WITHOUT_CALLBACK": "benign", "MALIGNANT": "malignant"}
_NEEDED = (
    "patient_id", "left or right breast", "image view", "abnormality id", "assessment", "pathology", "subtlety",
    "image file path", "ROI mask file path",
)  # fmt: skip


@dataclass(frozen=True)
class LesionRow:
    """One lesion in one view.

    Attributes:
        lesion_type: Which pair of tables it is from.
        split: The published part.
        patient_id: e.g. "P_00001"; one patient may have masses and calcifications.
        side: "LEFT" or "RIGHT".
        view: "CC" or "MLO".
        number: The abnormality id, counted within the view.
        label: "benign" (BENIGN_WITHOUT_CALLBACK included) or "malignant".
        cells: The other cells as written, by column; `breast density` is renamed to `breast_density`.
    """

    lesion_type: LesionType
    split: PublishedSplit
    patient_id: str
    side: str
    view: str
    number: str
    label: str
    cells: Mapping[str, str]

    @property
    def image_folder(self) -> str:
        """Folder, and DICOM PatientID, of the full mammogram: type, part, patient, side and view joined."""
        kind = "Mass" if self.lesion_type == "mass" else "Calc"
        part = "Training" if self.split == "train" else "Test"
        return f"{kind}-{part}_{self.patient_id}_{self.side}_{self.view}"

    @property
    def lesion_folder(self) -> str:
        """Folder of the lesion's close-up and ROI mask."""
        return f"{self.image_folder}_{self.number}"

    @property
    def image_series(self) -> str:
        """SeriesInstanceUID of the full mammogram, as the table's path gives it."""
        return _series_of(self.cells["image file path"])

    @property
    def lesion_series(self) -> str:
        """SeriesInstanceUID of the ROI mask, as the table's path gives it."""
        return _series_of(self.cells["ROI mask file path"])


def read_tables(root: Path) -> tuple[LesionRow, ...]:
    """The rows of every case-description table in `root` or one folder below it.

    Raises:
        CohortError: There is no table, a column is missing, or a cell holds an unknown value.
    """
    rows: list[LesionRow] = []
    for stem, part, lesion_type, split in _TABLES:
        pattern = f"*{stem}_case_description_{part}_set*.csv"
        tables = sorted((*root.glob(pattern), *root.glob(f"*/{pattern}")))
        if tables:
            rows += _read(tables[0], lesion_type, split)
    if not rows:
        raise CohortError(f"No CBIS-DDSM table (mass_case_description_train_set.csv ...) in {root}.")
    return tuple(rows)


def _read(table: Path, lesion_type: LesionType, split: PublishedSplit) -> list[LesionRow]:
    with table.open(encoding="utf-8-sig", newline="") as lines:
        rows = [{(k or "").strip(): (v or "").strip() for k, v in row.items()} for row in csv.DictReader(lines)]
    if rows and (missing := [c for c in _NEEDED if c not in rows[0]]):
        raise CohortError(f"The CBIS-DDSM table {table.name} needs column {missing[0]!r}.")
    out = []
    for number, row in enumerate(rows, start=2):
        if (pathology := row["pathology"]) not in _LABELS:
            raise CohortError(
                f"Row {number} of {table.name}: pathology must be one of {', '.join(_LABELS)}; got {pathology!r}."
            )
        cells = {k.replace("breast density", "breast_density"): v for k, v in row.items()}
        out.append(
            LesionRow(
                lesion_type=lesion_type, split=split, patient_id=row["patient_id"], side=row["left or right breast"],
                view=row["image view"], number=row["abnormality id"], label=_LABELS[pathology], cells=cells,
            )
        )  # fmt: skip
    return out


def _series_of(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""
