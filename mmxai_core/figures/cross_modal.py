"""Cross-modal attention: how much the image summaries attend to each field, and where each field looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmxai_core.figures.canvas import INK, caption, new_figure, style, to_png
from mmxai_core.figures.overlay import blend
from mmxai_core.results import CrossModal
from mmxai_core.types import GreyImage

#: Attention density drawn at full colour: this many times what even attention would give. Absolute, the same for all.
DENSITY_REFERENCE = 6.0
#: Even attention: at or below it nothing is drawn.
DENSITY_FLOOR = 1.0


def image_to_clinical_share(cross_modal: CrossModal) -> dict[str, float]:
    """Share of the image summaries' attention each known field gets, mean over summaries, in [0, 1]."""
    mean = np.asarray(cross_modal.image_to_clinical, np.float64).mean(axis=0)
    return {field: float(v) for field, v in zip(cross_modal.fields, mean, strict=True)}


def image_to_clinical_figure(cross_modal: CrossModal, labels: Mapping[str, str], *, highlight: str = "") -> Any:
    """Bars (plotly.graph_objects.Figure): share of the image's attention by known field; the rest goes to unknown ones.

    Args:
        cross_modal: The attention.
        labels: What to show by field id.
        highlight: A field to mark, or "".
    """
    shares = sorted(image_to_clinical_share(cross_modal).items(), key=lambda kv: -kv[1])
    spread = np.asarray(cross_modal.image_to_clinical, np.float64)
    columns = [cross_modal.fields.index(f) for f, _ in shares]
    low, high = spread.min(axis=0)[columns], spread.max(axis=0)[columns]
    names = [labels.get(f, f) for f, _ in shares]
    values = np.array([v for _, v in shares])
    figure = go.Figure()
    figure.add_bar(
        y=list(range(len(names))), x=values, orientation="h",
        error_x={"symmetric": False, "array": high - values, "arrayminus": values - low, "thickness": 1},
        marker={
            "color": "#6c8ebf",
            "line": {"width": [2 if f == highlight else 0 for f, _ in shares], "color": "#ffd479"},
        },
        hovertext=[
            f"<b>{n}</b><br>{100 * v:.1f} % on average; {100 * a:.1f} to {100 * b:.1f} % over the "
            f"{spread.shape[0]} image summaries" for n, v, a, b in zip(names, values, low, high, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=90 + 25 * len(names), margin={"l": 8, "r": 12, "t": 8, "b": 44}, showlegend=False, dragmode=False,
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": [f"{n}  {100 * v:.1f} %" for n, v in zip(names, values, strict=True)],
            "range": [len(names) - 0.4, -0.6],
            "automargin": True, "showgrid": False,
        },
        xaxis={
            "title": {"text": "Share of the image's attention"}, "tickformat": ".2~%", "rangemode": "tozero",
            "automargin": True,
        },
    )  # fmt: skip
    return figure


def cross_modal_png(
    grey: GreyImage, cross_modal: CrossModal, labels: Mapping[str, str], *, provenance: str = ""
) -> bytes:
    """Where each known field looks, one small picture a field, on one absolute scale, as PNG.

    Args:
        grey: (H, W) display grey in [0, 1].
        cross_modal: The attention; its source maps lie on the same pixels.
        labels: What to show by field id.
        provenance: Bundle and explanation, for the foot.
    """
    n = len(cross_modal.fields)
    columns = min(4, n)
    rows = -(-n // columns)
    cell = 2.3 * min(max(grey.shape[0] / grey.shape[1], 0.5), 1.6)
    height = rows * (cell + 0.3) + 1.0
    figure = new_figure(2.35 * columns + 0.3, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(left=0.02, right=0.98, top=1 - 0.3 / height, bottom=0.8 / height, wspace=0.05, hspace=0.16)
    shares = image_to_clinical_share(cross_modal)
    for i, axes in enumerate(grid.flat):
        style(axes)
        axes.set_axis_off()
        if i >= n:
            continue
        field = cross_modal.fields[i]
        density = cross_modal.clinical_to_image_source[i]
        axes.imshow(blend(grey, density, reference=DENSITY_REFERENCE, floor=DENSITY_FLOOR, opacity=0.7))
        axes.set_title(f"{labels.get(field, field)} ({100 * shares[field]:.0f} %)", color=INK, fontsize=7)
    scale = (
        f"Colour: attention density from {DENSITY_FLOOR:g} (even) to {DENSITY_REFERENCE:g} times even. "
        "In brackets: share of the image's attention to the field. "
    )
    caption(figure, scale + cross_modal.semantics, y=0.26 / height)
    return to_png(figure, provenance=provenance)
