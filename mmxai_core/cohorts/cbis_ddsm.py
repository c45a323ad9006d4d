"""CBIS-DDSM: digitised film mammograms with masses and calcifications, ROI masks, descriptors and biopsy results.

A case is one lesion in one view: the full mammogram, its ROI mask and the publisher's close-up. There is no age and no
history in the tables, so every field is a reading of the image.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.cohorts.cbis_files import LesionFiles, find_files, index_folders
from mmxai_core.cohorts.cbis_tables import LesionRow, LesionType, read_tables
from mmxai_core.errors import CohortError

NAME = "cbis_ddsm"
TASKS = ("all", "mass", "calcification")

# Each list runs from least to most suspicious; a lesion with several takes the most suspicious one.
_SHAPES = (
    ("lymph_node", "Lymph node"), ("oval", "Oval"), ("round", "Round"), ("lobulated", "Lobulated"),
    ("asymmetric_breast_tissue", "Asymmetric breast tissue"), ("focal_asymmetric_density", "Focal asymmetric density"),
    ("architectural_distortion", "Architectural distortion"), ("irregular", "Irregular"),
)  # fmt: skip
_MARGINS = (
    ("circumscribed", "Circumscribed"), ("obscured", "Obscured"), ("microlobulated", "Microlobulated"),
    ("ill_defined", "Ill defined"), ("spiculated", "Spiculated"),
)  # fmt: skip
_CALCIFICATIONS = (
    ("skin", "Skin"), ("vascular", "Vascular"), ("coarse", "Coarse"), ("large_rodlike", "Large rod-like"),
    ("round_and_regular", "Round and regular"), ("lucent_center", "Lucent centre"), ("eggshell", "Eggshell"),
    ("milk_of_calcium", "Milk of calcium"), ("dystrophic", "Dystrophic"), ("punctate", "Punctate"),
    ("amorphous", "Amorphous"), ("pleomorphic", "Pleomorphic"), ("fine_linear_branching", "Fine linear branching"),
)  # fmt: skip
_DISTRIBUTIONS = (
    ("diffusely_scattered", "Diffusely scattered"), ("regional", "Regional"), ("clustered", "Clustered"),
    ("linear", "Linear"), ("segmental", "Segmental"),
)  # fmt: skip
_SYNONYMS = {"lucent_centered": "lucent_center"}


def schema(task: str = "all") -> ClinicalSchema:
    """Descriptors of the BI-RADS mammography lexicon (DDSM used its 1990s edition) and the reader's assessment.

    Args:
        task: One of `TASKS`; the fields of a lesion type that is not asked for are left out.
    """
    mass = (
        Field("shape", "Mass shape", "categorical", "descriptor", "The most suspicious shape named.",
              categories=_SHAPES),
        Field("margin", "Mass margin", "categorical", "descriptor", "The most suspicious margin named.",
              categories=_MARGINS),
    )  # fmt: skip
    calcification = (
        Field("calcification_type", "Calcification type", "categorical", "descriptor", "The most suspicious one named.",
              categories=_CALCIFICATIONS),
        Field("calcification_distribution", "Distribution", "categorical", "descriptor",
              "The most suspicious one named.", categories=_DISTRIBUTIONS),
    )  # fmt: skip
    return ClinicalSchema(
        (
            Field("breast_density", "Breast density", "ordinal", "descriptor", "ACR category of the whole breast.",
                  categories=(("1", "Almost entirely fatty"), ("2", "Scattered fibroglandular"),
                              ("3", "Heterogeneously dense"), ("4", "Extremely dense"))),
            *((Field("lesion_type", "Lesion type", "categorical", "descriptor", "What the reader outlined.",
                     categories=(("mass", "Mass"), ("calcification", "Calcification"))),) if task == "all" else ()),
            *(mass if task != "calcification" else ()),
            *(calcification if task != "mass" else ()),
            Field("subtlety", "Visibility", "ordinal", "descriptor", "How easily the lesion is seen.",
                  categories=tuple((str(i), f"{i}{extreme}") for i, extreme in
                                   ((1, ", subtle"), (2, ""), (3, ""), (4, ""), (5, ", obvious")))),
            Field("birads", "BI-RADS category", "ordinal", "assessment", "The reader's own category, 1 to 5.",
                  categories=tuple((str(i), str(i)) for i in range(1, 6))),
        )
    )  # fmt: skip


def load(root: Path, *, task: str = "all") -> Cohort:
    """The cohort as TCIA delivers it: the case-description tables and the DICOM folders, classic or descriptive.

    Args:
        root: Folder with the tables and, at any depth, the folders `Mass-Training_P_00001_LEFT_CC` ...
        task: "all" lesions, or "mass" or "calcification" alone with its own published split. With both, 31 patients
            have one type in training and the other in test; their training lesions are dropped.

    Raises:
        CohortError: A file is missing, cannot be read, or holds a value the adapter does not know.
    """
    if task not in TASKS:
        raise CohortError(f"CBIS-DDSM tasks are {', '.join(TASKS)}; got {task!r}.")
    rows = [r for r in read_tables(root) if task in ("all", r.lesion_type)]
    if not rows:
        raise CohortError(f"{root} has no CBIS-DDSM table of {task} lesions.")
    folders = index_folders(root)
    tested = {r.patient_id for r in rows if r.split == "test"}
    cases: list[Case] = []
    lost, seen = Counter[str](), Counter[str]()
    for row in rows:
        if row.split == "train" and row.patient_id in tested:
            lost["patient has other lesions in the published test set"] += 1
            continue
        files = find_files(row, folders)
        if files.image is None:
            lost["full mammogram missing"] += 1
            continue
        seen.update(swapped=files.swapped, odd=files.odd_mask, unmasked=files.mask is None and not files.odd_mask)
        cases.append(_case(row, files, files.image, task))
    if not cases:
        patients = len({r.patient_id for r in rows})
        raise CohortError(f"No mammogram of the tables' {len(rows)} lesions ({patients} patients) is under {root}.")
    return Cohort(
        name=NAME,
        cases=tuple(cases),
        schema=schema(task),
        classes=("benign", "malignant"),
        positive_class="malignant",
        label="Benign or malignant, by biopsy, or benign by follow-up or without call-back (BENIGN_WITHOUT_CALLBACK).",
        leaks=("pathology",),
        dropped=tuple(lost.items()),
        licence="CC BY 3.0",
        citation="Lee et al., Scientific Data 2017; TCIA CBIS-DDSM, doi:10.7937/K9/TCIA.2016.7O02S9CY",
        download="https://www.cancerimagingarchive.net/collection/cbis-ddsm/",
        task=task,
        notes=_notes(seen),
    )


def _case(row: LesionRow, files: LesionFiles, image: Path, task: str) -> Case:
    kind = {"lesion_type": row.lesion_type} if task == "all" else {}
    return Case(
        case_id=row.lesion_folder,
        patient_id=f"{NAME}-{row.patient_id}",
        image=image,
        masks=(files.mask,) if files.mask else (),
        label=row.label,
        clinical={**kind, **clinical(row)},
        strata={"lesion_type": row.lesion_type, "side": row.side, "view": row.view,
                "density": row.cells.get("breast_density", "")},
        split=row.split,
        crop=files.crop,
    )  # fmt: skip


def clinical(row: LesionRow) -> dict[str, Any]:
    """Raw values by field id, lesion type apart.

    Density 0, subtlety 0 and assessment 0 (further imaging needed) are unknown.

    Raises:
        CohortError: A cell names a finding that the adapter does not know.
    """
    cells = row.cells
    values: dict[str, Any] = {}
    for field_id, column in (("breast_density", "breast_density"), ("subtlety", "subtlety"), ("birads", "assessment")):
        if (cell := cells.get(column, "")) not in ("", "0"):
            values[field_id] = cell
    columns: dict[LesionType, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]] = {
        "mass": (("shape", "mass shape", _SHAPES), ("margin", "mass margins", _MARGINS)),
        "calcification": (("calcification_type", "calc type", _CALCIFICATIONS),
                          ("calcification_distribution", "calc distribution", _DISTRIBUTIONS)),
    }  # fmt: skip
    for field_id, column, categories in columns[row.lesion_type]:
        if (cell := cells.get(column, "")).upper() not in ("", "N/A", "NA"):
            values[field_id] = _most_suspicious(cell, column, [c for c, _ in categories])
    return values


def _most_suspicious(cell: str, column: str, order: list[str]) -> str:
    findings = [_SYNONYMS.get(f.lower(), f.lower()) for f in cell.split("-")]
    if strange := [f for f in findings if f not in order]:
        raise CohortError(f"Unknown {column} {strange[0]!r} in a CBIS-DDSM table; known: {', '.join(order)}.")
    return max(findings, key=order.index)


def _notes(seen: Counter[str]) -> tuple[str, ...]:
    sentences = (
        (seen["swapped"], "Close-up and mask files swapped against the table, told apart by their pixels"),
        (seen["odd"], "ROI masks of another size than their mammogram, not used"),
        (seen["unmasked"], "Lesions without an ROI mask"),
    )
    return ("Digitised film: the grey levels are not a digital mammogram's.",
            *(f"{what}: {count}." for count, what in sentences if count))  # fmt: skip
