"""TCGA-BRCA: breast MRI from TCIA by barcode, with clinical tables. Every patient has invasive cancer."""

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

NAME = "tcga_brca"
_STAGE_COLUMNS = (
    "ajcc_pathologic_tumor_stage", "ajcc_tumor_pathologic_pt", "ajcc_nodes_pathologic_pn",
    "ajcc_metastasis_pathologic_pm", "lymph_nodes_examined_he_count", "lymph_nodes_examined_ihc_count",
    "axillary_staging_method", "vital_status", "tumor_status", "death_days_to", "last_contact_days_to",
    "radiation_treatment_adjuvant", "pharmaceutical_tx_adjuvant",
)  # fmt: skip
_TASKS = (
    Task("nodal_status", ("node-negative", "node-positive"),
         "Axillary nodes by pathology (pN): N0, isolated tumour cells included, or N1mi and above.",
         _STAGE_COLUMNS, nodal_status),
    Task("stage", ("early", "advanced"), "AJCC pathological stage: I and II, or III and IV.", _STAGE_COLUMNS,
         stage_group),
)  # fmt: skip
TASKS = tuple(t.name for t in _TASKS)
# Dynamic series after contrast first, then any with contrast, then any T1, then whatever is longest.
_SERIES = prefer(
    "MR", r"dyn|vibrant|multiphase", r"post|\+ ?c\b|gad|contrast", r"t1", r"", never=r"scout|loc|survey|cal"
)
_STATUS = (("no", "Negative"), ("yes", "Positive"))
_MENOPAUSE = {"Pre": "pre", "Peri": "peri", "Post": "post"}
_HISTOLOGY = {
    "Infiltrating Ductal Carcinoma": "ductal", "Infiltrating duct carcinoma, NOS": "ductal",
    "Infiltrating Lobular Carcinoma": "lobular", "Lobular carcinoma, NOS": "lobular",
    "Mixed Histology (please specify)": "mixed", "Infiltrating duct and lobular carcinoma": "mixed",
}  # fmt: skip


def schema() -> ClinicalSchema:
    """History; the side of the tumour; and what the biopsy said, in the group `assessment`."""
    receptor = "By immunohistochemistry of the tumour."
    return ClinicalSchema(
        (
            age_field(),
            sex_field(),
            Field("menopause", "Menopausal status", "ordinal", "history", "At diagnosis.",
                  categories=(("pre", "Premenopausal"), ("peri", "Perimenopausal"), ("post", "Postmenopausal"))),
            yes_no("prior_malignancy", "Earlier cancer", "Any cancer before this one."),
            Field("tumour_side", "Side of the tumour", "categorical", "descriptor", "Breast with the tumour.",
                  categories=(("left", "Left"), ("right", "Right"))),
            Field("histology", "Histological type", "categorical", "assessment", "By biopsy.",
                  categories=(("ductal", "Ductal"), ("lobular", "Lobular"), ("mixed", "Ductal and lobular"))),
            Field("er", "Oestrogen receptor", "yes_no", "assessment", receptor, categories=_STATUS),
            Field("pr", "Progesterone receptor", "yes_no", "assessment", receptor, categories=_STATUS),
            Field("her2", "HER2", "yes_no", "assessment", "Immunohistochemistry, then in-situ hybridisation.",
                  categories=_STATUS),
        )
    )  # fmt: skip


def clinical(patient: Patient) -> dict[str, Any]:
    """Raw values by field id. An indeterminate or equivocal receptor is unknown."""
    side = {s.split()[0] for s in (patient.get("biotab:anatomic_neoplasm_subdivision") or "").split("|") if s}
    return common(patient) | stated(
        menopause=_MENOPAUSE.get((patient.get("biotab:menopause_status") or "").split(" ")[0]),
        tumour_side=side.pop().lower() if side in ({"Left"}, {"Right"}) else None,
        histology=code(patient, _HISTOLOGY, "biotab:histological_type", "gdc:primary_diagnosis"),
        er=_positive(patient, "biotab:er_status_by_ihc"),
        pr=_positive(patient, "biotab:pr_status_by_ihc"),
        her2=_first(_positive(patient, "biotab:her2_status_by_ihc"), _positive(patient, "biotab:her2_fish_status")),
    )


def load(root: Path, *, task: str = "nodal_status") -> Cohort:
    """The cohort from TCIA's folders and any of the known clinical tables.

    Args:
        root: Folder with the DICOM tree; tables in it, below it, or in `tcga_clinical_tables` beside it.
        task: "nodal_status" or "stage".

    Raises:
        CohortError: Images or tables are missing or cannot be read, or there is no such task.
    """
    return assemble(
        name=NAME,
        task=pick(_TASKS, task, NAME),
        images=find_images(root, _SERIES),
        patients=read_patients(root, "TCGA-BRCA"),
        schema=schema(),
        clinical=clinical,
        root=root,
        licence="CC BY 3.0 (images); TCGA open-access tables",
        citation="Lingle et al., TCIA TCGA-BRCA, doi:10.7937/K9/TCIA.2016.AB2NAZRP",
        download="https://www.cancerimagingarchive.net/collection/tcga-brca/",
        notes=(
            "Every patient has cancer: this cohort cannot tell benign from malignant.",
            "Key slices at 35, 50 and 65 % of the longest contrast series: nobody marked the lesion.",
        ),
    )


def _positive(patient: Patient, column: str) -> bool | None:
    return {"Positive": True, "Negative": False}.get(patient.get(column) or "")


def _first(*answers: bool | None) -> bool | None:
    return next((a for a in answers if a is not None), None)
