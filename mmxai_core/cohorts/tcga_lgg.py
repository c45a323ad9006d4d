"""TCGA-LGG: brain MRI of WHO grade 2 and 3 gliomas: the slices of Buda et al. with masks, or TCIA's DICOM."""

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
    flag,
    karnofsky,
    pick,
    sex_field,
    stated,
    yes_no,
)
from mmxai_core.cohorts.tcga_images import find_images, prefer
from mmxai_core.cohorts.tcga_tables import Patient, read_patients

NAME = "tcga_lgg"
_LEAKS = (
    "tumor_grade", "neoplasm_histologic_grade", "histologic_diagnosis", "histological_type", "icd_o_3_histology",
    "primary_diagnosis", "idh1_mutation_found", "IDH1", "vital_status", "death01", "death_days_to",
    "last_contact_days_to", "tumor_status", "radiation_treatment_adjuvant", "targeted_molecular_therapy",
    "RNASeqCluster", "MethylationCluster",
)  # fmt: skip
_SYMPTOMS = (
    ("seizures", "Seizures", "history_seizures"),
    ("headaches", "Headaches", "history_headaches"),
    ("mental_status_changes", "Mental status changes", "symp_changes_mental_status"),
    ("visual_changes", "Visual changes", "symp_changes_visual"),
    ("sensory_changes", "Sensory changes", "symp_changes_sensory"),
    ("motor_changes", "Motor changes", "symp_changes_motor_movement"),
)
_LOBES = {
    "Supratentorial, Frontal Lobe": "frontal", "Supratentorial, Temporal Lobe": "temporal",
    "Supratentorial, Parietal Lobe": "parietal", "Supratentorial, Occipital Lobe": "occipital",
    "Posterior Fossa, Cerebellum": "posterior_fossa", "Posterior Fossa, Brain Stem": "posterior_fossa",
}  # fmt: skip
_CLASSES = ("grade 2", "grade 3")
_SIDES = {"Left": "left", "Right": "right", "Midline": "midline"}


def grade(patient: Patient) -> str | None:
    """WHO grade as "grade 2" or "grade 3": the biotab's, a GDC export's, or `data.csv`'s, where 1 is G2 and 2 is G3.

    None where the biotab calls its own records a discrepancy.
    """
    stated_grade = patient.get(
        "biotab:tumor_grade", "gdc:tumor_grade", "gdc:who_cns_grade", "slices:neoplasm_histologic_grade"
    )
    if stated_grade in ("G2", "Grade II", "1"):
        return _CLASSES[0]
    return _CLASSES[1] if stated_grade in ("G3", "Grade III", "2") else None


def idh1(patient: Patient) -> str | None:
    """IDH1 as "mutant" or "wild type": sequencing first, then the biotab, which has it for few."""
    word = patient.get("mutations:IDH1", "biotab:idh1_mutation_found")
    return {"MUTATED": "mutant", "NOT_MUTATED": "wild type", "YES": "mutant", "NO": "wild type"}.get(word or "")


_TASKS = (
    Task("grade", _CLASSES, "WHO grade 2 or 3, by histology.", _LEAKS, grade),
    Task("idh1", ("mutant", "wild type"), "IDH1 mutated or not, by sequencing or immunohistochemistry.", _LEAKS, idh1),
)
TASKS = tuple(t.name for t in _TASKS)
_SERIES = prefer("MR", r"flair", r"t1.*(post|\+ ?c\b|gad)", r"t2", never=r"scout|loc|survey")


def schema() -> ClinicalSchema:
    """History with symptoms and performance before treatment; side and lobe as descriptors."""
    return ClinicalSchema(
        (
            age_field(),
            sex_field(),
            *(yes_no(i, label, "At presentation.") for i, label, _ in _SYMPTOMS),
            yes_no("family_history_cancer", "Cancer in the family", "Any cancer."),
            yes_no("family_history_brain", "Brain tumour in the family", "Primary brain tumour."),
            yes_no("prior_malignancy", "Earlier cancer", "Any cancer before this one."),
            Field("karnofsky", "Karnofsky score", "numeric", "history", "Before treatment.", unit="points",
                  plausible=(10, 100)),
            Field("tumour_side", "Side", "categorical", "descriptor", "Side of the tumour.",
                  categories=tuple((v, k) for k, v in _SIDES.items())),
            Field("tumour_lobe", "Lobe", "categorical", "descriptor", "Where the tumour is centred.",
                  categories=(("frontal", "Frontal"), ("temporal", "Temporal"), ("parietal", "Parietal"),
                              ("occipital", "Occipital"), ("posterior_fossa", "Posterior fossa"))),
        )
    )  # fmt: skip


def clinical(patient: Patient) -> dict[str, Any]:
    """Raw values by field id; of `data.csv` age and sex (1 female, 2 male) only: its other codes are not explained."""
    values = common(patient)
    coded_sex = code(patient, {"1": "female", "2": "male"}, "slices:gender")
    if "sex" not in values and coded_sex:
        values["sex"] = coded_sex
    symptoms = {i: flag(patient, f"biotab:{column}") for i, _, column in _SYMPTOMS}
    return values | stated(
        **symptoms,
        family_history_cancer=flag(patient, "biotab:family_history_cancer_indicator"),
        family_history_brain=flag(patient, "biotab:family_history_brain_tumor"),
        karnofsky=karnofsky(patient),
        tumour_side=code(patient, _SIDES, "biotab:laterality"),
        tumour_lobe=code(patient, _LOBES, "biotab:tumor_site"),
    )


def load(root: Path, *, task: str = "grade") -> Cohort:
    """The cohort from slices named by barcode (Kaggle's folders, or `images/` and `masks/`) or from TCIA's folders.

    Args:
        root: Folder of the images; tables in it, below it, or in `tcga_clinical_tables` beside it.
        task: "grade" or "idh1".

    Raises:
        CohortError: Images or tables are missing or cannot be read, or there is no such task.
    """
    return assemble(
        name=NAME,
        task=pick(_TASKS, task, NAME),
        images=find_images(root, _SERIES, bands=("pre", "flair", "post")),
        patients=read_patients(root, "TCGA-LGG"),
        schema=schema(),
        clinical=clinical,
        root=root,
        licence="CC BY-NC-SA 4.0 (slices and masks): non-commercial. TCGA open-access tables",
        citation="Buda, Saha, Mazurowski, Computers in Biology and Medicine 2019; Pedano et al., TCIA TCGA-LGG, "
        "doi:10.7937/K9/TCIA.2016.L4LTD3TK",
        download="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
        notes=(
            "Every patient has a glioma. The hospital (stratum site) goes with scanner and grade: check across sites.",
            "Where a patient lacks a sequence, the publisher put FLAIR in its place (15 of 110 patients).",
        ),
    )
