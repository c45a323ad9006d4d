"""Charts of a study's analysis in Plotly: the same values as in the report, in the page's ink."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.charts import inked
from mmxai_core.reader_study.analysis.charts import Chart, Curves, DivergingBars, Forest
from mmxai_core.reader_study.exports.palette import DASHES, MARKERS, groups_of, span_of, step_colours, written

_CONFIG = {"displayModeBar": False, "responsive": True}
#: As many numbers as a chart of 340 pixels has room for beside its axis.
_MOST_TICKS = 9
#: Okabe and Ito, lighter on a dark page.
_ON_DARK = ("#56b4e9", "#e69f00", "#2fc49a", "#e08bbd", "#f0e442", "#ff8a4c", "#b8c4ce")
_ON_LIGHT = ("#0072b2", "#c65300", "#00785a", "#a84f85", "#8a6d00", "#2a86b8", "#5b6670")


def study_chart(chart: Chart, *, key: str) -> None:
    """Shows a chart.

    Args:
        chart: What to draw.
        key: Its place on the page.
    """
    colours = _ON_LIGHT if st.context.theme.type == "light" else _ON_DARK
    if isinstance(chart, DivergingBars):
        figure = likert_figure(chart)
    elif isinstance(chart, Forest):
        figure = forest_figure(chart, colours)
    else:
        figure = curves_figure(chart, colours)
    st.markdown(f"**{chart.title}**")
    figure = inked(figure)
    if isinstance(chart, DivergingBars):  # numbers lie on the bars, whose colours are the same in both themes
        for trace in figure.data:
            trace.update(textfont={"color": trace.meta["ink"]})
    st.plotly_chart(figure, key=key, config=_CONFIG, theme=None, alt=alt_text(chart))


def alt_text(chart: Chart) -> str:
    """The chart in words, for who cannot see it."""
    if isinstance(chart, Forest):
        return f"{chart.title}. " + "; ".join(f"{p.label}: {written(chart, p)}" for p in chart.points[:40])
    if isinstance(chart, DivergingBars):
        rows = (f"{r.label} ({r.group}): {', '.join(map(str, r.counts))}" for r in chart.rows)
        return f"{chart.title}, answers by category from {chart.categories[0]} to {chart.categories[-1]}. " + "; ".join(
            rows
        )
    return f"{chart.title}: {', '.join(c.label for c in chart.curves if not c.faint)}. Values are in the tables."


def _layout(height: int, **more: Any) -> dict[str, Any]:
    clear = "rgba(0,0,0,0)"
    return {
        "height": height, "paper_bgcolor": clear, "plot_bgcolor": clear, "margin": {"l": 10, "r": 10, "t": 34, "b": 44},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}, "hovermode": "closest",
    } | more  # fmt: skip


def _wrapped(text: str, width: int = 44, lines: int = 3) -> str:
    return "<br>".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))


def likert_figure(chart: DivergingBars) -> Any:
    """Diverging stacked bars around the middle category; every segment carries its count."""
    steps, colours = len(chart.categories), step_colours(len(chart.categories))
    labels = [_wrapped(r.label if r.group == "all" else f"{r.label} [{r.group}]") for r in chart.rows]
    y = list(range(len(chart.rows)))
    totals = [sum(r.counts) for r in chart.rows]
    figure = go.Figure()
    for k, name in enumerate(chart.categories):
        shares = [100 * r.counts[k] / t if t else 0 for r, t in zip(chart.rows, totals, strict=True)]
        base = [
            100 * (sum(r.counts[:k]) - sum(r.counts[: steps // 2]) - (r.counts[steps // 2] / 2 if steps % 2 else 0)) / t
            if t else 0
            for r, t in zip(chart.rows, totals, strict=True)
        ]  # fmt: skip
        figure.add_bar(
            y=y, x=shares, base=base, orientation="h", name=name, marker={"color": colours[k]}, textposition="inside",
            text=[str(r.counts[k]) if s >= 4 else "" for r, s in zip(chart.rows, shares, strict=True)],
            textangle=0, insidetextanchor="middle", meta={"ink": "#ffffff" if k in (0, steps - 1) else "#17212b"},
            customdata=[[r.counts[k], t] for r, t in zip(chart.rows, totals, strict=True)],
            hovertemplate="%{customdata[0]} of %{customdata[1]} (%{x:.0f} %)<extra>" + name + "</extra>",
        )  # fmt: skip
    for n, r in enumerate(chart.rows):
        beside = f"n = {totals[n]}" + (f", {r.no_answer} none" if r.no_answer else "")
        figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=n, text=beside, showarrow=False)
    figure.update_layout(**_layout(120 + 44 * len(chart.rows), barmode="overlay", bargap=0.28))
    figure.update_layout(margin_r=90)
    figure.update_yaxes(tickvals=y, ticktext=labels, range=[len(y) - 0.5, -0.5], automargin=True, showgrid=False)
    figure.update_xaxes(
        range=[-100, 100], tickvals=[-100, -50, 0, 50, 100], ticktext=["100 %", "50 %", "0", "50 %", "100 %"],
        title="Share of answers, below and above the middle", zeroline=True,
    )  # fmt: skip
    return figure


def forest_figure(chart: Forest, colours: tuple[str, ...]) -> Any:
    """Estimates with intervals under each other; values are written beside them."""
    groups, (low, high) = groups_of(chart), span_of(chart)
    figure = go.Figure()
    for index, group in enumerate(groups):
        rows = [(y, p) for y, p in enumerate(chart.points) if p.group == group and p.value is not None]
        if not rows:
            continue
        figure.add_scatter(
            x=[p.value for _, p in rows], y=[y for y, _ in rows], mode="markers", name=group or chart.title,
            marker={"color": colours[index % len(colours)], "symbol": MARKERS[index % len(MARKERS)][1], "size": 9},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.8, "width": 0,
                "array": [0 if p.high is None else p.high - p.value for _, p in rows],
                "arrayminus": [0 if p.low is None else p.value - p.low for _, p in rows],
            },
            customdata=[[p.label, written(chart, p), p.reason] for _, p in rows],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
            showlegend=sum(bool(g) for g in groups) > 1, cliponaxis=False,
        )  # fmt: skip
    for y, p in enumerate(chart.points):
        figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=y, text=written(chart, p), showarrow=False)
    if chart.reference is not None:
        figure.add_vline(x=chart.reference, line={"dash": "dash", "width": 1.2, "color": "#8796a5"})
    many = len(chart.points) > 14
    figure.update_layout(**_layout(110 + (24 if many else 32) * max(len(chart.points), 1)))
    figure.update_layout(margin_r=150)
    labels = [_wrapped(p.label, 46, 1 if many else 2) for p in chart.points]
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=labels, range=[len(labels) - 0.4, -0.6], automargin=True,
        showgrid=False, zeroline=False,
    )  # fmt: skip
    beside = f"   (dashed: {chart.reference_label})" if chart.reference_label else ""
    edge = 0.012 * (high - low)  # a marker on the edge is seen whole
    figure.update_xaxes(range=[low - edge, high + edge], title=chart.axis + beside, zeroline=False,
                        tickformat=".0%" if chart.percent else None)  # fmt: skip
    return figure


def curves_figure(chart: Curves, colours: tuple[str, ...]) -> Any:
    """Lines; one reader's are faint, behind the mean."""
    bold = [c for c in chart.curves if not c.faint]
    figure = go.Figure()
    for c in chart.curves:
        owner = next((n for n, b in enumerate(bold) if c.label == b.label or c.label.startswith(f"{b.label},")), 0)
        figure.add_scatter(
            x=c.x, y=c.y, mode="lines+markers" if chart.markers else "lines", name=c.label, showlegend=not c.faint,
            opacity=0.35 if c.faint else 1, marker={"symbol": MARKERS[owner % len(MARKERS)][1], "size": 7},
            line={"color": colours[owner % len(colours)], "width": 1 if c.faint else 2.6,
                  "dash": "solid" if c.faint else DASHES[owner % len(DASHES)][1]},
        )  # fmt: skip
    if chart.diagonal:
        figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", hoverinfo="skip",
                           line={"color": "#8796a5", "width": 1, "dash": "dot"})  # fmt: skip
    figure.update_layout(**_layout(480 if chart.square else 340))
    figure.update_xaxes(title=chart.x_axis, zeroline=False)
    figure.update_yaxes(title=chart.y_axis, zeroline=False, automargin=True)
    if chart.square:
        figure.update_xaxes(range=[-0.01, 1.01], constrain="domain")
        figure.update_yaxes(range=[-0.01, 1.01], scaleanchor="x", constrain="domain")
    elif chart.curves and max(max(c.y) for c in chart.curves) > 20 * min(min(c.y) for c in chart.curves):
        figure.update_yaxes(**log_axis([y for c in chart.curves for y in c.y]))
    return figure


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis whose few ticks are whole numbers: Plotly's own write "2" and "5" between powers of ten."""
    low, high = math.log10(min(v for v in values if v > 0)), math.log10(max(values))
    room = 0.05 * (high - low) + 0.02  # a marker on the edge is seen whole
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10**k for k in range(math.floor(low), math.ceil(high) + 1) for m in steps]
        ticks = [t for t in ticks if low - room <= math.log10(t) <= high + room]
        if len(ticks) <= _MOST_TICKS:
            break
    return {
        "type": "log", "range": [low - room, high + room], "tickvals": ticks,
        "ticktext": [f"{t:,g}" if t < 1 else f"{t:,.0f}" for t in ticks],
    }  # fmt: skip
