"""Several answers to one case, one below the other, against the first."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from dashboard.comparing import View
from dashboard.components.wording import percent
from mmxai_core.results.what_if import points_apart


def difference(base: float, p: float) -> str:
    """How far two probabilities lie apart as `percent` prints them; "unchanged" where it prints them alike.

    Args:
        base: What `p` is measured against, in [0, 1].
        p: In [0, 1].
    """
    if percent(base) == percent(p):
        return "unchanged"
    (low, high), (base_low, base_high) = _printed(p), _printed(base)
    least, most = low - base_high, high - base_low
    if least == most:
        return points_apart(base, p, digits=0)
    size = min(abs(least), abs(most))
    said = f"more than {size} point{'' if size == 1 else 's'}" if size else "less than 1 point"
    return f"{said} {'higher' if p > base else 'lower'}"


def _printed(value: float) -> tuple[int, int]:
    """Between which whole per cent lies what `percent` prints: two numbers for "below 1 %" and "above 99 %"."""
    if 0 < value < 0.005:
        return 0, 1
    if 0.995 < value < 1:
        return 99, 100
    return round(100 * value), round(100 * value)


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
        change = "" if i == 0 or not same else difference(base.probability, p.probability)
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
