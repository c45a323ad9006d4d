"""Colours, markers and dashes of the charts of results (Okabe and Ito 2008): shape tells apart as colour does."""

from __future__ import annotations

from mmxai_core.figures.performance_parts import Forest

ON_PAPER = ("#0072b2", "#c65300", "#00785a", "#a84f85", "#8a6d00", "#2a86b8", "#5b6670")
ON_DARK = ("#56b4e9", "#e69f00", "#2fc49a", "#e08bbd", "#f0e442", "#ff8a4c", "#b8c4ce")
#: Kinds of models, in the order of their colours.
KINDS = ("our variant", "rival", "ablation")
#: Matplotlib and Plotly names of the same markers.
MARKERS = (("o", "circle"), ("s", "square"), ("D", "diamond"), ("^", "triangle-up"), ("v", "triangle-down"),
           ("P", "cross"), ("X", "x"))  # fmt: skip
#: Matplotlib and Plotly names of the same dashes.
DASHES = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))

#: The same for lines that are no model (act on all, act on none), in order: they differ without colour.
PLAIN_DASHES = (((0, (9, 3)), "longdash"), ((0, (1, 2)), "dot"))


def groups_of(chart: Forest) -> list[str]:
    """Groups in the order of their first point; kinds of models in an order of their own, so that colours stay."""
    found = list(dict.fromkeys(p.group for p in chart.points))
    return sorted(found, key=lambda g: KINDS.index(g) if g in KINDS else len(KINDS))


def span_of(chart: Forest) -> tuple[float, float]:
    """Both ends of the axis: wide enough for every interval and the reference."""
    numbers = [p.number for p in chart.points]
    values = [v for n in numbers for v in (n.value, n.low, n.high) if v is not None]
    values += [chart.reference] if chart.reference is not None else []
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.05
    return low - room, high + room
