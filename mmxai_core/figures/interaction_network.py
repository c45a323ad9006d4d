"""The strongest pairwise interactions as a ranked list and as a network of fields and image regions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmxai_core.figures.account import require_additive, say
from mmxai_core.figures.colour import AWAY, TOWARD
from mmxai_core.figures.interactions import FULL_COLOUR
from mmxai_core.results import Attribution

#: Below this a pair is no interaction worth a line: what rounds to nothing in two decimals, or in a tenth of a point.
SMALL = {"log_odds": 0.005, "probability": 0.0005}
#: Width of a line at `FULL_COLOUR`, pixels.
_WIDTH = 7.0


@dataclass(frozen=True)
class Pair:
    """Two players and what they say together beyond what each says alone.

    Attributes:
        first: Player id.
        second: Player id.
        value: Pairwise Shapley interaction, in the account's space.
        kind: "image and field", "two fields" or "two regions".
    """

    first: str
    second: str
    value: float
    kind: str


def strongest_pairs(attribution: Attribution, *, regions: tuple[str, ...] = (), most: int = 10) -> tuple[Pair, ...]:
    """Pairs with an interaction worth a line, largest first.

    Args:
        attribution: The account, with its interactions.
        regions: Players that are regions of the image; "image" always is.
        most: Most pairs.
    """
    players, image = attribution.players, {*regions, "image"}
    found = []
    for i, first in enumerate(players):
        for j in range(i + 1, len(players)):
            value, inside = float(attribution.interactions[i, j]), (first in image) + (players[j] in image)
            if abs(value) >= SMALL[attribution.space]:
                kind = ("two fields", "image and field", "two regions")[inside]
                found.append(Pair(first, players[j], value, kind))
    return tuple(sorted(found, key=lambda p: -abs(p.value))[:most])


def image_synergy(attribution: Attribution, *, regions: tuple[str, ...]) -> dict[str, float]:
    """By field, the sum of its interactions with the image or its regions, largest first; empty without an image.

    Args:
        attribution: The account, with its interactions.
        regions: Players that are regions of the image; "image" always is.
    """
    inside = [i for i, p in enumerate(attribution.players) if p in {*regions, "image"}]
    if not inside:
        return {}
    sums = {
        p: float(attribution.interactions[i, inside].sum())
        for i, p in enumerate(attribution.players)
        if i not in inside
    }  # fmt: skip
    return dict(sorted(sums.items(), key=lambda kv: -abs(kv[1])))


def network_figure(
    attribution: Attribution, labels: Mapping[str, str], *, target: str, regions: tuple[str, ...] = (), most: int = 12
) -> Any:
    """A ring of players joined by their strongest interactions (plotly.graph_objects.Figure).

    A line's width is its size on an absolute scale; a solid vermillion line adds toward the class, a dashed blue one
    away from it. Regions of the image are squares, fields are discs.

    Args:
        attribution: The account, with its interactions.
        labels: What to show by player.
        target: Name of the class explained.
        regions: Players that are regions of the image; "image" always is.
        most: Most lines.

    Raises:
        ValueError: The account does not add up, so that it must be withheld.
    """
    require_additive(attribution)
    pairs, space = strongest_pairs(attribution, regions=regions, most=most), attribution.space
    named = {p for pair in pairs for p in (pair.first, pair.second)}
    players = [p for p in attribution.players if p in named]
    angle = {p: math.pi / 2 - 2 * math.pi * i / max(len(players), 1) for i, p in enumerate(players)}
    place = {p: (math.cos(a), math.sin(a)) for p, a in angle.items()}
    figure = go.Figure()
    for pair in reversed(pairs):
        (x0, y0), (x1, y1) = place[pair.first], place[pair.second]
        way = "toward" if pair.value > 0 else "away from"
        said = f"{labels.get(pair.first, pair.first)} and {labels.get(pair.second, pair.second)}"
        figure.add_scatter(
            x=[x0, (x0 + x1) / 2, x1], y=[y0, (y0 + y1) / 2, y1], mode="lines", name=f"{pair.first}|{pair.second}",
            line={
                "color": TOWARD if pair.value > 0 else AWAY, "dash": "solid" if pair.value > 0 else "dash",
                "width": line_width(pair.value, space),
            },
            text=[f"<b>{said}</b><br>{say(pair.value, space, sign=True)} {way} {target} together"] * 3,
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    image = {*regions, "image"}
    figure.add_scatter(
        x=[place[p][0] for p in players], y=[place[p][1] for p in players], mode="markers+text", name="players",
        marker={
            "size": 13, "color": "#93a1b0", "symbol": ["square" if p in image else "circle" for p in players],
        },
        text=[_wrapped(labels.get(p, p)) for p in players], textposition=[_beside(angle[p]) for p in players],
        hoverinfo="skip", cliponaxis=False,
    )  # fmt: skip
    hidden: dict[str, Any] = {"visible": False, "fixedrange": True}
    figure.update_layout(
        height=320, margin={"l": 4, "r": 4, "t": 24, "b": 24}, showlegend=False, dragmode=False,
        xaxis={**hidden, "range": [-2.3, 2.3]}, yaxis={**hidden, "range": [-1.35, 1.35]},
        hoverlabel={"align": "left"},
    )  # fmt: skip
    return figure


def line_width(value: float, space: str) -> float:
    """Width of a line in pixels: in proportion to its size up to `FULL_COLOUR`, never thinner than 1."""
    return float(np.clip(_WIDTH * abs(value) / FULL_COLOUR[space], 1.0, _WIDTH))


def _wrapped(name: str) -> str:
    head, colon, tail = name.partition(": ")
    return f"{head}<br>{tail}" if colon else name


def _beside(angle: float) -> str:
    x, y = math.cos(angle), math.sin(angle)
    if abs(x) < 0.3:
        return "top center" if y > 0 else "bottom center"
    return "middle right" if x > 0 else "middle left"
