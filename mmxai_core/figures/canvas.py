"""Matplotlib figures made by the object API, on their own canvas: nothing global, so nothing is shared by sessions."""

from __future__ import annotations

import io
import textwrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

RESEARCH_USE = "Research use only, not for diagnosis"
PAPER, INK, FAINT = "#10151b", "#e8edf2", "#93a1b0"


def new_figure(width: float, height: float) -> Figure:
    """An empty dark figure; width and height in inches."""
    figure = Figure(figsize=(width, height), dpi=150, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def style(axes: Any) -> None:
    """Dark paper, light ink, no box."""
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, labelsize=8)
    for side in axes.spines.values():
        side.set_color(FAINT)


def caption(figure: Figure, text: str, *, y: float = 0.055) -> None:
    """One or two lines that say what the picture means, above the banner."""
    width = int(figure.get_figwidth() * 15.5)
    figure.text(0.5, y, "\n".join(textwrap.wrap(text, width)), color=INK, fontsize=7.5, ha="center", va="bottom")


def to_png(figure: Figure, *, provenance: str = "") -> bytes:
    """The figure as PNG, with the research-use banner and where it came from at its foot."""
    height = figure.get_figheight()
    banner = f"{RESEARCH_USE}   |   {provenance}" if provenance else RESEARCH_USE
    figure.text(0.5, 0.08 / height, banner, color="#ffd479", fontsize=7.5, ha="center", va="bottom", weight="bold")
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor=figure.get_facecolor(), metadata={"Description": banner})
    return out.getvalue()
