"""One A4 page with text that always fits its box: it shrinks first, and is cut with a mark only then."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from mmxai_core.report.wording import RESEARCH_USE
from mmxai_core.results.typography import unbroken

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 10.0
#: Ink on white paper: text, secondary text, rules, and the banner's ground.
INK, FAINT, RULE, WARN = (23, 33, 43), (88, 101, 114), (200, 207, 214), (255, 233, 179)
#: Line height in mm for a point of font size.
LEADING = 0.43
#: No text is set smaller than this, in points.
SMALLEST = 4.6
_FONT, _FONTS = "DejaVu", Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_MISSING = "□"


class Page(FPDF):
    """A single page. Lengths in mm from the upper left corner, font sizes in points."""

    def __init__(self, *, title: str, made_at: datetime) -> None:
        """An empty page with its banners.

        Args:
            title: Of the document.
            made_at: Creation date; the same date gives the same bytes.
        """
        super().__init__(format="A4", unit="mm")
        self.add_font(_FONT, "", _FONTS / "DejaVuSans.ttf")
        self.add_font(_FONT, "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.set_auto_page_break(False)
        self.set_margins(0, 0, 0)
        self.c_margin = 0
        self.set_title(title)
        self.set_subject(RESEARCH_USE)
        self.set_lang("en")
        self.set_creator("mmxai")
        self.set_producer("mmxai, with fpdf2")
        self.set_creation_date(made_at)
        self.add_page()
        for y in (6.0, HEIGHT - 11.0):
            self.set_fill_color(*WARN)
            self.rect(MARGIN, y, WIDTH - 2 * MARGIN, 5, style="F")
            self.one_line(RESEARCH_USE, MARGIN, y + 0.9, WIDTH - 2 * MARGIN, size=8, bold=True, align="C")

    def safe(self, text: str) -> str:
        """The text in one line of characters that the font has; others become a box."""
        cmap = self.fonts[_FONT.lower()].cmap  # type: ignore[union-attr]
        plain = re.sub(r"\s+", " ", text).strip()
        return "".join(c if ord(c) in cmap else _MISSING for c in unbroken(plain))

    def pen(self, size: float, *, bold: bool = False, colour: tuple[int, int, int] = INK) -> None:
        """Font, size and colour of the next text."""
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*colour)

    def one_line(
        self, text: str, x: float, y: float, width: float, *, size: float, bold: bool = False, align: str = "L",
        colour: tuple[int, int, int] = INK, least: float = SMALLEST,
    ) -> None:  # fmt: skip
        """A line of text, smaller where it is too long, and cut with an ellipsis where it still is.

        Args:
            text: The text.
            x: Left end of its box.
            y: Top of its box.
            width: Of its box.
            size: Font size wanted.
            bold: Bold face.
            align: "L", "C" or "R".
            colour: RGB.
            least: Smallest size allowed.
        """
        shown, at = self.safe(text), size
        self.pen(at, bold=bold, colour=colour)
        while self.get_string_width(shown) > width and at > least:
            at = max(least, at - 0.2)
            self.pen(at, bold=bold, colour=colour)
        while len(shown) > 1 and self.get_string_width(shown) > width:
            shown = shown[:-2].rstrip() + "…"
        self.set_xy(x, y + (size - at) * LEADING * 0.4)
        self.cell(width, at * LEADING, shown, align=align)

    def common_size(
        self, texts: Iterable[str], width: float, *, size: float, bold: bool = False, least: float = SMALLEST
    ) -> float:
        """The size, at most `size` and at least `least`, at which the longest of some lines fits a width."""
        self.pen(size, bold=bold)
        widest = max((self.get_string_width(self.safe(t)) for t in texts), default=0.0)
        return size if widest <= width else max(least, size * width / widest)

    def block(
        self, text: str, x: float, y: float, width: float, height: float, *, size: float, bold: bool = False,
        colour: tuple[int, int, int] = INK, least: float = SMALLEST,
    ) -> float:  # fmt: skip
        """Wrapped text within a box, smaller where it is too long, and cut with an ellipsis where it still is.

        Args:
            text: The text.
            x: Left end of the box.
            y: Top of the box.
            width: Of the box.
            height: Of the box.
            size: Font size wanted.
            bold: Bold face.
            colour: RGB.
            least: Smallest size allowed.

        Returns:
            Where the text ends, mm from the top of the page.
        """
        shown, at = self.safe(text), size
        lines = self._lines(shown, width, at, bold, colour)
        while len(lines) * at * LEADING > height and at > least:
            at = max(least, at - 0.2)
            lines = self._lines(shown, width, at, bold, colour)
        fit = max(1, int(height / (at * LEADING) + 1e-6))
        if len(lines) > fit:
            lines = [*lines[: fit - 1], lines[fit - 1].rstrip()[:-1].rstrip() + "…"]
        for i, line in enumerate(lines):
            self.set_xy(x, y + i * at * LEADING)
            self.cell(width, at * LEADING, line)
        return y + len(lines) * at * LEADING

    def rows_of(self, text: str, width: float, *, size: float) -> int:
        """How many lines a text takes at a size; at least one.

        Args:
            text: The text.
            width: Of its box.
            size: Font size.
        """
        return max(1, len(self._lines(self.safe(text), width, size, False, INK)))

    def _lines(
        self, text: str, width: float, size: float, bold: bool, colour: tuple[int, int, int]
    ) -> list[str]:  # fmt: skip
        self.pen(size, bold=bold, colour=colour)
        found = self.multi_cell(
            width, size * LEADING, text, dry_run=True, output=MethodReturnValue.LINES, align="L"
        )  # fmt: skip
        return [str(line) for line in found] if isinstance(found, list) else []

    def heading(self, text: str, x: float, y: float, width: float) -> float:
        """A heading over a rule; returns where its section begins."""
        self.one_line(text, x, y, width, size=8, bold=True)
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        self.line(x, y + 4.1, x + width, y + 4.1)
        return y + 5.2
