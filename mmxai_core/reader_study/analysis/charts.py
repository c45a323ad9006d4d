"""What a chart shows, apart from how it is drawn: the page draws with Plotly, the report with Matplotlib."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BarRow:
    """One row of diverging stacked bars.

    Attributes:
        label: What was asked.
        group: Arm or "all".
        counts: Answers in each category, lowest first.
        no_answer: Readers who chose not to answer.
    """

    label: str
    group: str
    counts: tuple[int, ...]
    no_answer: int = 0


@dataclass(frozen=True)
class DivergingBars:
    """Likert answers around the middle category (Figure 7 of the source paper, as distributions).

    Attributes:
        title: One line.
        categories: Names, lowest first.
        rows: Top to bottom.
    """

    title: str
    categories: tuple[str, ...]
    rows: tuple[BarRow, ...]


@dataclass(frozen=True)
class Point:
    """One estimate with its interval.

    Attributes:
        label: Name on the axis.
        value: None where undefined.
        low: Lower end; None where there is no interval.
        high: Upper end.
        group: Drawn in one colour and marker.
        reason: Why value or interval is undefined.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    group: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Forest:
    """Estimates under each other, each with its interval.

    Attributes:
        title: One line.
        axis: What is measured, with its unit.
        points: Top to bottom.
        reference: Where a line is drawn, e.g. 0 for "no difference"; None for none.
        reference_label: What the line means.
        low: Left end of the axis; None: from the data.
        high: Right end.
        percent: True where values are shares shown in per cent.
    """

    title: str
    axis: str
    points: tuple[Point, ...]
    reference: float | None = None
    reference_label: str = ""
    low: float | None = None
    high: float | None = None
    percent: bool = False


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        label: Name in the legend.
        x: Ascending.
        y: As many.
        faint: True for a single reader's, behind the mean.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    faint: bool = False


@dataclass(frozen=True)
class Curves:
    """Lines over a common axis, e.g. ROC curves.

    Attributes:
        title: One line.
        x_axis: Name with unit.
        y_axis: Name with unit.
        curves: In the legend's order.
        diagonal: True for the line of chance.
        square: True where both axes run from 0 to 1.
        markers: True where each value is marked.
    """

    title: str
    x_axis: str
    y_axis: str
    curves: tuple[Curve, ...]
    diagonal: bool = False
    square: bool = False
    markers: bool = False


Chart = DivergingBars | Forest | Curves
