"""What to ask next: a bar for each unknown field."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from mmxai_core.figures.colour import AWAY, TOWARD
from mmxai_core.results.certainty import Question, Questions


def questions_figure(questions: Questions, *, by: str = "change", most: int = 12) -> Any:
    """Bars (plotly.graph_objects.Figure), the most telling question on top; hover lists the answers.

    Args:
        questions: From `mmxai_core.explain.certainty.what_to_ask`.
        by: "change": expected change of the probability, in points; "entropy": expected fall of the uncertainty, in
            bits, drawn to the left where the uncertainty would rise.
        most: Most bars.

    Raises:
        ValueError: `by` is neither.
    """
    if by not in ("change", "entropy"):
        raise ValueError(f"Questions are ranked by change or entropy; got {by!r}.")
    rows = (questions.questions if by == "change" else questions.by_certainty())[:most]
    values = [100 * q.expected_change if by == "change" else -q.expected_entropy_bits for q in rows]
    figure = go.Figure()
    figure.add_bar(
        y=list(range(len(rows))), x=values, orientation="h", customdata=[q.field for q in rows],
        text=[_amount(v, by) for v in values], textposition="outside",
        cliponaxis=False,
        marker={
            "color": [AWAY if v < 0 else TOWARD if q.flip_chance >= 0.005 else "#6c8ebf"
                      for v, q in zip(values, rows, strict=True)],
            "pattern": {"shape": ["" if q.flip_chance < 0.005 else "/" for q in rows], "size": 5, "solidity": 0.35},
        },
        hovertext=[_hover(q, questions.positive_class) for q in rows], hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=90 + 27 * max(len(rows), 1), margin={"l": 8, "r": 12, "t": 8, "b": 44}, showlegend=False,
        dragmode=False, hoverlabel={"align": "left"},
        yaxis={
            "tickvals": list(range(len(rows))), "ticktext": [q.label for q in rows],
            "range": [max(len(rows), 1) - 0.4, -0.6], "automargin": True, "showgrid": False, "zeroline": False,
        },
        xaxis={"title": {"text": _axis(questions.positive_class, by)}, "automargin": True, "rangemode": "tozero"},
    )  # fmt: skip
    if values:  # the words stand beside the bars, where hatching does not cross them
        low, high = min(0.0, *values), max(0.0, *values)
        figure.update_xaxes(range=[1.45 * low, 1.45 * high] if high > low else [0, 1])
    if any(q.flip_chance >= 0.005 for q in rows):
        figure.update_xaxes(title={"text": _axis(questions.positive_class, by) + "<br>hatched: may turn the decision"})
        figure.update_layout(height=106 + 27 * len(rows), margin={"b": 60})
    return figure


def _amount(value: float, by: str) -> str:
    """In words; what rounds to nothing is said to be small, not nothing."""
    if by == "change":
        return f"{value:.1f} points" if value >= 0.05 else "below 0.1 points"
    return f"{value:.2f}" if abs(value) >= 0.005 else "below 0.01"


def _axis(name: str, by: str) -> str:
    if by == "change":
        return f"Expected change ({name}, points)"
    return "Expected fall of the uncertainty (1 = a coin toss)"


def _hover(question: Question, name: str) -> str:
    lines = [f"<b>{question.label}</b>", question.sentence.partition(": ")[2]]
    lines += [
        f"{o.answer}: {100 * o.probability:.0f} % {name} (chance {100 * o.chance:.0f} %)"
        for o in sorted(question.outcomes, key=lambda o: -o.chance)[:8]
    ]
    return "<br>".join(lines)
