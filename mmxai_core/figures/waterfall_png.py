"""The Shapley account as a waterfall for exports, drawn with Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.ticker import FuncFormatter

from mmxai_core.figures.account import first_name, probability_of, require_additive, say, steps
from mmxai_core.figures.canvas import FAINT, INK, PAPER, caption, new_figure, style, to_png
from mmxai_core.figures.colour import AWAY, TOWARD
from mmxai_core.results import Attribution


def waterfall_png(attribution: Attribution, labels: Mapping[str, str], *, target: str, provenance: str = "") -> bytes:
    """The same waterfall as PNG.

    Raises:
        ValueError: The account does not add up, so that it must be withheld.
    """
    require_additive(attribution)
    space, rows = attribution.space, steps(attribution, labels)
    names = [first_name(attribution), *(s.label for s in rows), "This prediction"]
    height = 1.75 + 0.27 * len(names)
    figure = new_figure(8.0, height)
    axes = figure.add_axes((0.36, 1.05 / height, 0.58, 1 - 1.5 / height))
    style(axes)
    ends = (attribution.base_value, attribution.output)
    span = [*ends, *(s.start for s in rows), *(s.end for s in rows)]
    width = max(max(span) - min(span), 1e-3)
    for i, s in enumerate(rows, start=1):
        toward = s.value > 0
        axes.barh(
            i, s.value, left=s.start, height=0.68, color=TOWARD if toward else AWAY, hatch="" if toward else "////",
            edgecolor=PAPER, lw=0.4,
        )  # fmt: skip
        at = max(s.start, s.end) if toward else min(s.start, s.end)
        axes.text(
            at + (0.015 if toward else -0.015) * width, i, say(s.value, space, sign=True), color=INK, fontsize=7,
            va="center", ha="left" if toward else "right",
        )  # fmt: skip
    for row, x in ((0, ends[0]), (len(names) - 1, ends[1])):
        axes.plot([x], [row], "D", color=FAINT, ms=5)
        axes.text(x + 0.02 * width, row, say(x, space), color=INK, fontsize=7.5, va="center")
    for row, x in enumerate([ends[0], *(s.end for s in rows)]):
        axes.plot([x, x], [row, row + 1], ":", color=FAINT, lw=0.8, zorder=0)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(min(span) - 0.2 * width, max(span) + 0.2 * width)
    scale = "Probability" if space == "probability" else "Log-odds"
    axes.set_xlabel(f"{scale} of {target}", color=INK, fontsize=8)
    if space != "probability":
        top = axes.secondary_xaxis("top")
        top.tick_params(colors=INK, labelsize=7)
        top.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * probability_of(x):.0f} %"))
    caption(figure, attribution.semantics, y=0.3 / height)
    return to_png(figure, provenance=provenance)
