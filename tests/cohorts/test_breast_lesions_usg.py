"""The BrEaST adapter against the real table: no leak, no invented value, missing stays unknown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from mmxai_core.cohorts.breast_lesions_usg import load, schema
from mmxai_core.cohorts.case import read_grey, read_masks
from mmxai_core.errors import CohortError


@pytest.mark.data
def test_counts_labels_and_files(data_dir: Path) -> None:
    cohort = load(data_dir / "breast_lesions_usg")
    table = pd.read_excel(next((data_dir / "breast_lesions_usg").glob("*.xlsx")))
    lesions = table[table["Classification"] != "normal"]
    assert len(cohort.cases) == len(lesions) == cohort.patients
    assert Counter(c.label for c in cohort.cases) == Counter(lesions["Classification"])
    assert dict(cohort.dropped)["normal breast, no lesion to classify"] == (table["Classification"] == "normal").sum()
    case = cohort.cases[0]
    grey = read_grey(case.image)
    assert read_masks(case.masks, (grey.shape[0], grey.shape[1])).any()


@pytest.mark.data
def test_every_record_is_valid_and_missing_is_unknown(data_dir: Path) -> None:
    cohort = load(data_dir / "breast_lesions_usg")
    table = pd.read_excel(next((data_dir / "breast_lesions_usg").glob("*.xlsx"))).set_index("CaseID")
    for case in cohort.cases:
        record = cohort.schema.record(case.clinical)
        row = table.loc[int(case.case_id)]
        assert ("age" in record.values) == (row["Age"] != "not available")
        assert ("palpable" in record.values) == (row["Signs"] != "not available")
        assert ("family_history" in record.values) == (row["Symptoms"] != "not available")
        if "palpable" in record.values:
            assert record.values["palpable"] == ("palpable" in row["Signs"])
        if "spiculated" in row["Margin"]:
            assert record.values["margin"] == "spiculated"


def test_no_field_reads_a_column_that_tells_the_label() -> None:
    ids = set(schema().ids)
    assert not ids & {"verification", "interpretation", "diagnosis", "classification"}
    assert [f.group for f in schema().fields].count("history") == 9
    assert len(ids) == 18


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="No BrEaST clinical table"):
        load(tmp_path)
