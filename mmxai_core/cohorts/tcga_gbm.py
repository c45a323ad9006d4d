"""TCGA-GBM: brain MRI of glioblastoma: slices with masks, or TCIA's DICOM. The label is survival at one year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Cohort
from mmxai_core.cohorts.tcga_cohort import (
    Task,
    age_field,
    assemble,
    common,
    flag,
    karnofsky,
    pick,
    sex_field,
    stated,
    yes_no,
)
from mmxai_core.cohorts.tcga_images import find_images, prefer
from mmxai_core.cohorts.tcga_tables import Patient, read_patients

NAME = "tcga_gbm"
YEAR_DAYS = 365.0
_DAYS_A_MONTH = 365.25 / 12
_LEAKS = (
    "vital_status", "death_days_to", "days_to_death", "last_contact_days_to", "days_to_last_follow_up",
    "Overall Survival (Months)", "Overall Survival Status", "tumor_status", "treatment_outcome_first_course",
    "radiation_treatment_adjuvant", "pharmaceutical_tx_adjuvant",
)  # fmt: skip


def survival(patient: Patient) -> str | None:
    """Whether the patient "died" within 365 days of diagnosis or "survived" them; None if follow-up ended earlier."""
    death = patient.number("biotab:death_days_to", "gdc:days_to_death")
    contact = patient.number("biotab:last_contact_days_to", "gdc:days_to_last_follow_up")
    months = patient.number("cbioportal:Overall Survival (Months)", "cbioportal:OS_MONTHS")
    if death is None and contact is None and months is not None:
        status = patient.get("cbioportal:Overall Survival Status", "cbioportal:OS_STATUS") or ""
        death, contact = (months * _DAYS_A_MONTH, None) if status.startswith("1") else (None, months * _DAYS_A_MONTH)
    if death is not None:
        return "died" if death <= YEAR_DAYS else "survived"
    return "survived" if contact is not None and contact > YEAR_DAYS else None


_TASKS = (
    Task("survival_1y", ("survived", "died"), "Death within 365 days of diagnosis, from follow-up; patients lost to "
         "follow-up before are left out.", _LEAKS, survival),
)  # fmt: skip
TASKS = tuple(t.name for t in _TASKS)
_SERIES = prefer("MR", r"t1.*(post|\+ ?c\b|gad)|post.*t1", r"flair", r"t2", never=r"scout|loc|survey")


def schema() -> ClinicalSchema:
    """History with performance before treatment; IDH1, known from tissue, in the group `assessment`.

    There is no MGMT methylation: the table that has a column MGMT holds gene expression.
    """
    return ClinicalSchema(
        (
            age_field(),
            sex_field(),
            yes_no("prior_malignancy", "Earlier cancer", "Any cancer before this one."),
            yes_no("prior_glioma", "Earlier lower-grade glioma", "Glioblastoma that arose from a known glioma."),
            yes_no("treated_before", "Treated before surgery", "Radiotherapy or drugs before the tissue was taken."),
            Field("karnofsky", "Karnofsky score", "numeric", "history", "Before treatment.", unit="points",
                  plausible=(10, 100)),
            Field("idh1_mutated", "IDH1 mutated", "yes_no", "assessment", "By sequencing of the tumour."),
        )
    )  # fmt: skip


def clinical(patient: Patient) -> dict[str, Any]:
    """Raw values by field id."""
    return common(patient) | stated(
        prior_glioma=flag(patient, "biotab:history_lgg_dx_of_brain_tissue"),
        treated_before=flag(patient, "biotab:history_neoadjuvant_treatment"),
        karnofsky=karnofsky(patient),
        idh1_mutated={"MUTATED": True, "NOT_MUTATED": False}.get(patient.get("mutations:IDH1") or ""),
    )


def load(root: Path, *, task: str = "survival_1y") -> Cohort:
    """The cohort from slices named by barcode (`images/` and `masks/`) or from TCIA's folders.

    Args:
        root: Folder of the images; tables in it, below it, or in `tcga_clinical_tables` beside it.
        task: "survival_1y".

    Raises:
        CohortError: Images or tables are missing or cannot be read, or there is no such task.
    """
    return assemble(
        name=NAME,
        task=pick(_TASKS, task, NAME),
        images=find_images(root, _SERIES),
        patients=read_patients(root, "TCGA-GBM"),
        schema=schema(),
        clinical=clinical,
        root=root,
        licence="CC BY 3.0 for the slices; the original heads are now under controlled access. TCGA open-access tables",
        citation="Scarpace et al., TCIA TCGA-GBM, doi:10.7937/K9/TCIA.2016.RNYFUYE9",
        download="https://www.cancerimagingarchive.net/collection/tcga-gbm/",
        notes=(
            "Every patient has glioblastoma; told from TCGA-LGG a model would learn the source, not the tumour.",
            "The converted slices mix sequences and planes, and do not say which.",
        ),
    )
