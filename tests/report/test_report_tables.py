"""The CSV exports: every number with all its digits, unknown as empty, and no cell a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from synthetic_report import report_case

from mmxai_core.report.tables import contributions_csv, strip_csv, values_csv
from mmxai_core.results import ReliabilityNumber


def rows(data: bytes) -> list[dict[str, str]]:
    found = list(csv.DictReader(io.StringIO(data.decode())))
    assert found and all(r["notice"] == "Research use only, not for diagnosis" for r in found)
    return found


def test_contributions_add_up_from_the_file_alone() -> None:
    case = report_case()
    found = [r for r in rows(contributions_csv(case)) if r["space"] == "log_odds"]
    assert [r["player"] for r in found] == list(case.explanation.attribution.players)
    total = float(found[0]["base_value"]) + sum(float(r["value"]) for r in found)
    assert total == float(found[0]["output"]) and found[0]["label"] == "Age: 57 years"


def test_a_withheld_account_is_left_out() -> None:
    case = report_case()
    bad = replace(case.explanation, attribution=replace(case.explanation.attribution, residual=0.5))
    assert {r["space"] for r in rows(contributions_csv(replace(case, explanation=bad)))} == {"probability"}


def test_the_strip_keeps_what_was_not_computed() -> None:
    found = {r["check"]: r for r in rows(strip_csv(report_case()))}
    assert found["Stability"]["value"] == "0.91" and found["Stability"]["result"] == "passes"
    assert found["Faithfulness"]["value"] == "" and found["Faithfulness"]["result"] == "not computed"


def test_a_check_is_called_what_the_page_calls_it_beside_its_technical_name() -> None:
    case = report_case()
    number = ReliabilityNumber("Deletion: lead over random regions", 0.1, 0.0, True, "More.", "seed 0")
    (found,) = rows(strip_csv(replace(case, explanation=replace(case.explanation, reliability=(number,)))))
    assert found["check"] == "Hiding the marked places changes the answer"
    assert found["technical_name"] == "Deletion: lead over random regions"


def test_unknown_fields_are_empty_and_a_formula_is_no_formula() -> None:
    found = {r["field"]: r for r in rows(values_csv(report_case()))}
    assert found["age"]["value"] == "57.0" and found["age"]["unit"] == "years" and found["palpable"]["value"] == "yes"
    assert found["family_history"]["value"] == "" and found["family_history"]["in_words"] == "unknown"
    case = report_case(code="=HYPERLINK(1)")
    assert {r["case"] for r in rows(values_csv(case))} == {"'=HYPERLINK(1)"}
