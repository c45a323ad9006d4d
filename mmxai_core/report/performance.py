"""Results to take away: the report as PDF or HTML, and every table and chart as CSV. All say what they are for."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from mmxai_core.figures.performance_parts import Cell, Number, Section, Table, chart_table
from mmxai_core.report.performance_html import report_html
from mmxai_core.report.performance_pdf import report_pdf
from mmxai_core.report.wording import RESEARCH_USE

#: A text cell that a spreadsheet would take for a formula begins with one of these (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: The same zip for the same results: no clock.
_TIME = (2000, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class PerformanceReport:
    """What is reported.

    Attributes:
        title: Of the document.
        facts: Lines below it: bundle, weights, version.
        sections: In order.
    """

    title: str
    facts: tuple[str, ...]
    sections: tuple[Section, ...]

    def pdf(self) -> bytes:
        """As PDF."""
        return report_pdf(self.title, self.facts, self.sections)

    def html(self) -> bytes:
        """As one HTML file."""
        return report_html(self.title, self.facts, self.sections)

    def csv_zip(self) -> bytes:
        """Every table and the values of every chart as CSV, in one zip."""
        return csv_zip(self.title, self.facts, self.sections)


def table_csv(table: Table) -> bytes:
    """RFC 4180, UTF-8, all digits: a figure takes three columns (value, low, high), empty where it was not measured.

    Every row ends with status, source and what it is for.

    Args:
        table: The table.
    """
    wide = [any(isinstance(row[i], Number) for row in table.rows) for i in range(len(table.columns))]
    head: list[str] = []
    for name, number in zip(table.columns, wide, strict=True):
        head += [name, f"{name}, low", f"{name}, high", f"{name}, remark"] if number else [name]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*head, "status", "source", "notice"])
    for row in table.rows:
        cells: list[object] = []
        for cell, number in zip(row, wide, strict=True):
            cells += _figure(cell) if number else [_plain(cell)]
        writer.writerow([*cells, table.status, table.source, RESEARCH_USE])
    return out.getvalue().encode()


def _figure(cell: Cell) -> list[object]:
    if not isinstance(cell, Number):
        return ["", "", "", _plain(cell)]
    if cell.value is None:
        return ["", "", "", cell.why]
    return [repr(cell.value), *("" if v is None else repr(v) for v in (cell.low, cell.high)), ""]


def _plain(cell: Cell) -> object:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return cell


def csv_zip(title: str, facts: Sequence[str], sections: Sequence[Section]) -> bytes:
    """See `PerformanceReport.csv_zip`."""
    out, names = io.BytesIO(), set[str]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)

        lines = [RESEARCH_USE + ".", title, *facts, ""]
        for section in sections:
            lines += [section.title, *(f"  {line}" for line in section.lines)]
            for block in section.blocks:
                table = block if isinstance(block, Table) else chart_table(block)
                name = next(n for i in range(1, 1000) if (n := table.id + (f"_{i}" if i > 1 else "")) not in names)
                names.add(name)
                lines.append(f"  {name}.csv: {table.title}")
                add(f"{name}.csv", table_csv(table))
        add("README.txt", ("\n".join(lines) + "\n").encode())
    return out.getvalue()
