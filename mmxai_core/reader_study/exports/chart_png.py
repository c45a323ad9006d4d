"""Charts as PNG by Matplotlib's object API, on white for print; nothing global, so nothing is shared by sessions."""

from __future__ import annotations

import io
import textwrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmxai_core.reader_study.analysis.charts import Chart, Curves, DivergingBars, Forest
from mmxai_core.reader_study.exports.palette import (
    COLOURS,
    DASHES,
    MARKERS,
    groups_of,
    span_of,
    step_colours,
    written,
)

_WIDTH = 8.6
_INK, _FAINT = "#1c2530", "#6b7783"


def chart_png(chart: Chart, *, banner: str) -> bytes:
    """The chart with the banner at its foot.

    Args:
        chart: What to draw.
        banner: Research-use line, and that readers were simulated where they were.
    """
    if isinstance(chart, DivergingBars):
        figure = _bars(chart)
    elif isinstance(chart, Forest):
        figure = _forest(chart)
    else:
        figure = _curves(chart)
    height = figure.get_figheight()
    figure.text(0.5, 0.07 / height, banner, fontsize=7, ha="center", va="bottom", color="#8a4b00", weight="bold")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130, metadata={"Description": banner, "Software": None})
    return out.getvalue()


def _new(height: float, left: float, *, right: float = 0.98, legend: float = 0.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    bottom = 0.72 / height
    axes = figure.add_axes((left, bottom, right - left, 1 - bottom - (0.42 + legend) / height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _title(figure: Figure, text: str) -> None:
    figure.text(0.01, 1 - 0.08 / figure.get_figheight(), text, fontsize=10, va="top", color=_INK, weight="bold")


def _bars(chart: DivergingBars) -> Figure:
    rows, steps = chart.rows, len(chart.categories)
    labels = [
        "\n".join(textwrap.wrap(r.label if r.group == "all" else f"{r.label} [{r.group}]", 46, max_lines=3))
        for r in rows
    ]
    figure, axes = _new(1.6 + 0.46 * len(rows), 0.4, right=0.93, legend=0.25)
    colours = step_colours(steps)
    for y, r in enumerate(rows):
        total = sum(r.counts)
        if not total:
            axes.text(0, y, "no answer", fontsize=8, va="center", ha="center", color=_FAINT)
            continue
        shares = [100 * n / total for n in r.counts]
        left = -sum(shares[: steps // 2]) - (shares[steps // 2] / 2 if steps % 2 else 0)
        for k, (share, count) in enumerate(zip(shares, r.counts, strict=True)):
            axes.barh(y, share, left=left, height=0.72, color=colours[k], edgecolor="white", linewidth=0.6,
                      label=chart.categories[k] if y == 0 else None)  # fmt: skip
            if share >= 5:
                dark = k in (0, steps - 1)
                axes.text(left + share / 2, y, str(count), ha="center", va="center", fontsize=7.5,
                          color="white" if dark else _INK)  # fmt: skip
            left += share
        beside = f"n = {total}" + (f"\n+{r.no_answer} none" if r.no_answer else "")
        axes.text(104, y, beside, fontsize=7, va="center", color=_FAINT, clip_on=False)
    axes.set_xlim(-100, 100)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), labels)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xticks([-100, -50, 0, 50, 100], ["100 %", "50 %", "0", "50 %", "100 %"])
    axes.set_xlabel("Share of answers, below and above the middle", fontsize=8, color=_INK)
    if any(sum(r.counts) for r in rows[:1]):
        axes.legend(loc="lower center", bbox_to_anchor=(0.3, 1.0), ncols=steps, fontsize=7, frameon=False,
                    handlelength=1, columnspacing=1)  # fmt: skip
    _title(figure, chart.title)
    return figure


def _forest(chart: Forest) -> Figure:
    groups = groups_of(chart)
    named = [g for g in groups if g]
    figure, axes = _new(1.5 + 0.23 * max(len(chart.points), 1), 0.4, right=0.78, legend=0.25 if len(named) > 1 else 0.0)
    low, high = span_of(chart)
    seen: set[str] = set()
    for y, p in enumerate(chart.points):
        index = groups.index(p.group)
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)][0]
        if p.value is not None:
            if p.low is not None and p.high is not None:
                axes.plot([p.low, p.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([p.value], [y], marker=marker, color=colour, markersize=5.5, linestyle="",
                      label=p.group if p.group and p.group not in seen else None)  # fmt: skip
            seen.add(p.group)
        axes.text(1.02, y, written(chart, p), transform=axes.get_yaxis_transform(), fontsize=7.2, va="center",
                  color=_INK if p.value is not None else _FAINT)  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(len(chart.points) - 0.4, -0.6)
    axes.set_yticks(
        range(len(chart.points)), ["\n".join(textwrap.wrap(p.label, 54, max_lines=2)) for p in chart.points]
    )
    if len(chart.points) > 20:
        axes.tick_params(axis="y", labelsize=7)
    axes.grid(axis="x", color="#e3e7ea", linewidth=0.7)
    axes.set_axisbelow(True)
    if chart.reference is not None:
        axes.axvline(chart.reference, color=_INK, linewidth=0.9, linestyle="--")
    if chart.percent:
        axes.xaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
    beside = f"   (dashed: {chart.reference_label})" if chart.reference_label else ""
    axes.set_xlabel(chart.axis + beside, fontsize=8, color=_INK)
    if len(named) > 1 and seen:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, fontsize=7, frameon=False, handletextpad=0.2
        )
    _title(figure, chart.title)
    return figure


def _curves(chart: Curves) -> Figure:
    figure, axes = _new(5.2 if chart.square else 3.6, 0.1, right=0.66 if chart.square else 0.7)
    bold = [c for c in chart.curves if not c.faint]
    for c in chart.curves:
        owner = next((n for n, b in enumerate(bold) if c.label == b.label or c.label.startswith(f"{b.label},")), 0)
        colour = COLOURS[owner % len(COLOURS)]
        axes.plot(
            c.x, c.y, color=colour, linewidth=0.7 if c.faint else 2.0, alpha=0.35 if c.faint else 1.0,
            linestyle="-" if c.faint else DASHES[owner % len(DASHES)][0], label=None if c.faint else c.label,
            marker=MARKERS[owner % len(MARKERS)][0] if chart.markers else None, markersize=4,
        )  # fmt: skip
    if chart.diagonal:
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=0.8, linestyle=(0, (1, 3)), label="chance")
    if chart.square:
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_aspect("equal", anchor="W")
    elif chart.curves and max(max(c.y) for c in chart.curves) > 20 * min(min(c.y) for c in chart.curves):
        axes.set_yscale("log")
    axes.grid(color="#e3e7ea", linewidth=0.7)
    axes.set_xlabel(chart.x_axis, fontsize=8, color=_INK)
    axes.set_ylabel(chart.y_axis, fontsize=8, color=_INK)
    if chart.curves:
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8, frameon=False)
    _title(figure, chart.title)
    return figure
