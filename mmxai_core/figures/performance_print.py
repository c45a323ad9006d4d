"""Charts of results by Matplotlib's object API, on white, as PNG or SVG; nothing global, so sessions share nothing."""

from __future__ import annotations

import io
import textwrap
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmxai_core.figures.performance_parts import Chart, Curves, Forest, cell_text
from mmxai_core.figures.performance_style import DASHES, MARKERS, ON_PAPER, PLAIN_DASHES, groups_of, span_of

_WIDTH = 8.6
_INK, _FAINT, _GRID = "#1c2530", "#6b7783", "#e3e7ea"


def chart_file(chart: Chart, *, banner: str, kind: Literal["png", "svg"] = "png") -> bytes:
    """The chart with title, and the banner at its foot.

    Args:
        chart: What to draw.
        banner: The research-use line.
        kind: File format.
    """
    figure = _forest(chart) if isinstance(chart, Forest) else _curves(chart)
    height = figure.get_figheight()
    title = chart.title + (f" ({chart.status})" if chart.status.startswith("partial") else "")
    figure.text(0.01, 1 - 0.08 / height, title, fontsize=10, va="top", color=_INK, weight="bold")
    figure.text(0.5, 0.06 / height, banner, fontsize=7, ha="center", va="bottom", color="#8a4b00", weight="bold")
    out = io.BytesIO()
    # no clock and no random ids: the same values give the same bytes
    with matplotlib.rc_context({"svg.hashsalt": chart.id, "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        told = {"Description": banner, "Software": None} if kind == "png" else {"Description": banner, "Date": None}
        figure.savefig(out, format=kind, dpi=120, metadata=told)
    return out.getvalue()


def _new(height: float, left: float, right: float, head: float = 0.42) -> tuple[Figure, Any]:
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    bottom = 0.72 / height
    axes = figure.add_axes((left, bottom, right - left, 1 - bottom - head / height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.set_axisbelow(True)
    return figure, axes


def _forest(chart: Forest) -> Figure:
    groups = groups_of(chart)
    figure, axes = _new(1.5 + 0.23 * max(len(chart.points), 1), 0.4, 0.76, 0.7 if len(groups) > 1 else 0.42)
    seen: set[str] = set()
    for y, p in enumerate(chart.points):
        index, n = groups.index(p.group), p.number
        colour, marker = ON_PAPER[index % len(ON_PAPER)], MARKERS[index % len(MARKERS)][0]
        if n.value is not None:
            if n.low is not None and n.high is not None:
                axes.plot([n.low, n.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            name = p.group if p.group and p.group not in seen else None
            axes.plot([n.value], [y], marker=marker, color=colour, markersize=5.5, linestyle="", label=name)
            seen.add(p.group)
        axes.text(1.02, y, cell_text(n), transform=axes.get_yaxis_transform(), fontsize=7.2, va="center",
                  color=_INK if n.value is not None else _FAINT)  # fmt: skip
    axes.set_xlim(*span_of(chart))
    axes.set_ylim(len(chart.points) - 0.4, -0.6)
    axes.set_yticks(
        range(len(chart.points)), ["\n".join(textwrap.wrap(p.label, 54, max_lines=2)) for p in chart.points]
    )
    axes.grid(axis="x", color=_GRID, linewidth=0.7)
    if chart.reference is not None:
        axes.axvline(chart.reference, color=_INK, linewidth=0.9, linestyle="--")
    beside = f"   (dashed: {chart.reference_label})" if chart.reference_label else ""
    axes.set_xlabel(chart.axis + beside, fontsize=8, color=_INK)
    if len(groups) > 1 and seen:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, fontsize=7, frameon=False)
    return figure


def _curves(chart: Curves) -> Figure:
    square = chart.x_range == chart.y_range == (0.0, 1.0)
    figure, axes = _new(5.0 if square else 3.8, 0.09, 0.62)
    drawn = plain = 0
    for c in chart.curves:
        colour, dash = (
            (_FAINT, PLAIN_DASHES[plain % len(PLAIN_DASHES)][0]) if c.plain
            else (ON_PAPER[drawn % len(ON_PAPER)], DASHES[drawn % len(DASHES)][0])
        )  # fmt: skip
        marker = MARKERS[drawn % len(MARKERS)][0] if chart.markers and not c.plain else None
        label = "\n".join(textwrap.wrap(c.label, 44))
        axes.plot(c.x, c.y, color=colour, linestyle=dash, linewidth=1.0 if c.plain else 1.8, label=label,
                  marker=marker, markersize=4.5)  # fmt: skip
        if c.low:
            y = np.array(c.y)
            ends = [np.maximum(y - np.array(c.low), 0), np.maximum(np.array(c.high) - y, 0)]
            axes.errorbar(c.x, y, yerr=ends, fmt="none", color=colour, linewidth=0.9, capsize=2)
        drawn, plain = drawn + (not c.plain), plain + c.plain
    if chart.diagonal:
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=0.8, linestyle=(0, (1, 3)), label=chart.diagonal)
    for low_high, limit in ((chart.x_range, axes.set_xlim), (chart.y_range, axes.set_ylim)):
        room = 0.012 * (low_high[1] - low_high[0])
        limit(low_high[0] - room, low_high[1] + room)
    if square:
        axes.set_aspect("equal", anchor="W")
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_xlabel(chart.x_axis, fontsize=8, color=_INK)
    axes.set_ylabel(chart.y_axis, fontsize=8, color=_INK)
    if chart.curves:
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=7.2, frameon=False)
    return figure
