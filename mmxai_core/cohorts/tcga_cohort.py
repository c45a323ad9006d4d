"""What the four TCGA adapters share: tasks, common fields, and images joined to clinical tables by barcode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Case, Cohort, read_mask
from mmxai_core.cohorts.tcga_images import Located
from mmxai_core.cohorts.tcga_tables import Patient
from mmxai_core.errors import CohortError

DAYS_A_YEAR = 365.25
#: TCGA asks for this sentence: https://www.cancer.gov/ccg/research/genome-sequencing/tcga/using-tcga-data/citing
ACKNOWLEDGEMENT = "results based in part on data of the TCGA Research Network, https://www.cancer.gov/tcga"


@dataclass(frozen=True)
class Task:
    """A question put to a cohort.

    Attributes:
        name: Name on the command line.
        classes: Class ids, negative first; the last one is the positive class.
        label: What the label is and how it was confirmed.
        leaks: Columns that tell the label.
        label_of: The class of a patient, or None where the tables do not say.
    """

    name: str
    classes: tuple[str, str]
    label: str
    leaks: tuple[str, ...]
    label_of: Callable[[Patient], str | None]


def age_field() -> Field:
    """Age at diagnosis."""
    return Field("age", "Age", "numeric", "history", "Age at diagnosis.", unit="years", plausible=(10, 110))


def sex_field() -> Field:
    """Sex."""
    return Field("sex", "Sex", "categorical", "history", "As recorded.",
                 categories=(("female", "Female"), ("male", "Male")))  # fmt: skip


def yes_no(field_id: str, label: str, help_text: str) -> Field:
    """A yes/no field of history."""
    return Field(field_id, label, "yes_no", "history", help_text)


def common(patient: Patient) -> dict[str, Any]:
    """Age, sex and earlier cancer, from whichever table states them."""
    days = patient.number("gdc:age_at_diagnosis")
    age = patient.number(
        "biotab:age_at_diagnosis", "biotab:age_at_initial_pathologic_diagnosis", "gdc:age_at_index",
        "cbioportal:Diagnosis Age", "cbioportal:AGE", "slices:age_at_initial_pathologic",
    )  # fmt: skip
    if age is None and days is not None:
        age = round(days / DAYS_A_YEAR, 1)
    sex = patient.get(
        "biotab:gender", "gdc:gender", "gdc:sex_at_birth", "cbioportal:Sex", "cbioportal:SEX", "mutations:Gender"
    )
    earlier = patient.get("biotab:history_other_malignancy", "gdc:prior_malignancy")
    return stated(
        age=age,
        sex=sex.lower() if sex and sex.lower() in ("female", "male") else None,
        prior_malignancy=earlier.lower().startswith("yes") if earlier else None,
    )


def stated(**values: Any) -> dict[str, Any]:
    """The values that are known."""
    return {k: v for k, v in values.items() if v is not None}


def flag(patient: Patient, *columns: str) -> bool | None:
    """A yes/no fact, or None."""
    word = (patient.get(*columns) or "").lower()
    return True if word == "yes" else False if word == "no" else None


def code(patient: Patient, names: Mapping[str, str], *columns: str) -> str | None:
    """A fact translated to a category id; None where it is missing or is none of `names`."""
    return names.get(patient.get(*columns) or "")


def karnofsky(patient: Patient) -> float | None:
    """Karnofsky score before treatment. A score from after adjuvant therapy, or of unknown time, is left out."""
    before = patient.get("biotab:performance_status_timing") in ("Pre-Operative", "Pre-Adjuvant Therapy")
    return patient.number("biotab:karnofsky_score") if before else None


def stage_group(patient: Patient) -> str | None:
    """Pathological stage as "early" (I, II) or "advanced" (III, IV); None where it is X or missing."""
    stage = patient.get(
        "biotab:ajcc_pathologic_tumor_stage", "gdc:ajcc_pathologic_stage", "gdc:tumor_stage",
        "cbioportal:Neoplasm Disease Stage American Joint Committee on Cancer Code",
        "cbioportal:AJCC_PATHOLOGIC_TUMOR_STAGE",
    )  # fmt: skip
    roman = (stage or "").upper().removeprefix("STAGE ").rstrip("ABC")
    return {"I": "early", "II": "early", "III": "advanced", "IV": "advanced"}.get(roman)


def nodal_status(patient: Patient) -> str | None:
    """Pathological N: "node-negative" (N0, isolated tumour cells too) or "node-positive" (N1mi on); None for NX."""
    nodes = patient.get(
        "biotab:ajcc_nodes_pathologic_pn", "gdc:ajcc_pathologic_n",
        "cbioportal:Neoplasm Disease Lymph Node Stage American Joint Committee on Cancer Code",
        "cbioportal:PATH_N_STAGE",
    )  # fmt: skip
    if not nodes or nodes[:2] not in ("N0", "N1", "N2", "N3"):
        return None
    return "node-negative" if nodes.startswith("N0") else "node-positive"


def pick(tasks: Sequence[Task], name: str, cohort: str) -> Task:
    """The task of that name.

    Raises:
        CohortError: There is none.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise CohortError(f"Tasks of {cohort} are {', '.join(t.name for t in tasks)}; got {name!r}.")


def assemble(
    *,
    name: str,
    task: Task,
    images: tuple[Sequence[Located], int],
    patients: Mapping[str, Patient],
    schema: ClinicalSchema,
    clinical: Callable[[Patient], dict[str, Any]],
    root: Path,
    licence: str,
    citation: str,
    download: str,
    notes: tuple[str, ...] = (),
) -> Cohort:
    """Images joined to patients by barcode, everything that is left out counted.

    Raises:
        CohortError: There is no image, no clinical table, or no image of a labelled patient.
    """
    located, unfit = images
    if not located:
        raise CohortError(f"No image of a patient with a TCGA barcode that {name} can use was found under {root}.")
    if not patients:
        raise CohortError(f"No clinical table of {name} was found in {root}, below it or beside it.")
    lost = Counter({"patient without a series that fits the cohort": unfit})
    cases: list[Case] = []
    implausible: set[tuple[str, str]] = set()
    for found in located:
        patient = patients.get(found.barcode)
        label = task.label_of(patient) if patient else None
        if patient is None:
            lost["patient in no clinical table of the project"] += 1
        elif label is None:
            lost[f"{task.name} not stated"] += 1
        elif found.masks and not any(read_mask(m).any() for m in found.masks):
            lost["no tumour outlined on the slice"] += 1
        else:
            values, strange = _plausible(schema, clinical(patient))
            implausible |= {(found.barcode, field_id) for field_id in strange}
            cases.append(_case(found, patient, label, values))
    if not cases:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in lost.items() if count)
        raise CohortError(f"None of the {len(located)} images under {root} can be used ({reasons}).")
    odd = Counter(field_id for _, field_id in implausible)
    return Cohort(
        name=name,
        cases=tuple(cases),
        schema=schema,
        classes=task.classes,
        positive_class=task.classes[1],
        label=task.label,
        leaks=task.leaks,
        dropped=tuple((reason, count) for reason, count in lost.items() if count),
        licence=licence,
        citation=f"{citation}; {ACKNOWLEDGEMENT}",
        download=download,
        task=task.name,
        notes=(*notes, *(f"{schema[f].label}, implausible values taken as unknown: {n}." for f, n in odd.items())),
    )


def _case(found: Located, patient: Patient, label: str, values: dict[str, Any]) -> Case:
    race = patient.get("biotab:race", "gdc:race", "cbioportal:Race Category", "cbioportal:RACE", "mutations:Race")
    return Case(
        case_id=found.case_id,
        patient_id=found.barcode,
        image=found.image,
        masks=found.masks,
        label=label,
        clinical=values,
        # The second part of a barcode is the hospital that sent the tissue.
        strata={"site": found.barcode[5:7], **({"race": race.lower()} if race else {}), **found.strata},
        channels=found.channels,
    )


def _plausible(schema: ClinicalSchema, values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values, and the ids of the numbers outside their field's plausible range, which are left out."""
    strange = []
    for field_id, value in values.items():
        limits = schema[field_id].plausible
        if limits and not limits[0] <= float(value) <= limits[1]:
            strange.append(field_id)
    return {k: v for k, v in values.items() if k not in strange}, strange
