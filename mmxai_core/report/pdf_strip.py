"""The reliability strip on the page: every check by its plain name, with number, threshold and its words whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmxai_core.report.check_names import plain_name
from mmxai_core.report.checks import Check
from mmxai_core.report.page import INK, LEADING, MARGIN, RULE, SMALLEST, WIDTH, Page

_WIDE = WIDTH - 2 * MARGIN
_WRONG = (158, 42, 0)
#: (left end, width) of each column, mm from the margin.
_COLUMNS = ((0.0, 52.0), (53.0, 11.0), (65.0, 14.0), (81.0, 15.0), (97.0, _WIDE - 97.0))
_HEADS = ("Check", "Value", "Needs", "Verdict", "In words")
#: Sizes of the text, the largest first; mm between two rows; mm that the strip may take, in the smallest
#: text, and where words are cut all the same; mm free below it.
_SIZES, _PAD, _MOST, _LAST, _CUT, _BELOW = (6.2, 5.8, 5.4, 5.0, SMALLEST), 0.75, 48.0, 60.0, 44.0, 1.8


@dataclass(frozen=True)
class StripLayout:
    """How the strip is set.

    Attributes:
        size: Of its text, points.
        rows: Height of each row, the heads first, mm.
    """

    size: float
    rows: tuple[float, ...]

    @property
    def tall(self) -> float:
        """Height of the strip with the room below it, mm."""
        return sum(self.rows) + _BELOW

    @classmethod
    def of(cls, page: Page, made: Sequence[Check]) -> StripLayout:
        """The largest text at which every verdict stands whole; equal rows, and cut words, only where none would fit.

        Args:
            page: The page, for the width of its text.
            made: The checks; may be empty: one line then says so.
        """
        if not made:
            return cls(_SIZES[0], (4.0,))
        for size in _SIZES:
            words = [page.rows_of(c.number.verdict, _COLUMNS[4][1], size=size) for c in made]
            rows = tuple(n * size * LEADING + _PAD for n in (1, *words))
            if sum(rows) <= (_MOST if size > SMALLEST else _LAST):
                return cls(size, rows)
        return cls(SMALLEST, (_CUT / (len(made) + 1),) * (len(made) + 1))


def strip(page: Page, made: Sequence[Check], layout: StripLayout, y: float) -> None:
    """The strip below its heading.

    Args:
        page: The page.
        made: The checks, in display order.
        layout: As `StripLayout.of` the same checks.
        y: Of the heading, mm from the top of the page.
    """
    top = page.heading("How far the evidence can be trusted", MARGIN, y, _WIDE)
    if not made:
        page.one_line("No reliability number was computed.", MARGIN, top, _WIDE, size=7)
        return
    names = [plain_name(c.number.name) for c in made]
    names_at = page.common_size(names, _COLUMNS[0][1], size=layout.size)
    for j, ((at, width), head) in enumerate(zip(_COLUMNS, _HEADS, strict=True)):
        page.one_line(head, MARGIN + at, top, width, size=layout.size, bold=True, align=_align(j))
    line = top + layout.rows[0]
    for check, name, tall in zip(made, names, layout.rows[1:], strict=True):
        page.set_draw_color(*RULE)
        page.set_line_width(0.1)
        page.line(MARGIN, line - 0.25, MARGIN + _WIDE, line - 0.25)
        for j, ((at, width), text) in enumerate(zip(_COLUMNS[:4], _cells(check, name), strict=True)):
            failed = j == 3 and check.passed is False
            fit = names_at if j == 0 else layout.size
            page.one_line(
                text, MARGIN + at, line + 0.4 * LEADING * (layout.size - fit), width, size=fit, bold=failed,
                colour=_WRONG if failed else INK, align=_align(j), least=4.2,
            )  # fmt: skip
        at, width = _COLUMNS[4]
        page.block(check.number.verdict, MARGIN + at, line, width, tall - 0.3, size=layout.size)
        line += tall


def _align(column: int) -> str:
    return "R" if column in (1, 2) else "L"


def _cells(check: Check, name: str) -> tuple[str, str, str, str]:
    """Name, value, threshold and verdict; the words are set apart, since they may take more than a line."""
    number = check.number
    value = "" if number.value is None else _figure(number.value)
    needs = "≥" if number.higher_is_better else "≤"
    bar = "" if number.threshold is None else f"{needs} {_figure(number.threshold)}"
    mark = {True: "✓ ", False: "✗ ", None: ""}[check.passed]
    return name, value, bar, mark + check.word


def _figure(value: float) -> str:
    """Two decimals, or two digits of a number too small for them."""
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1g}"
