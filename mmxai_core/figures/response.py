"""How a case's probability answers to one field: a curve over a number, bars over categories."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from mmxai_core.results.what_if import FieldResponse, points_apart

_LINE, _FAINT, _NOW = "#6c8ebf", "#93a1b0", "#ffd479"


def response_figure(response: FieldResponse) -> Any:
    """Probability over the values of a field (plotly.graph_objects.Figure), with the threshold and the value now.

    Stretches that training has not seen are dotted, such categories hatched.

    Args:
        response: From `mmxai_core.explain.what_if.WhatIf.response`.
    """
    figure = go.Figure()
    if response.kind == "numeric":
        _curve(figure, response)
    else:
        _bars(figure, response)
    figure.add_hline(
        y=response.threshold, line={"color": _FAINT, "dash": "dash", "width": 1},
        annotation={
            "text": f"decision<br>at {100 * response.threshold:.0f} %", "font": {"size": 10}, "x": 1.01,
            "xanchor": "left", "yanchor": "middle", "align": "left",
        },
    )  # fmt: skip
    unit = f" ({response.unit})" if response.unit else ""
    figure.update_layout(
        height=260, margin={"l": 8, "r": 66, "t": 16, "b": 44}, showlegend=False, dragmode=False,
        xaxis={"title": {"text": f"{response.label}{unit}"}, "automargin": True, "zeroline": False},
        yaxis={
            "title": {"text": f"Probability of {response.positive_class}"}, "tickformat": ".0%", "range": [0, 1.02],
            "automargin": True,
        },
    )  # fmt: skip
    return figure


def _curve(figure: Any, response: FieldResponse) -> None:
    x = [float(p.value) for p in response.points]
    y = [p.probability for p in response.points]
    hover = [_hover(p.text, p.probability, p.seen, response) for p in response.points]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": _LINE, "width": 1.5, "dash": "dot"}, hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>", name="not seen in training",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[p.probability if p.seen else None for p in response.points], mode="lines",
        line={"color": _LINE, "width": 3}, hoverinfo="skip", connectgaps=False, name="seen in training",
    )  # fmt: skip
    if response.current is not None:
        figure.add_scatter(
            x=[float(response.current)], y=[response.current_probability], mode="markers", name="now",
            marker={"symbol": "diamond", "size": 11, "color": _NOW}, hovertext=["This case"],
            hovertemplate="%{hovertext}: %{y:.1%}<extra></extra>",
        )  # fmt: skip
    else:
        figure.add_hline(
            y=response.unknown_probability, line={"color": _NOW, "dash": "dot", "width": 1.5},
            annotation={"text": "unknown, as now", "font": {"size": 10}, "x": 0, "xanchor": "left"},
        )  # fmt: skip
    for at in response.crossings:
        figure.add_vline(x=at, line={"color": _FAINT, "dash": "dot", "width": 1})


def _bars(figure: Any, response: FieldResponse) -> None:
    rows = [(p.text, p.probability, p.seen, p.value == response.current) for p in response.points]
    rows.append(("Unknown", response.unknown_probability, True, response.current is None))
    # Else Plotly takes names such as BI-RADS 2, 3 and 5 for numbers, and has no place for 4A or Unknown.
    figure.update_xaxes(type="category")
    figure.add_bar(
        x=[r[0] for r in rows], y=[r[1] for r in rows], text=[f"{100 * r[1]:.0f} %" for r in rows],
        textposition="outside", cliponaxis=False,
        marker={
            "color": [_FAINT if r[0] == "Unknown" else _LINE for r in rows],
            "pattern": {"shape": ["" if r[2] else "/" for r in rows], "size": 5, "solidity": 0.35},
            "line": {"color": _NOW, "width": [3 if r[3] else 0 for r in rows]},
        },
        hovertext=[_hover(r[0], r[1], r[2], response) for r in rows], hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _hover(text: str, probability: float, seen: bool, response: FieldResponse) -> str:
    change = points_apart(response.current_probability, probability, digits=1)
    change = "as in this case" if change == "unchanged" else f"{change} from this case"
    rare = "" if seen else "<br>not, or hardly, seen in training"
    return f"<b>{response.label} {text}</b><br>{100 * probability:.1f} % {response.positive_class}<br>{change}{rare}"
