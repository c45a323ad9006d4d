"""Pairwise interactions of fields and image regions as a heatmap, main effects on the diagonal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmxai_core.figures.account import require_additive, say
from mmxai_core.results import Attribution

#: Colour at full strength: this many log-odds, or this much probability. Absolute, the same for every case.
FULL_COLOUR = {"log_odds": 0.5, "probability": 0.1}
#: Away, none and toward, and the numbers upon them (contrast at least 4.5): on a dark page and on a light one, so that
#: nothing is as near to the page as no interaction is to none.
PALETTES = {
    False: ("#2a6ea8", "#1a212a", "#b04a00", "#ffffff"),
    True: ("#79b6e4", "#eef2f5", "#f0954f", "#17212b"),
}


def interaction_figure(
    attribution: Attribution, labels: Mapping[str, str], *, target: str, light: bool = False
) -> Any:  # fmt: skip
    """A heatmap (plotly.graph_objects.Figure): off the diagonal the synergy of two players, on it each one's own part.

    The diagonal holds the Shapley value less half of the player's interactions, so that with every pair counted once
    all cells sum to output - base value. Colour is absolute (`FULL_COLOUR`), the number is in the
    cell, so that neither direction nor size rests on colour alone.

    Args:
        attribution: The account, with its interactions.
        labels: What to show by player.
        target: Name of the class explained.
        light: Whether the page is light.

    Raises:
        ValueError: The account does not add up, so that it must be withheld.
    """
    require_additive(attribution)
    space, players = attribution.space, attribution.players
    names = [labels.get(p, p) for p in players]
    pairs = np.asarray(attribution.interactions, np.float64)
    cells = pairs + np.diag(np.asarray(attribution.values, np.float64) - pairs.sum(1) / 2)
    full = FULL_COLOUR[space]
    away, none, toward, ink = PALETTES[light]
    figure = go.Figure()
    figure.add_heatmap(
        z=cells, x=list(range(len(names))), y=list(range(len(names))), zmin=-full, zmax=full,
        colorscale=[[0, away], [0.5, none], [1, toward]], textfont={"color": ink}, xgap=1, ygap=1,
        text=[[_cell(v, space) for v in row] for row in cells], texttemplate="%{text}",
        hovertext=[
            [_hover(names[i], names[j], float(cells[i, j]), space, target, own=i == j) for j in range(len(names))]
            for i in range(len(names))
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        colorbar={"title": {"text": "Log-odds" if space == "log_odds" else "Probability"}, "thickness": 12},
    )  # fmt: skip
    ticks = {
        "tickvals": list(range(len(names))), "ticktext": names, "automargin": True, "showgrid": False,
        "zeroline": False,  # row and column 0 are a player's: the line would show in the gaps of its cells
    }  # fmt: skip
    figure.update_layout(
        height=160 + round(max(22, min(34, 400 / len(names))) * len(names)),
        margin={"l": 8, "r": 8, "t": 8, "b": 8}, dragmode=False,
        hoverlabel={"align": "left"},
        # Above: the foot of a matrix of many inputs is out of sight.
        xaxis={**ticks, "ticktext": [_head(n) for n in names], "tickangle": -40, "side": "top"},
        yaxis={**ticks, "autorange": "reversed"},
    )  # fmt: skip
    return figure


def _head(name: str) -> str:
    """A field's name without its value, which the row has; a region of the image keeps its name."""
    head, _, tail = name.partition(": ")
    return name if head == "Image" or not tail else head


def _cell(value: float, space: str) -> str:
    """Short enough for a cell; nothing where nothing would be read."""
    shown = 100 * value if space == "probability" else value
    digits = 1 if space == "probability" else 2
    return "" if abs(shown) < 0.5 * 10**-digits else f"{shown:+.{digits}f}"


def _hover(first: str, second: str, value: float, space: str, target: str, *, own: bool) -> str:
    way = "toward" if value > 0 else "away from"
    amount = f"{say(value, space, sign=True)} {way} {target}"
    if own:
        return f"<b>{first}</b> on its own<br>{amount}"
    kind = "together they say more than each alone" if value > 0 else "together they say less than each alone"
    return f"<b>{first}</b> and <b>{second}</b><br>{amount}: {kind}"
