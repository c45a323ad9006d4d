"""Colours and markers of charts: Okabe and Ito (2008), told apart by shape as well as by colour."""

from __future__ import annotations

from mmxai_core.reader_study.analysis.charts import Forest, Point

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b")
#: Matplotlib and Plotly names of the same markers.
MARKERS = (("o", "circle"), ("s", "square"), ("D", "diamond"), ("^", "triangle-up"), ("v", "triangle-down"),
           ("P", "cross"), ("X", "x"))  # fmt: skip
#: Matplotlib and Plotly names of the same dashes.
DASHES = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))
#: From full disagreement to full agreement: orange, grey, blue; dark ends, so that it reads in grey too.
DISAGREE, NEITHER, AGREE = ("#b35806", "#f1a340"), "#bdbdbd", ("#7fb3d5", "#1f5f8b")


def step_colours(steps: int) -> list[str]:
    """A colour a category, lowest first, the middle one grey.

    Args:
        steps: 5 or 7, or any number.
    """
    half = steps // 2
    low = [_mix(*DISAGREE, k / max(half - 1, 1)) for k in range(half)]
    high = [_mix(*AGREE, k / max(half - 1, 1)) for k in range(half)]
    return [*low, *([NEITHER] if steps % 2 else []), *high]


def groups_of(chart: Forest) -> list[str]:
    """Groups in the order of their first point."""
    return list(dict.fromkeys(p.group for p in chart.points))


def span_of(chart: Forest) -> tuple[float, float]:
    """Both ends of the axis: as the chart says, and wide enough for every interval."""
    values = [v for p in chart.points for v in (p.value, p.low, p.high) if v is not None]
    if chart.reference is not None:
        values.append(chart.reference)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5
    return (
        chart.low if chart.low is not None else low - room,
        chart.high if chart.high is not None else high + room,
    )


def written(chart: Forest, p: Point) -> str:
    """Value and interval beside the point, or "not defined"."""
    if p.value is None:
        return "not defined"

    def one(v: float) -> str:
        return f"{100 * v:.0f} %" if chart.percent else f"{v:.3g}" if abs(v) >= 1 else f"{v:.3f}"

    return one(p.value) if p.low is None or p.high is None else f"{one(p.value)} ({one(p.low)} to {one(p.high)})"


def _mix(start: str, end: str, share: float) -> str:
    a, b = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (start, end))
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(a, b, strict=True))
