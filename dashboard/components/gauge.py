"""The bar of a prediction: where its probability stands, and what it is held against."""

from __future__ import annotations

import html

from dashboard.components.base_rate import BaseRate
from dashboard.components.wording import percent
from mmxai_core.results import Prediction


def gauge(prediction: Prediction, base: BaseRate | None = None) -> str:
    """A bar from 0 to 100 % with the probability, the threshold and the base rate, as HTML.

    The three marks differ in form: a bar, a dashed line, a thin line on an arrowhead.

    Args:
        prediction: The prediction.
        base: The base rate; None: not known, and then not drawn.
    """
    p, cut = prediction.probability, prediction.threshold
    plain = prediction.positive_class.replace("_", " ")
    name, below = html.escape(plain), f"threshold {percent(cut)}"
    said = f"Probability of {prediction.positive_class} {percent(p)}, {below}"
    text = html.escape(f"{said}, {base.short}" if base else said)

    def at(x: float) -> str:
        # Moved back by its own share of its width, so that the label ends with the bar at 0 and at 100 %.
        return f"left:{100 * x:.1f}%;transform:translateX(-{100 * x:.1f}%)"

    marks = (
        f'<b style="{at(p)}">{percent(p)} {name}</b><i style="left:{100 * p:.1f}%"></i>'
        f'<i class="cut" style="left:{100 * cut:.1f}%"></i>'
    )
    if base is None:
        return f'<div class="mmx-gauge" role="img" aria-label="{text}">{marks}<em style="{at(cut)}">{below}</em></div>'
    told = html.escape(base.sentence(plain))
    # Threshold and base rate often lie side by side, so their names share a line, each with its mark, in the marks'
    # order. A line of its own: in a narrow window it breaks, and pushes what follows. The bar's label says it too.
    keys = {"cut": (cut, below), "base": (base.share, html.escape(base.short))}
    legend = "".join(f'<span><i class="{k}"></i>{keys[k][1]}</span>' for k in sorted(keys, key=lambda k: keys[k][0]))
    return (
        f'<div class="mmx-gauge keyed" role="img" aria-label="{text}" title="{told}">{marks}'
        f'<i class="base" style="left:{100 * base.share:.1f}%"></i></div>'
        f'<div class="mmx-key" aria-hidden="true" title="{told}" style="{at(cut)}">{legend}</div>'
    )
