"""A number and its per cent sign are never parted by a line's end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mmxai_core.figures.performance_parts import Section
from mmxai_core.reader_study.exports import report_pdf as study_report
from mmxai_core.report import performance_pdf
from mmxai_core.report.page import Page
from mmxai_core.report.performance_html import report_html
from mmxai_core.results.typography import unbroken

TEXT = "The probability lies from 9 % to 42 % (90 % range), which is most of it."


def test_only_the_space_between_a_number_and_its_sign_changes() -> None:
    assert unbroken("7 % or 0.5 %; a % b, 100%") == "7\u00a0% or 0.5\u00a0%; a % b, 100%"
    assert unbroken(unbroken(TEXT)) == unbroken(TEXT) and unbroken(TEXT).replace("\u00a0", " ") == TEXT


@pytest.mark.parametrize("width", range(18, 60))
def test_no_line_of_the_case_report_starts_with_the_sign(width: int) -> None:
    page = Page(title="Case", made_at=datetime(2026, 11, 27, tzinfo=UTC))
    lines = page._lines(page.safe(TEXT), width, 8, False, (0, 0, 0))
    assert len(lines) > 1 and not any(line.startswith("%") for line in lines)
    assert " ".join(lines).replace("\u00a0", " ") == TEXT


@pytest.mark.parametrize("report", [performance_pdf._Report("R"), study_report._Report("Research use only", "S")])
def test_the_other_reports_set_it_unbroken_too(
    report: performance_pdf._Report | study_report._Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.add_page()
    given: list[str] = []
    monkeypatch.setattr(report, "multi_cell", lambda w, h, text, **_: given.append(text))
    report.paragraph(TEXT)
    assert given == [unbroken(TEXT)]


def test_the_page_of_results_sets_it_unbroken() -> None:
    made = report_html("R", (TEXT,), [Section("s", "S", (TEXT,), ())]).decode()
    assert made.count("42\u00a0%") == 2 and "42 %" not in made
