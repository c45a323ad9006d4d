"""The report of a study as PDF: lines, charts and tables of every section, the banner on each page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
import pandas as pd
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from mmxai_core.reader_study.analysis.section import Section
from mmxai_core.reader_study.analysis.study_analysis import StudyAnalysis
from mmxai_core.reader_study.exports.chart_png import chart_png
from mmxai_core.reader_study.exports.checklists import FILLED, ChecklistItem, checklist
from mmxai_core.results.typography import unbroken

_FONT, _FONTS = "DejaVu", Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_INK, _FAINT, _WARN = (28, 37, 48), (95, 108, 120), (138, 75, 0)
#: Columns of wide tables that the page has room for; the files hold all.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "mrmc": ("first", "second", "difference", "low", "high", "p", "p_holm", "method", "generalises_to"),
    "mrmc_components": ("comparison", "ms_t", "ms_tr", "var", "cov1", "cov2", "cov3"),
    "reliance": ("condition", "meaning", "about", "value", "low", "high", "n"),
    "reliance_differences": ("condition", "against", "meaning", "value", "low", "high"),
    "accuracy_pooled": ("condition", "measure", "value", "low", "high", "n"),
    "accuracy_differences": ("condition", "against", "measure", "value", "low", "high"),
    "confidence_time": ("condition", "measure", "value", "low", "high", "n"),
    "confidence_time_differences": ("condition", "against", "measure", "value", "low", "high", "method"),
    "likert": ("wording", "arm", "answers", "median", "quartile_1", "quartile_3", "no_answer"),
    "questionnaire_summary": ("questionnaire", "arm", "readers", "mean", "low", "high", "incomplete_forms"),
    "agreement": ("what", "condition", "coefficient", "value", "low", "high", "cases"),
    "alignment": ("map", "measure", "value", "low", "high", "n", "chance"),
    "planning": ("effect", "readers", "cases", "positives", "power"),
    "readings_by_reader": (),
    "cases_open": (),
}
_MOST_ROWS = 40


class _Report(FPDF):
    """A4 with the banner at the head, and study and page at the foot."""

    def __init__(self, banner: str, study: str) -> None:
        super().__init__(format="A4")
        self.banner, self.study = banner, study
        self.add_font(_FONT, "", _FONTS / "DejaVuSans.ttf")
        self.add_font(_FONT, "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.set_margins(16, 20, 16)
        self.set_auto_page_break(True, 18)
        # The same bytes for the same study: no clock.
        self.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
        self.set_title(f"Reader study {study}")
        self.set_subject(banner)

    def header(self) -> None:
        """The banner."""
        self.set_y(7)
        self.set_font(_FONT, "B", 8)
        self.set_text_color(*_WARN)
        self.cell(0, 5, self.banner, align="C")
        self.set_y(20)
        self.set_text_color(*_INK)

    def footer(self) -> None:
        """Study and page."""
        self.set_y(-13)
        self.set_font(_FONT, "", 7)
        self.set_text_color(*_FAINT)
        self.cell(0, 5, f"Reader study {self.study}   |   page {self.page_no()} of {{nb}}", align="C")
        self.set_text_color(*_INK)

    def paragraph(
        self, text: str, *, size: float = 9, bold: bool = False, faint: bool = False, gap: float = 1.2
    ) -> None:
        """Wrapped text."""
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*(_FAINT if faint else _INK))
        self.multi_cell(0, size * 0.5, unbroken(text), new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(gap)
        self.set_text_color(*_INK)

    def rows(self, head: Iterable[str], body: Iterable[Iterable[str]], widths: tuple[int, ...] | None = None) -> None:
        """A table in small print."""
        self.set_font(_FONT, "", 6.4)
        self.set_draw_color(200, 206, 212)
        with self.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=3.6, text_align="LEFT", col_widths=widths,
            headings_style=FontFace(emphasis="BOLD"),
        ) as table:  # fmt: skip
            table.row([unbroken(cell) for cell in head])
            for row in body:
                table.row([unbroken(cell) for cell in row])
        self.ln(3)


def chart_files(analysis: StudyAnalysis) -> dict[str, bytes]:
    """Every chart as PNG, by file name, e.g. "accuracy_1.png"."""
    return {
        f"{section.id}_{number}.png": chart_png(chart, banner=analysis.banner)
        for section in analysis.sections
        for number, chart in enumerate(section.charts, start=1)
    }


def report_pdf(analysis: StudyAnalysis, *, pictures: Mapping[str, bytes] | None = None) -> bytes:
    """The report.

    Args:
        analysis: What to report.
        pictures: From `chart_files`, where they are drawn already.
    """
    drawn = chart_files(analysis) if pictures is None else pictures
    report = _Report(analysis.banner, analysis.study)
    report.add_page()
    title = analysis.tables.title
    report.paragraph(f"Reader study: {title or analysis.study}", size=15, bold=True, gap=2)
    p = analysis.prepared
    if p is not None:
        report.paragraph(f"Rating scale {p.scale.name or 'unnamed'}: {p.scale.reason}.", faint=True)
    report.paragraph(
        f"{analysis.options.replicates} bootstrap replicates, seed {analysis.options.seed}. Intervals: 95 %. "
        "What is not defined says why.", faint=True, gap=3,
    )  # fmt: skip
    for section in analysis.sections:
        _section(report, section, drawn)
    for name in ("DECIDE-AI", "CLAIM"):
        _checklist(report, name, checklist(analysis, name))
    return bytes(report.output())


def _section(report: _Report, section: Section, pictures: Mapping[str, bytes]) -> None:
    if report.get_y() > 240:
        report.add_page()
    report.paragraph(section.title, size=12, bold=True, gap=1.5)
    for line in section.lines:
        report.paragraph(f"•  {line}", size=8.6, gap=0.6)
    report.ln(1)
    for number in range(1, len(section.charts) + 1):
        report.image(io.BytesIO(pictures[f"{section.id}_{number}.png"]), w=report.epw)
        report.ln(2)
    for name, frame in section.tables.items():
        _table(report, name, frame)
    for note in section.notes:
        report.paragraph(note, size=7.2, faint=True, gap=0.6)
    report.ln(3)


def _table(report: _Report, name: str, frame: pd.DataFrame) -> None:
    chosen = _COLUMNS.get(name)
    if chosen is None or frame.empty:
        return
    columns = [c for c in chosen if c in frame.columns] or list(frame.columns)
    head = [str(c).replace("_", " ") for c in columns]
    body = [[_cell(v) for v in row] for row in frame[columns].head(_MOST_ROWS).itertuples(index=False, name=None)]
    # Wide enough that no word and no number is broken; long texts wrap.
    longest = [max(len(h), *(min(len(r[i]), 26) for r in body)) + 2 for i, h in enumerate(head)]
    report.rows(head, body, tuple(longest))
    if len(frame) > _MOST_ROWS:
        report.paragraph(f"{len(frame) - _MOST_ROWS} more rows in results/{name}.csv.", size=7.2, faint=True)


def _cell(value: object) -> str:
    if value is None or value != value:
        return "not defined"
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 and abs(value) >= 1 else f"{value:.3g}"
    return str(value)


def _checklist(report: _Report, name: str, items: tuple[ChecklistItem, ...]) -> None:
    report.add_page()
    filled = sum(i.status == FILLED for i in items)
    report.paragraph(f"Checklist: {name}", size=12, bold=True, gap=1)
    report.paragraph(
        f"{filled} of {len(items)} items are filled from the data; the others need the author. Topics in our words.",
        size=8, faint=True,
    )  # fmt: skip
    report.rows(
        ("Item", "Topic", "Status", "Evidence"),
        ((i.item, i.topic, i.status, i.evidence) for i in items),
        (8, 50, 18, 90),
    )
