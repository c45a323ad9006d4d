"""A card speaks of its own organ and modality, and of what its data's licence allows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.case import Cohort
from mmxai_core.training.card import model_card
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.purpose import intended_use, known_purpose, purpose_of

RESULTS = Path(__file__).resolve().parents[2] / "pretrained" / "breast-us" / "results.json"
SCHEMA = ClinicalSchema((Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110)),))


def _cohort(name: str, task: str = "", licence: str = "CC BY 4.0") -> Cohort:
    return Cohort(
        name, (), SCHEMA, ("low", "high_grade"), "high_grade", "By histology.", (), (), licence, "somebody",
        "somewhere", task=task,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    del found["phantoms"], found["external_test"]  # those are of breast ultrasound in fact
    return found


@pytest.mark.parametrize(
    ("name", "task", "says"),
    [
        ("tcga_lgg", "grade", "a lower-grade glioma is of WHO grade 3, from one slice of a brain MRI"),
        (
            "duke_breast_mri",
            "nodal_status",
            "the lymph nodes of a known breast cancer are involved, from one slice of a",
        ),
        ("duke_breast_mri", "grade", "a known breast cancer is of high grade, from one slice of a contrast-enhanced"),
        ("my_site", "", "a case is high grade, from one image"),
    ],
)
def test_a_card_speaks_of_its_own_question(results: dict[str, Any], name: str, task: str, says: str) -> None:
    card = model_card("other", _cohort(name, task), None, TrainConfig(), results)
    assert says in card and "Research use only" in card
    assert "ultrasound" not in card.lower() and "BI-RADS" not in card


def test_the_shipped_cards_words_are_still_its_own(results: dict[str, Any]) -> None:
    card = model_card("breast-us", _cohort("breast_lesions_usg"), _cohort("bus_bra"), TrainConfig(), results)
    assert "Probability that a breast lesion is malignant, from one B-mode ultrasound image" in card
    assert "not for men or children" in card and "BI-RADS is a reader's own assessment" in card
    assert "commercial" not in card


def test_a_licence_without_commercial_use_is_passed_on() -> None:
    purpose = purpose_of(_cohort("tcga_lgg", "grade"))
    assert "Non-commercial" in intended_use(purpose, ["CC BY 4.0", "CC BY-NC-SA 4.0 (slices): non-commercial."])
    assert "commercial" not in intended_use(purpose, ["CC BY 4.0"])


def test_a_cohort_of_several_questions_is_known_without_one() -> None:
    found = known_purpose("duke_breast_mri")
    assert found is not None and found.reads == "Contrast-enhanced breast MRI"
    assert known_purpose("duke_breast_mri", "grade") != found
    assert known_purpose("my_site") is None


def test_a_level_without_fields_repeats_no_row_and_the_watched_loss_is_said(results: dict[str, Any]) -> None:
    cohort = _cohort("tcga_lgg", "grade")  # history only
    card = model_card("other", cohort, None, TrainConfig(watch="lesion"), results)
    assert "| Fused, history |" in card and "| Fused, no field known |" in card and "| Image only |" in card
    assert "+ descriptors" not in card and "stopped early by the lesion map" in card
    whole = model_card("breast-us", _whole_cohort(), None, TrainConfig(), results)
    assert "| Fused, history + descriptors + assessment |" in whole and "stopped early" not in whole


def _whole_cohort() -> Cohort:
    fields = tuple(
        Field(g, g, "yes_no", g)
        for g in ("history", "descriptor", "assessment")  # type: ignore[arg-type]
    )
    return replace(_cohort("breast_lesions_usg"), schema=ClinicalSchema(fields))
