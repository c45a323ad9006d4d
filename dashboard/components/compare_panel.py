"""Several answers to one case, one below the other, against the first."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from dashboard.comparing import View
from dashboard.components.wording import percent


def compare_table(views: Sequence[View]) -> str:
    """The views as an HTML table: what was given, a bar with the threshold, probability, class, difference."""
    base = next((v.prediction for v in views if v.prediction is not None), None)
    rows = []
    for i, view in enumerate(views):
        p = view.prediction
        label = f"<th scope='row'>{html.escape(view.label)}<small>{html.escape(view.note)}</small></th>"
        if p is None or base is None:
            rows.append(f"<tr>{label}<td colspan='4'>no answer</td></tr>")
            continue
        same = p.positive_class == base.positive_class
        points = 100 * (p.probability - base.probability)
        change = "" if i == 0 or not same else "unchanged" if abs(points) < 0.5 else f"{points:+.0f} points"
        turned = " ⚠ other side" if i and p.predicted_class != base.predicted_class else ""
        rows.append(
            f"<tr>{label}<td class='bar'><div class='mmx-mini'><b style='width:{100 * p.probability:.1f}%'></b>"
            f"<i style='left:{100 * p.threshold:.1f}%'></i></div></td><td>{percent(p.probability)}</td>"
            f"<td>{html.escape(p.predicted_class.replace('_', ' '))}{turned}</td><td>{change}</td></tr>"
        )
    what = html.escape(base.positive_class.replace("_", " ")) if base is not None else ""
    head = f"<tr><th>Given to the model</th><th></th><th>{what}</th><th>by the threshold</th><th>difference</th></tr>"
    return f"<table class='mmx-compare'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def compare_panel(views: Sequence[View], *, more: bool) -> None:
    """The table and what it means.

    Args:
        views: The first is what the others are measured against.
        more: True where other bundles are listed.
    """
    st.html(compare_table(views))
    st.caption(
        "A group is left out by making its fields *unknown*, which the model was trained for. Descriptions and "
        "assessment are readings of the same image: without them, the image has to speak for itself. The line in "
        "a bar is the operating threshold of its model."
        + ("" if more else " To compare models, list their folders in `MMXAI_BUNDLES`.")
    )
