"""TCGA-LUAD: chest CT of lung adenocarcinoma by barcode, with clinical tables. Every patient has cancer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Cohort
from mmxai_core.cohorts.tcga_cohort import (
    Task,
    age_field,
    assemble,
    code,
    common,
    nodal_status,
    pick,
    sex_field,
    stage_group,
    stated,
    yes_no,
)
from mmxai_core.cohorts.tcga_images import find_images, prefer
from mmxai_core.cohorts.tcga_tables import Patient, read_patients

NAME = "tcga_luad"
# `egfr_mutation_status` in the biotab means that a test was performed; a result is stated only where one was found, so
# its absence says nothing, and neither column is read.
_LEAKS = (
    "ajcc_pathologic_tumor_stage", "ajcc_tumor_pathologic_pt", "ajcc_nodes_pathologic_pn",
    "ajcc_metastasis_pathologic_pm", "residual_tumor", "vital_status", "tumor_status", "death_days_to",
    "last_contact_days_to", "radiation_treatment_adjuvant", "targeted_molecular_therapy",
)  # fmt: skip
_TASKS = (
    Task("stage", ("early", "advanced"), "AJCC pathological stage: I and II, or III and IV.", _LEAKS, stage_group),
    Task("nodal_status", ("node-negative", "node-positive"), "Regional nodes by pathology (pN): N0, or N1 and above.",
         _LEAKS, nodal_status),
)  # fmt: skip
TASKS = tuple(t.name for t in _TASKS)
_SERIES = prefer("CT", r"lung|chest|thorax|thin", r"", never=r"scout|localizer|topogram|surview|dose")
_SMOKING = (
    ("never", "Never"), ("former_over_15", "Stopped over 15 years ago"),
    ("former_up_to_15", "Stopped up to 15 years ago"), ("current", "Current smoker"),
)  # fmt: skip
_SMOKING_WORDS = {
    "Lifelong Non-smoker": "never", "Current reformed smoker for > 15 years": "former_over_15",
    "Current reformed smoker for < or = 15 years": "former_up_to_15", "Current smoker": "current",
    "Lifelong Non-Smoker": "never", "Current Reformed Smoker for > 15 yrs": "former_over_15",
    "Current Reformed Smoker for < or = 15 yrs": "former_up_to_15", "Current Smoker": "current",
}  # fmt: skip
_LOBES = {
    "R-Upper": "right_upper", "R-Middle": "right_middle", "R-Lower": "right_lower",
    "L-Upper": "left_upper", "L-Lower": "left_lower",
}  # fmt: skip


def schema() -> ClinicalSchema:
    """History with smoking and lung function; lobe and place of the tumour as descriptors."""
    return ClinicalSchema(
        (
            age_field(),
            sex_field(),
            yes_no("prior_malignancy", "Earlier cancer", "Any cancer before this one."),
            Field("smoking", "Smoking", "ordinal", "history", "Cigarettes.", categories=_SMOKING),
            Field("pack_years", "Pack-years", "numeric", "history", "Packs a day times years smoked.",
                  unit="pack-years", plausible=(0, 250)),
            Field("fev1_percent", "FEV1", "numeric", "history", "Before bronchodilator, % of predicted.", unit="%",
                  plausible=(10, 180)),
            Field("lobe", "Lobe", "categorical", "descriptor", "Lobe with the tumour.",
                  categories=tuple((v, v.replace("_", " ").capitalize()) for v in _LOBES.values())),
            Field("place", "Place in the lung", "categorical", "descriptor", "Central or peripheral.",
                  categories=(("central", "Central"), ("peripheral", "Peripheral"))),
        )
    )  # fmt: skip


def clinical(patient: Patient) -> dict[str, Any]:
    """Raw values by field id."""
    return common(patient) | stated(
        smoking=code(patient, _SMOKING_WORDS, "biotab:tobacco_smoking_history_indicator", "gdc:tobacco_smoking_status"),
        pack_years=patient.number("biotab:tobacco_smoking_pack_years_smoked", "gdc:pack_years_smoked"),
        fev1_percent=patient.number("biotab:fev1_percent_ref_prebroncholiator"),
        lobe=code(patient, _LOBES, "biotab:anatomic_organ_subdivision"),
        place=code(patient, {"Central Lung": "central", "Peripheral Lung": "peripheral"},
                   "biotab:location_lung_parenchyma"),
    )  # fmt: skip


def load(root: Path, *, task: str = "stage") -> Cohort:
    """The cohort from TCIA's folders or loose DICOM files, and any of the known clinical tables.

    Args:
        root: Folder with the DICOM files; tables in it, below it, or in `tcga_clinical_tables` beside it.
        task: "stage" or "nodal_status".

    Raises:
        CohortError: Images or tables are missing or cannot be read, or there is no such task.
    """
    return assemble(
        name=NAME,
        task=pick(_TASKS, task, NAME),
        images=find_images(root, _SERIES),
        patients=read_patients(root, "TCGA-LUAD"),
        schema=schema(),
        clinical=clinical,
        root=root,
        licence="CC BY 3.0 (images); TCGA open-access tables",
        citation="Albertina et al., TCIA TCGA-LUAD, doi:10.7937/K9/TCIA.2016.JGNIHEP5",
        download="https://www.cancerimagingarchive.net/collection/tcga-luad/",
        notes=(
            "Every patient has cancer: this cohort cannot tell benign from malignant.",
            "Key slices at 35, 50 and 65 % of the longest chest series: nobody marked the lesion.",
        ),
    )
