"""Charts of results in Plotly, for the page."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmxai_core.figures.performance_parts import Chart, Curves, Forest, cell_text
from mmxai_core.figures.performance_style import DASHES, MARKERS, ON_DARK, ON_PAPER, PLAIN_DASHES, groups_of, span_of

_GREY = "#8796a5"
#: Letters a line of the legend.
_LEGEND = 50
#: Heights in px: a forest's row, a line of the legend, the plot of curves with its axis.
_ROW, _LINE, _PLOT = 25, 20, 380


def chart_figure(chart: Chart, *, light: bool) -> Any:
    """The Plotly figure of a chart.

    Args:
        chart: What to draw.
        light: Whether the page is light.
    """
    colours = ON_PAPER if light else ON_DARK
    return _forest(chart, colours) if isinstance(chart, Forest) else _curves(chart, colours)


def _layout(height: int) -> dict[str, Any]:
    clear = "rgba(0,0,0,0)"
    return {
        "height": height, "paper_bgcolor": clear, "plot_bgcolor": clear, "margin": {"l": 10, "r": 10, "t": 10, "b": 44},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}, "hovermode": "closest",
    }  # fmt: skip


def _forest(chart: Forest, colours: tuple[str, ...]) -> Any:
    groups, figure = groups_of(chart), go.Figure()
    for index, group in enumerate(groups):
        rows = [(y, p) for y, p in enumerate(chart.points) if p.group == group and p.number.value is not None]
        if not rows:
            continue
        values = [p.number.value or 0.0 for _, p in rows]
        ends = [(p.number.low, p.number.high) for _, p in rows]
        figure.add_scatter(
            x=values, y=[y for y, _ in rows], mode="markers", name=group,
            marker={"color": colours[index % len(colours)], "symbol": MARKERS[index % len(MARKERS)][1], "size": 9},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.8, "width": 0,
                "array": [0 if h is None else max(h - v, 0) for v, (_, h) in zip(values, ends, strict=True)],
                "arrayminus": [0 if low is None else max(v - low, 0) for v, (low, _) in zip(values, ends, strict=True)],
            },
            customdata=[[p.label, cell_text(p.number)] for _, p in rows],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>", showlegend=len(groups) > 1,
        )  # fmt: skip
    for y, p in enumerate(chart.points):
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=y, text=cell_text(p.number), showarrow=False, font={"size": 12}
        )
    if chart.reference is not None:
        figure.add_vline(x=chart.reference, line={"dash": "dash", "width": 1.2, "color": _GREY})
    figure.update_layout(**_layout(100 + _ROW * max(len(chart.points), 1)))
    figure.update_layout(margin_r=178)
    labels = ["<br>".join(textwrap.wrap(p.label, 58, max_lines=1, placeholder=" …")) for p in chart.points]
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=labels, range=[len(labels) - 0.4, -0.6], automargin=True,
        showgrid=False, zeroline=False,
    )  # fmt: skip
    beside = f"   (dashed: {chart.reference_label})" if chart.reference_label else ""
    figure.update_xaxes(range=list(span_of(chart)), title=chart.axis + beside, zeroline=False)
    return figure


def _curves(chart: Curves, colours: tuple[str, ...]) -> Any:
    figure, drawn, plain = go.Figure(), 0, 0
    # a legend is not wrapped by itself, and would be cut on a narrow page
    names = {c.label: "<br>".join(textwrap.wrap(c.label, _LEGEND)) for c in chart.curves}
    for c in chart.curves:
        colour, dash = colours[drawn % len(colours)], DASHES[drawn % len(DASHES)][1]
        if c.plain:
            colour, dash = _GREY, PLAIN_DASHES[plain % len(PLAIN_DASHES)][1]
        ends: dict[str, Any] = {}
        if c.low:
            y = np.array(c.y)
            ends["error_y"] = {
                "type": "data", "symmetric": False, "thickness": 1.2, "width": 3,
                "array": np.maximum(np.array(c.high) - y, 0), "arrayminus": np.maximum(y - np.array(c.low), 0),
            }  # fmt: skip
        figure.add_scatter(
            # single precision halves what is sent; no figure here has more than six digits
            x=np.array(c.x, np.float32), y=np.array(c.y, np.float32), name=names[c.label],
            mode="lines+markers" if chart.markers and not c.plain else "lines",
            marker={"symbol": MARKERS[drawn % len(MARKERS)][1], "size": 8, "color": colour},
            line={"color": colour, "width": 1.8 if c.plain else 2.4, "dash": dash},
            hovertemplate="%{x:.3f}, %{y:.3f}<extra>" + names[c.label] + "</extra>", **ends,
        )  # fmt: skip
        drawn, plain = drawn + (not c.plain), plain + c.plain
    if chart.diagonal:
        figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name=chart.diagonal, hoverinfo="skip",
                           line={"color": _GREY, "width": 1, "dash": "dot"})  # fmt: skip
    # above the plot: below it, the legend would lie under the fold of most screens
    lines = sum(1 + n.count("<br>") for n in names.values()) + bool(chart.diagonal)
    figure.update_layout(**_layout(_PLOT + _LINE * lines))
    figure.update_layout(legend_orientation="v", legend_font_size=12, margin_t=_LINE * lines)
    figure.update_xaxes(title=chart.x_axis, range=_wider(chart.x_range), zeroline=False, automargin=True)
    figure.update_yaxes(title=chart.y_axis, range=_wider(chart.y_range), zeroline=False, automargin=True)
    return figure


def _wider(ends: tuple[float, float]) -> list[float]:
    room = 0.012 * (ends[1] - ends[0])
    return [ends[0] - room, ends[1] + room]
