"""The Shapley account as an interactive waterfall, drawn with Plotly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from mmxai_core.figures.account import Step, first_name, probability_of, require_additive, say, steps
from mmxai_core.figures.colour import AWAY, TOWARD
from mmxai_core.results import Attribution

#: Marks toward both ends, where equal steps of probability run ever farther apart in log-odds.
_ENDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
#: Steps between the probabilities marked on the second axis, the coarsest that gives three marks.
_STEPS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
#: Pixels of a row, of a row with labels on two lines, of a row at its closest, and of everything that is no row.
_PITCH, _PITCH_TWO, _TIGHT, _FRAME = 29.0, 33.0, 17.0, 118.0
#: Share of the axis that a number takes in the narrowest window.
_NUMBER = 0.3
#: Letters of a label on one line.
_LETTERS = 30
#: Letters that a field's name keeps at the least where it is cut for its value.
_HEAD = 12


def _hover(step: Step, space: str, target: str) -> str:
    way = "toward" if step.value > 0 else "away from"
    if space == "probability":
        moved = f"running sum {100 * step.start:.1f} % to {100 * step.end:.1f} %"
    else:
        p0, p1 = probability_of(step.start), probability_of(step.end)
        moved = f"log-odds {step.start:.2f} to {step.end:.2f}<br>probability {100 * p0:.1f} % to {100 * p1:.1f} %"
    return f"<b>{step.label}</b><br>{say(step.value, space, sign=True)} {way} {target}<br>{moved}"


def waterfall_figure(
    attribution: Attribution, labels: Mapping[str, str], *, target: str, highlight: str = "", height: int = 0
) -> Any:  # fmt: skip
    """An interactive waterfall (plotly.graph_objects.Figure), read from top to bottom.

    In log-odds a second axis above gives the probability. Direction is carried by colour, by hatching and by sign.
    Where the account has intervals, a line at the end of each bar spans them.

    Args:
        attribution: The account; in log-odds or probability.
        labels: What to show by player.
        target: Name of the class explained.
        highlight: A player to outline, or "".
        height: Most pixels; rows that two lines a label do not fit into have them on one. 0: as high as it needs.

    Raises:
        ValueError: The account does not add up, so that it must be withheld.
    """
    require_additive(attribution)
    space, rows = attribution.space, steps(attribution, labels)
    spans = intervals(attribution)
    first, last = first_name(attribution), "This prediction"
    # Two fields may share a label: rows are placed by number, and named by tick text.
    names = [first, *(s.label for s in rows), last]
    room = max((height - _FRAME) / len(names), _TIGHT) if height else _PITCH_TWO
    two = room >= _PITCH_TWO and any("<br>" in _two_lines(n) for n in names)
    pitch = _PITCH_TWO if two else min(_PITCH, room)
    figure = go.Figure()
    figure.add_bar(
        y=list(range(1, len(rows) + 1)), x=[s.value for s in rows], base=[s.start for s in rows], orientation="h",
        width=0.72, customdata=[s.player for s in rows], text=[say(s.value, space, sign=True) for s in rows],
        textposition="none",  # drawn below, where no line crosses it
        hovertext=[_hover(s, space, target) + _span_hover(spans.get(s.player), space) for s in rows],
        hovertemplate="%{hovertext}<extra></extra>",
        marker={
            "color": [TOWARD if s.value > 0 else AWAY for s in rows],
            "pattern": {"shape": ["" if s.value > 0 else "/" for s in rows], "size": 5, "solidity": 0.35},
            "line": {"width": [2 if s.player == highlight else 0 for s in rows], "color": "#ffd479"},
        },
    )  # fmt: skip
    ends = [attribution.base_value, attribution.output]
    figure.add_scatter(
        y=[0, len(rows) + 1], x=ends, mode="markers", marker={"symbol": "diamond", "size": 11, "color": "#93a1b0"},
        hovertext=[_end_hover(e, space, target) for e in ends], hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
    )  # fmt: skip
    if spans:
        figure.add_scatter(
            x=[s.end for s in rows], y=list(range(1, len(rows) + 1)), mode="markers", hoverinfo="skip", name="interval",
            marker={"size": 1, "color": "#ffd479"},
            error_x={
                "symmetric": False, "array": [spans[s.player][1] - s.value for s in rows],
                "arrayminus": [s.value - spans[s.player][0] for s in rows], "color": "#ffd479", "thickness": 1.5,
                "width": 3,
            },
        )  # fmt: skip
    line = {"color": "#93a1b0", "width": 1, "dash": "dot"}
    joins = [attribution.base_value, *(s.end for s in rows)]
    figure.update_layout(shapes=[_join(x, i, line) for i, x in enumerate(joins)])
    span = [*ends, *(s.start for s in rows), *(s.end for s in rows)]
    span += [s.start + side for s in rows for side in spans.get(s.player, ())]
    low, high = min(span), max(span)
    pad = max(high - low, 1e-3) * 0.26
    view = [low - pad, high + pad]
    zero = 0.0 if space != "probability" and view[0] < 0 < view[1] else None  # the line of even odds, where it is seen
    _numbers(figure, rows, spans, ends, space, reach=_NUMBER * (view[1] - view[0]), line=zero)
    figure.update_layout(
        height=round(_FRAME + pitch * len(names)), margin={"l": 8, "r": 12, "t": 44, "b": 44}, showlegend=False,
        bargap=0.25, hoverlabel={"align": "left"}, dragmode=False,
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": [_two_lines(n) if two else _short(n) for n in names],
            "tickfont": {"size": 12 if pitch > 22 and not two else 11},
            "range": [len(names) - 0.4, -0.6],
            "automargin": True, "showgrid": False, "zeroline": False,
        },
        xaxis={
            "range": view, "automargin": True, "tickangle": 0, "nticks": 5, "zeroline": space != "probability",
            "zerolinewidth": 1,
        },
    )  # fmt: skip
    if space == "probability":
        figure.update_xaxes(title={"text": f"Probability of {target}"}, tickformat=".0%")
    else:
        figure.update_xaxes(title={"text": "Log-odds (0 = even)"})
        _probability_axis(figure, view, target)
    return figure


def intervals(attribution: Attribution) -> dict[str, tuple[float, float]]:
    """(low, high) of each player's value; empty where nothing was estimated."""
    if attribution.interval is None:
        return {}
    sides = zip(attribution.players, attribution.interval, strict=True)
    return {player: (float(side[0]), float(side[1])) for player, side in sides}


def _numbers(
    figure: Any, rows: Sequence[Step], spans: Mapping[str, tuple[float, float]], ends: Sequence[float], space: str, *,
    reach: float, line: float | None,
) -> None:  # fmt: skip
    """The numbers, each beyond its bar and interval, on the side where the line of even odds does not cross it."""
    places = [(*_side(e, e, right=True, reach=reach, line=line), say(e, space)) for e in ends]
    for step in rows:
        reached = (step.start, step.end, *(step.start + side for side in spans.get(step.player, ())))
        side = _side(min(reached), max(reached), right=step.value > 0, reach=reach, line=line)
        places.append((*side, say(step.value, space, sign=True)))
    figure.add_scatter(
        x=[x for x, _, _ in places], y=[0, len(rows) + 1, *range(1, len(rows) + 1)], mode="markers+text",
        name="numbers", text=[said for _, _, said in places],
        # Unseen marks keep the numbers off what they belong to: a diamond is wider than a bar's end.
        marker={"size": [15, 15, *(2 for _ in rows)], "color": "rgba(0,0,0,0)", "line": {"width": 0}},
        textposition=["middle right" if right else "middle left" for _, right, _ in places],
        customdata=["", "", *(s.player for s in rows)], hoverinfo="skip", cliponaxis=False,
    )  # fmt: skip


def _side(low: float, high: float, *, right: bool, reach: float, line: float | None) -> tuple[float, bool]:
    """(where a number starts, whether it stands to the right of there); on the other side where the line crosses it."""
    if line is not None and (high < line < high + reach if right else low - reach < line < low):
        right = not right
    return (high if right else low), right


def _span_hover(span: tuple[float, float] | None, space: str) -> str:
    return (
        ""
        if span is None
        else f"<br>95 % interval {say(span[0], space, sign=True)} to {say(span[1], space, sign=True)}"
    )


def _short(name: str) -> str:
    """A long label on one line; of "field: value" the field is cut, while enough of it is left. Hover has the whole."""
    if len(name) <= _LETTERS:
        return name
    head, colon, tail = name.partition(": ")
    room = _LETTERS - len(f"…{colon}{tail}")
    if colon and room >= _HEAD:
        return f"{head[:room].rstrip()}…{colon}{tail}"
    return name[: _LETTERS - 1].rstrip() + "…"


def _two_lines(name: str) -> str:
    """A long "field: value" on two lines, so that the bars keep their room."""
    head, colon, tail = name.partition(": ")
    return f"{head}:<br>{tail}" if colon and len(name) > 22 else name


def _end_hover(value: float, space: str, target: str) -> str:
    p = value if space == "probability" else probability_of(value)
    return f"{100 * p:.1f} % {target}"


def _join(x: float, row: int, line: dict[str, object]) -> dict[str, object]:
    return {"type": "line", "x0": x, "x1": x, "y0": row, "y1": row + 1, "line": line, "layer": "below"}


def _marks(view: list[float]) -> list[float]:
    """Round probabilities inside a stretch of log-odds, far enough apart to be read."""
    low, high = (probability_of(v) for v in view)
    marks: list[float] = []
    for step in _STEPS:
        marks = [k * step for k in range(1, round(1 / step)) if low <= k * step <= high]
        if len(marks) >= 3:
            break
    marks += [p for p in _ENDS if low <= p <= high and p not in marks]
    kept: list[float] = []
    for p in sorted(marks, key=lambda m: abs(m - 0.5)):
        at = math.log(p / (1 - p))
        if all(abs(at - math.log(k / (1 - k))) > (view[1] - view[0]) / 7 for k in kept):
            kept.append(p)
    return kept


def _probability_axis(figure: Any, view: list[float], target: str) -> None:
    kept = _marks(view)
    figure.add_scatter(x=[None], y=[None], xaxis="x2", hoverinfo="skip")
    figure.update_layout(
        xaxis2={
            "overlaying": "x", "side": "top", "range": view, "tickvals": [math.log(p / (1 - p)) for p in kept],
            "ticktext": [f"{100 * p:g} %" for p in kept], "title": {"text": f"Probability of {target}"},
            "showgrid": False, "zeroline": False, "automargin": True, "tickangle": 0,
        }
    )  # fmt: skip
