"""Duke-Breast-Cancer-MRI: dynamic contrast MRI of invasive cancers with clinical features and lesion boxes.

A case is a key slice through the lesion with three planes: before, early and late after contrast. It comes from TCIA's
DICOM folders with the annotation boxes, or from the 224-pixel crops of the BreastDCEDL project (`slices.csv`).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Channel, Cohort, find_raster
from mmxai_core.cohorts.dicom_tree import folders_named, read_series
from mmxai_core.cohorts.duke_phases import key_slices
from mmxai_core.cohorts.duke_tables import DukePatient, read_boxes, read_clinical
from mmxai_core.errors import CohortError
from mmxai_core.types import Box

NAME = "duke_breast_mri"
TASKS = ("nodal_status", "grade")
#: As in the BreastDCEDL slices: not the centre, where necrosis may lie, and not the edge.
KEY_DEPTHS = (0.4, 0.6)

_CLASSES = {"nodal_status": ("node-negative", "node-positive"), "grade": ("low or intermediate", "high")}
_LABELS = {
    "nodal_status": "The workbook's nodal stage, of pathology or clinical: N0, or N1 to N3.",
    "grade": "Nottingham grade of the tumour: 1 and 2, or 3.",
}
_TREATMENT = (
    "Oncotype score", "group SURGERY", "group Radiation Therapy", "group Tumor Response", "group Recurrence",
    "group Follow Up", "group Chemotherapy", "group Endocrine Therapy", "group Anti-Her2 Neu Therapy",
    "group Neoadjuvant therapy", "group Near Complete Response",
)  # fmt: skip
_LEAKS = {
    "nodal_status": ("Staging(Nodes)", "Staging(Metastasis)", "Pathologic stage (N) following neoadjuvant therapy",
                     "Metastatic at Presentation", *_TREATMENT),
    "grade": ("Nottingham grade", "Tumor Grade (tubule, nuclear, mitotic)", "Histologic type", "ER", "PR", "HER2",
              "Mol Subtype", *_TREATMENT),
}  # fmt: skip
_MANUFACTURERS: dict[int | None, str] = {0: "GE", 1: "MPTronic software", 2: "Siemens"}
_TESLA: dict[int | None, str] = {0: "1.494", 1: "1.5", 2: "2.8936", 3: "3"}
_FINDINGS = (  # id, label, the column's first words as spelled in the workbook
    ("multifocal", "Multifocal or multicentric", "Multicentric/Multifocal"),
    ("contralateral_involvement", "Other breast involved", "Contralateral Breast Involvement"),
    ("skin_nipple_involvement", "Skin or nipple involved", "Skin/Nipple Inv"),
    ("chest_wall_involvement", "Chest wall involved", "Pec/Chest Involvement"),
)
_STATUS = (("no", "Negative"), ("yes", "Positive"))
_RECEPTORS = (("er", "Oestrogen receptor", "ER"), ("pr", "Progesterone receptor", "PR"), ("her2", "HER2", "HER2"))


def schema(task: str = "nodal_status") -> ClinicalSchema:
    """History; the radiologist's findings on MRI; and, as assessment, suspicious nodes and receptors.

    Suspicious nodes on MRI are a reading of what nodal status is about, so they stand in `assessment`. Receptors come
    from the tissue that was graded, so they are no field of the task "grade".
    """
    receptors = tuple(
        Field(i, label, "yes_no", "assessment", "By biopsy.", categories=_STATUS) for i, label, _ in _RECEPTORS
    )
    return ClinicalSchema(
        (
            Field("age", "Age", "numeric", "history", "Age at diagnosis.", unit="years", plausible=(10, 110)),
            Field("menopause", "Menopausal status", "ordinal", "history", "At diagnosis.",
                  categories=(("pre", "Premenopausal"), ("post", "Postmenopausal"))),
            *(Field(i, label, "yes_no", "descriptor", "On MRI.") for i, label, _ in _FINDINGS),
            Field("suspicious_nodes", "Suspicious nodes", "yes_no", "assessment",
                  "Lymphadenopathy or suspicious nodes on MRI."),
            *(receptors if task == "nodal_status" else ()),
        )
    )  # fmt: skip


def clinical(patient: DukePatient, task: str = "nodal_status") -> dict[str, Any]:
    """Raw values by field id, unknown ones absent."""
    values: dict[str, Any] = {}
    if (days := patient.code("Date of Birth (Days)")) is not None:
        values["age"] = round(-days / 365.25, 1)
    if (menopause := patient.code("Menopause")) in (0, 1):
        values["menopause"] = "post" if menopause else "pre"
    columns = {i: column for i, _, column in _FINDINGS} | {"suspicious_nodes": "Lymphadenopathy"}
    if task == "nodal_status":
        columns |= {i: column for i, _, column in _RECEPTORS}
    for field_id, column in columns.items():
        if (code := patient.code(column)) in (0, 1):
            values[field_id] = bool(code)
    return values


def label_of(patient: DukePatient, task: str) -> str | None:
    """The class, or None where the stage is Nx or blank, or the tumour was not graded."""
    negative, positive = _CLASSES[task]
    if task == "grade":
        return {1: negative, 2: negative, 3: positive}.get(patient.code("Nottingham grade") or 0)
    nodes = patient.code("Staging(Nodes)")
    return None if nodes is None or nodes < 0 else positive if nodes else negative


def load(root: Path, *, task: str = "nodal_status") -> Cohort:
    """The cohort from either layout.

    Args:
        root: Folder with the clinical workbook and either `slices.csv` with `images/`, or the annotation boxes and
            TCIA's folders `Breast_MRI_001` ... at any depth.
        task: "nodal_status" or "grade".

    Raises:
        CohortError: A file is missing or cannot be read, or there is no such task.
    """
    if task not in TASKS:
        raise CohortError(f"Duke tasks are {', '.join(TASKS)}; got {task!r}.")
    patients = read_clinical(root)
    lost = Counter[str]()

    def known(patient_id: str) -> tuple[DukePatient, str] | None:
        patient = patients.get(patient_id)
        label = label_of(patient, task) if patient else None
        if patient is None or label is None:
            lost[f"{task} not stated" if patient else "patient not in the clinical workbook"] += 1
            return None
        return patient, label

    crops = (root / "slices.csv").is_file()
    cases = _from_crops(root, known, lost, task) if crops else _from_dicom(root, known, lost, task)
    if not cases:
        reasons = (
            "; ".join(f"{count}: {reason}" for reason, count in lost.items()) or "no patient folder, no slices.csv"
        )
        raise CohortError(f"No slice of the {len(patients)} patients of the workbook can be used ({reasons}).")
    return Cohort(
        name=NAME,
        cases=tuple(cases),
        schema=schema(task),
        classes=_CLASSES[task],
        positive_class=_CLASSES[task][1],
        label=_LABELS[task],
        leaks=_LEAKS[task],
        dropped=tuple(lost.items()),
        licence="CC BY-NC 4.0: non-commercial",
        citation="Saha et al., British Journal of Cancer 2018; TCIA Duke-Breast-Cancer-MRI, doi:10.7937/TCIA.e3sv-re93"
        + ("; slices: BreastDCEDL, Scientific Data 2026, doi:10.1038/s41597-026-06589-6" if crops else ""),
        download="https://www.cancerimagingarchive.net/collection/duke-breast-cancer-mri/",
        task=task,
        notes=("Every patient has invasive cancer: this cohort cannot tell benign from malignant.",
               *(("Slices are 80 mm crops centred on the expert's box: where the lesion is, is partly given.",)
                 if crops else ("Slices were chosen by the expert's box; phases by the series' names.",))),
    )  # fmt: skip


_Known = Callable[[str], "tuple[DukePatient, str] | None"]


def _from_crops(root: Path, known: _Known, lost: Counter[str], task: str) -> list[Case]:
    with (root / "slices.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    cases = []
    for number, row in enumerate(rows, start=2):
        try:
            patient_id, place = row["pid"], int(row["slice_index"])
            x, y, w, h = (float(row[f"bbox_{side}"]) for side in "xywh")
        except (KeyError, ValueError, TypeError) as error:
            raise CohortError(
                f"Row {number} of slices.csv lacks a usable pid, slice_index or bbox ({error})."
            ) from error
        case_id = f"{patient_id}_slice_{place:03d}"
        image = find_raster(root / "images", case_id) or find_raster(root / "images" / patient_id, f"slice_{place:03d}")
        if image is None:
            lost["image file missing"] += 1
        elif (found := known(patient_id)) is not None:
            planes = tuple(Channel(name, image, band) for band, name in enumerate(("pre", "early", "late")))
            cases.append(_case(case_id, patient_id, image, found, (x, y, x + w, y + h), planes, task))
    return cases


def _from_dicom(root: Path, known: _Known, lost: Counter[str], task: str) -> list[Case]:
    boxes = read_boxes(root)
    cases = []
    for patient_id, folder in sorted(folders_named(root, lambda n: n.startswith("Breast_MRI_")).items()):
        if (found := known(patient_id)) is None:
            continue
        box = boxes.get(patient_id)
        slices = key_slices(read_series(folder, own_folder_depth=2), box, KEY_DEPTHS) if box else "no annotation box"
        if box is None or isinstance(slices, str):
            lost[str(slices)] += 1
            continue
        # Published bounds count from 1 and are inclusive; a Box counts from 0 and excludes its far edge.
        on_slice = (box.start_column - 1.0, box.start_row - 1.0, float(box.end_column), float(box.end_row))
        for key in slices:
            planes = (Channel("pre", key.pre), Channel("early", key.early), Channel("late", key.late))
            case_id = f"{patient_id}_slice_{key.number:03d}"
            cases.append(_case(case_id, patient_id, key.early, found, on_slice, planes, task))
    return cases


def _case(
    case_id: str, patient_id: str, image: Path, found: tuple[DukePatient, str], box: Box, planes: tuple[Channel, ...],
    task: str,
) -> Case:  # fmt: skip
    patient, label = found
    strata = {
        "manufacturer": _MANUFACTURERS.get(patient.code("Manufacturer"), "unknown"),
        "field_strength_tesla": _TESLA.get(patient.code("Field Strength"), "unknown"),
    }
    return Case(
        case_id=case_id, patient_id=patient_id, image=image, label=label, clinical=clinical(patient, task),
        strata=strata, boxes=(box,), channels=planes,
    )  # fmt: skip
