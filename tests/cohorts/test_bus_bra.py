"""The BUS-BRA adapter against the real table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from mmxai_core.cohorts.bus_bra import load
from mmxai_core.cohorts.registry import load_cohort
from mmxai_core.errors import CohortError


@pytest.mark.data
def test_counts_and_patients(data_dir: Path) -> None:
    cohort = load(data_dir / "bus_bra")
    table = pd.read_csv(data_dir / "bus_bra" / "bus_data.csv")
    assert len(cohort.cases) == len(table)
    assert cohort.patients == table["Case"].nunique() < len(table)
    assert Counter(c.label for c in cohort.cases) == Counter(table["Pathology"])
    assert all(c.masks and not c.clinical for c in cohort.cases)


def test_a_missing_table_or_cohort_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"bus_data\.csv"):
        load(tmp_path)
    with pytest.raises(CohortError, match="Unknown cohort 'nope'"):
        load_cohort("nope", tmp_path)
    with pytest.raises(CohortError, match="does not exist"):
        load_cohort("bus_bra", tmp_path / "missing")
