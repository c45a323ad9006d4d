"""What a page or a report of results shows, apart from how it is drawn: tables, charts and sections of plain values."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["plain", "signed", "p", "count", "short"]


@dataclass(frozen=True)
class Number:
    """A figure with its interval, or why there is none.

    Attributes:
        value: None where it was not measured or is undefined.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end.
        form: How it is written: three decimals, with a sign, as a p value, as a count, or in three significant digits.
        why: What is written in place of a value that is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    form: Form = "plain"
    why: str = "not measured"

    @property
    def beside_its_interval(self) -> bool:
        """True where the value lies outside its own interval, as a biased figure's may under resampling."""
        return (
            self.value is not None and self.low is not None and self.high is not None
            and not self.low <= self.value <= self.high
        )  # fmt: skip


Cell: TypeAlias = str | int | Number


def value_text(number: Number) -> str:
    """The value alone."""
    if number.value is None:
        return number.why
    return _written(number.value, number.form)


def interval_text(number: Number) -> str:
    """The interval alone, "" where there is none."""
    if number.value is None or number.low is None or number.high is None:
        return ""
    return f"{_written(number.low, number.form)} to {_written(number.high, number.form)}"


def cell_text(cell: Cell) -> str:
    """A cell on one line."""
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, str):
        return cell
    interval, mark = interval_text(cell), " †" if cell.beside_its_interval else ""
    return f"{value_text(cell)}{mark} ({interval})" if interval else value_text(cell)


def _written(value: float, form: Form) -> str:
    if form == "count":
        return f"{value:,.1f}".removesuffix(".0")
    if form == "short":
        return _short(value)
    if form == "p":
        return "below 0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:+.3f}" if form == "signed" else f"{value:.3f}"


def _short(value: float) -> str:
    """At most three significant digits, e.g. 32,100 for 32126.994 and 0.0504 for 0.05039."""
    rounded = float(f"{value:.3g}")
    places = 2 - floor(log10(abs(rounded))) if rounded else 0
    return f"{rounded:,.{max(places, 0)}f}"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        id: Name of its file.
        title: One line.
        columns: Headings.
        rows: As many cells each.
        source: What it was computed from: file, run, n, kind of interval.
        status: "complete: ..." or "partial: n of N units"; "" where there are no units.
        notes: What must be known to read it rightly.
    """

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str
    status: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One estimate of a forest chart.

    Attributes:
        label: Name on the axis, with its n.
        number: The estimate.
        group: Drawn in one colour and marker.
    """

    label: str
    number: Number
    group: str = ""


@dataclass(frozen=True)
class Forest:
    """Estimates below one another, each with its interval.

    Attributes:
        id: Name of its file.
        title: One line.
        axis: What is measured.
        points: Top to bottom; one without a value is named and says why.
        reference: Where a dashed line is drawn; None for none.
        reference_label: What the line means.
        source: What it was computed from.
        status: See `Table`.
    """

    id: str
    title: str
    axis: str
    points: tuple[Point, ...]
    source: str
    reference: float | None = None
    reference_label: str = ""
    status: str = ""


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        label: Name in the legend, with n and the figure that the curve is summed up by.
        x: Ascending.
        y: As many.
        low: Lower ends of the intervals of `y`; empty where there are none.
        high: Upper ends.
        plain: True for a line of reference (treat all, treat none), drawn thin and grey.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    plain: bool = False


@dataclass(frozen=True)
class Curves:
    """Lines over common axes.

    Attributes:
        id: Name of its file.
        title: One line.
        x_axis: Name.
        y_axis: Name.
        curves: In the legend's order.
        source: What it was computed from.
        diagonal: What the diagonal means; "" for none.
        markers: True where each value is marked.
        x_range: Ends of the axis.
        y_range: Ends of the axis.
        missing: Models whose curve was not measured, in words.
        status: See `Table`.
    """

    id: str
    title: str
    x_axis: str
    y_axis: str
    curves: tuple[Curve, ...]
    source: str
    diagonal: str = ""
    markers: bool = False
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    missing: str = ""
    status: str = ""


Chart: TypeAlias = Forest | Curves
Block: TypeAlias = Table | Chart


@dataclass(frozen=True)
class Section:
    """One subject.

    Attributes:
        id: Short name.
        title: Heading.
        lines: Sentences, most important first.
        blocks: Tables and charts in order; none where nothing was measured, which `lines` then says.
    """

    id: str
    title: str
    lines: tuple[str, ...]
    blocks: tuple[Block, ...]


def chart_words(chart: Chart) -> str:
    """A chart in words, for who cannot see it."""
    if isinstance(chart, Forest):
        return f"{chart.title}. " + "; ".join(f"{p.label}: {cell_text(p.number)}" for p in chart.points)
    return f"{chart.title}. " + "; ".join(c.label for c in chart.curves) + (f". {chart.missing}" * bool(chart.missing))


def chart_table(chart: Chart) -> Table:
    """The values that a chart draws, as a table."""
    if isinstance(chart, Forest):
        rows = tuple((p.label, p.group, p.number) for p in chart.points)
        return Table(chart.id, chart.title, ("Row", "Group", chart.axis), rows, chart.source, chart.status)
    cells: list[tuple[Cell, ...]] = []
    for c in chart.curves:
        for i, (x, y) in enumerate(zip(c.x, c.y, strict=True)):
            ends = (c.low[i], c.high[i]) if c.low else (None, None)
            cells.append((c.label, Number(x), Number(y, *ends)))
    return Table(chart.id, chart.title, ("Curve", chart.x_axis, chart.y_axis), tuple(cells), chart.source, chart.status)
