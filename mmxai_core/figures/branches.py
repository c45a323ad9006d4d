"""Certainty by branch: the probability from image and clinical data, from either alone, and what stays open."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from mmxai_core.results import BranchAccount

_DOT, _OWN, _FAINT = "#6c8ebf", "#ffd479", "#93a1b0"


def branches_figure(account: BranchAccount, *, target: str, threshold: float) -> Any:
    """A dot a view with its 90 % range over the unknown fields (plotly.graph_objects.Figure).

    Args:
        account: From `mmxai_core.explain.certainty.branch_account`.
        target: Name of the positive class.
        threshold: Where the decision changes.
    """
    views = account.views
    rows = list(range(len(views)))
    figure = go.Figure()
    figure.add_scatter(
        x=[v.probability for v in views], y=rows, mode="markers", name="probability",
        marker={
            "size": 12, "color": [_OWN if v.is_case else _DOT for v in views],
            "symbol": ["diamond" if v.is_case else "circle" for v in views],
        },
        error_x={
            "symmetric": False, "array": [max(v.high - v.probability, 0.0) for v in views],
            "arrayminus": [max(v.probability - v.low, 0.0) for v in views], "color": _FAINT, "thickness": 2, "width": 5,
        },
        hovertext=[v.sentence for v in views], hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(
        x=threshold, line={"color": _FAINT, "dash": "dash", "width": 1},
        annotation={
            "text": f"decision at {100 * threshold:.0f} %", "font": {"size": 10}, "y": 1.0, "yanchor": "bottom",
        },
    )  # fmt: skip
    figure.update_layout(
        height=96 + 34 * len(views), margin={"l": 8, "r": 16, "t": 24, "b": 8}, showlegend=False, dragmode=False,
        hoverlabel={"align": "left"},
        yaxis={
            "tickvals": rows, "range": [len(rows) - 0.4, -0.6], "automargin": True, "zeroline": False,
            "ticktext": [
                f"{v.inputs.capitalize()}<br>{100 * v.probability:.0f} %, uncertainty {v.entropy_bits:.2f}"
                for v in views
            ],
        },
        xaxis={"title": {"text": f"Probability of {target}"}, "tickformat": ".0%", "range": [-0.02, 1.02]},
    )  # fmt: skip
    return figure
