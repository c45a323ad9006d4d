"""Results as a PDF report: sentences, Matplotlib charts and tables, the research-use line on each page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from mmxai_core.figures.performance_parts import Curves, Section, Table, cell_text
from mmxai_core.figures.performance_print import chart_file
from mmxai_core.report.wording import RESEARCH_USE
from mmxai_core.results.typography import unbroken

_FONT, _FONTS = "DejaVu", Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_INK, _FAINT, _WARN = (28, 37, 48), (85, 98, 110), (138, 75, 0)
#: No column is wider than this many letters, so that no other is squeezed.
_WIDEST = 46


class _Report(FPDF):
    """A4 landscape, as the tables are wide; research use at the head, document and page at the foot."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4", orientation="landscape")
        self.name = title
        self.add_font(_FONT, "", _FONTS / "DejaVuSans.ttf")
        self.add_font(_FONT, "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.set_margins(14, 18, 14)
        self.set_auto_page_break(True, 16)
        # The same bytes for the same results: no clock.
        self.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
        self.set_title(title)
        self.set_subject(RESEARCH_USE)
        self.set_lang("en")

    def header(self) -> None:
        """Research use."""
        self.set_y(7)
        self.set_font(_FONT, "B", 8)
        self.set_text_color(*_WARN)
        self.cell(0, 5, RESEARCH_USE, align="C")
        self.set_y(18)
        self.set_text_color(*_INK)

    def footer(self) -> None:
        """Document and page."""
        self.set_y(-12)
        self.set_font(_FONT, "", 7)
        self.set_text_color(*_FAINT)
        self.cell(0, 5, f"{self.name}   |   page {self.page_no()} of {{nb}}", align="C")
        self.set_text_color(*_INK)

    def paragraph(self, text: str, *, size: float = 9, bold: bool = False, faint: bool = False) -> None:
        """Wrapped text."""
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*(_FAINT if faint else _INK))
        self.multi_cell(0, size * 0.5, unbroken(text), new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(1)
        self.set_text_color(*_INK)

    def keep(self, height: float) -> None:
        """A new page where less than this height, in mm, is left."""
        if self.get_y() > self.h - 16 - height:
            self.add_page()


def report_pdf(title: str, facts: Sequence[str], sections: Sequence[Section]) -> bytes:
    """The report.

    Args:
        title: Of the document.
        facts: Lines below the title: bundle, versions.
        sections: What to report.
    """
    report = _Report(title)
    report.add_page()
    report.paragraph(title, size=15, bold=True)
    for fact in facts:
        report.paragraph(fact, size=7.5, faint=True)
    for section in sections:
        report.ln(3)
        report.keep(40)
        report.start_section(section.title)
        report.paragraph(section.title, size=12, bold=True)
        for line in section.lines:
            report.paragraph(line, size=8.8)
        for block in section.blocks:
            if isinstance(block, Table):
                _table(report, block)
                continue
            report.keep(95)
            picture = chart_file(block, banner=RESEARCH_USE)
            report.image(io.BytesIO(picture), w=min(report.epw, 190), h=report.h - 50, keep_aspect_ratio=True)
            if isinstance(block, Curves) and block.missing:
                report.paragraph(block.missing, size=7.2)
            _said(report, block.status, block.source)
    return bytes(report.output())


def _said(report: _Report, status: str, source: str) -> None:
    report.paragraph(f"{status.capitalize()}. {source}" if status else source, size=7, faint=True)
    report.ln(1.5)


def _table(report: _Report, table: Table) -> None:
    report.keep(30)
    status = f" ({table.status})" if table.status.startswith("partial") else ""
    report.paragraph(table.title + status, size=9.5, bold=True)
    body = [[unbroken(cell_text(c)) for c in row] for row in table.rows]
    size = 6.0 if len(table.columns) > 10 else 6.8
    report.set_font(_FONT, "", size)
    report.set_draw_color(200, 206, 212)
    widths = [max(5, *(min(len(r[i]), _WIDEST) for r in body), min(len(c), 12)) if body else 10
              for i, c in enumerate(table.columns)]  # fmt: skip
    with report.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=size * 0.55, text_align="LEFT",
        col_widths=tuple(widths), headings_style=FontFace(emphasis="BOLD"),
    ) as drawn:  # fmt: skip
        drawn.row([unbroken(c) for c in table.columns])
        for row in body:
            drawn.row(row)
    report.ln(1)
    for note in table.notes:
        report.paragraph(note, size=7, faint=True)
    _said(report, table.status, table.source)
