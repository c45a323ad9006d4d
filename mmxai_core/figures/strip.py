"""The curves behind the reliability numbers: deletion and insertion, and the map under random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmxai_core.results.strip import CascadeStep, DeletionCurves

_MAP, _RANDOM, _FAINT = "#d55e00", "#93a1b0", "#93a1b0"


def curves_figure(curves: DeletionCurves, *, target: str, which: str) -> Any:
    """Probability while the map's regions are deleted, or inserted, against random ones (plotly.graph_objects.Figure).

    Args:
        curves: From the strip.
        target: Name of the class.
        which: "deletion" or "insertion".

    Raises:
        ValueError: `which` is neither.
    """
    if which not in ("deletion", "insertion"):
        raise ValueError(f"The curves are deletion and insertion; got {which!r}.")
    own, random = (
        (curves.deletion, curves.deletion_random)
        if which == "deletion"
        else (curves.insertion, curves.insertion_random)
    )
    x = [100 * float(f) for f in curves.fractions]
    figure = go.Figure()
    low, high = np.min(random, axis=0), np.max(random, axis=0)
    figure.add_scatter(
        x=[*x, *x[::-1]], y=[*map(float, high), *map(float, low[::-1])], fill="toself", mode="lines",
        line={"width": 0}, fillcolor="rgba(147,161,176,0.25)", hoverinfo="skip", name="range of random regions",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[float(v) for v in np.mean(random, axis=0)], mode="lines", name="random regions",
        line={"color": _RANDOM, "dash": "dash", "width": 2}, hovertemplate="%{x:.0f} %: %{y:.1%}<extra>random</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[float(v) for v in own], mode="lines+markers", name="what the map marks",
        line={"color": _MAP, "width": 2.5}, marker={"size": 5},
        hovertemplate="%{x:.0f} %: %{y:.1%}<extra>map</extra>",
    )  # fmt: skip
    verb = "deleted" if which == "deletion" else "shown"
    figure.update_layout(
        height=230, margin={"l": 8, "r": 12, "t": 8, "b": 8}, dragmode=False,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": f"Part of the image {verb} (%)"}, "automargin": True},
        yaxis={"title": {"text": f"Probability of {target}"}, "tickformat": ".0%", "automargin": True},
    )  # fmt: skip
    return figure


def cascade_figure(cascade: tuple[CascadeStep, ...], *, limit: float = 0.5) -> Any:
    """Likeness of the map to the true one as ever more weights are random (plotly.graph_objects.Figure).

    Args:
        cascade: From the strip, from the output down.
        limit: Likeness above which maps count as alike.
    """
    figure = go.Figure()
    figure.add_bar(
        y=[c.stage for c in cascade], x=[c.similarity for c in cascade], orientation="h", width=0.6,
        text=[f"{c.similarity:.2f}" for c in cascade], textposition="outside", cliponaxis=False,
        marker={
            "color": ["#6c8ebf"] * len(cascade),
            "pattern": {"shape": ["" if c.similarity <= limit else "/" for c in cascade], "size": 5, "solidity": 0.35},
        },
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=limit, line={"color": _FAINT, "dash": "dash", "width": 1})
    figure.update_layout(
        height=80 + 30 * len(cascade), margin={"l": 8, "r": 30, "t": 8, "b": 8}, showlegend=False, dragmode=False,
        xaxis={
            "title": {"text": "Likeness to the true map (1 = same)"},
            "range": [min([0.0, *(c.similarity for c in cascade)]), 1.08],
        },
        yaxis={"autorange": "reversed", "automargin": True},
    )  # fmt: skip
    return figure
