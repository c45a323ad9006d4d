"""Incomplete pairs are counted, and kept or dropped by choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from comparison.tiny_cohort import tiny_cohort
from preprocessing.generated_pictures import ultrasound_cohort

from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.incomplete import settle


def test_cases_without_fields_are_kept_or_dropped_and_counted(tmp_path: Path) -> None:
    cohort = replace(tiny_cohort(tmp_path), dropped=(("image file missing", 3), ("label not stated", 2)))
    kept, count = settle(cohort, "embed")
    assert kept is cohort
    assert count.to_json() == {
        "choice": "embed", "complete": 19, "without_fields": 5, "without_picture": 3, "dropped": 0
    }  # fmt: skip
    rest, count = settle(cohort, "drop")
    assert (len(rest.cases), count.dropped, count.complete) == (19, 5, 19)
    assert rest.dropped[-1] == ("incomplete pair: no clinical value is known", 5)
    assert all(c.clinical for c in rest.cases)


def test_a_cohort_without_fields_has_no_incomplete_pair(tmp_path: Path) -> None:
    cohort = ultrasound_cohort(tmp_path, count=2)
    assert settle(cohort, "drop")[0] is cohort and settle(cohort, "drop")[1].without_fields == 0


def test_a_blank_value_is_no_value(tmp_path: Path) -> None:
    cohort = tiny_cohort(tmp_path)
    blank = replace(cohort, cases=tuple(replace(c, clinical={"age": None, "side": "left"}) for c in cohort.cases))
    assert settle(blank, "embed")[1].without_fields == 24
    with pytest.raises(CohortError, match="none would be left"):
        settle(blank, "drop")


def test_another_word_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="'embed' or left out with 'drop'; got 'impute'"):
        settle(tiny_cohort(tmp_path), "impute")
