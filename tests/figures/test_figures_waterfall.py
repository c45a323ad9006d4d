from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from synthetic_results import LABELS, attribution

from mmxai_core.figures.account import passes, probability_of, say, steps
from mmxai_core.figures.waterfall import waterfall_figure
from mmxai_core.results import Attribution


@pytest.mark.parametrize("space", ["log_odds", "probability"])
def test_steps_run_from_the_base_value_to_the_output_largest_first(space: str) -> None:
    account = attribution(space=space)
    rows = steps(account, LABELS)
    assert [r.player for r in rows] == ["image", "palpable", "age", "margin"]
    assert rows[0].start == account.base_value
    assert rows[-1].end == pytest.approx(account.output)
    assert all(a.end == b.start for a, b in pairwise(rows))


def test_the_figure_draws_every_step_with_sign_hatch_and_colour() -> None:
    figure = waterfall_figure(attribution(), LABELS, target="malignant", highlight="age")
    bars = figure.data[0]
    assert list(bars.x) == pytest.approx([1.6, -0.7, 0.4, 0.001])
    assert list(bars.base) == pytest.approx([-0.5, 1.1, 0.4, 0.8])
    assert list(bars.text) == ["+1.60", "-0.70", "+0.40", "+0.00"]
    assert list(bars.marker.pattern.shape) == ["", "/", "", ""]
    assert len(set(bars.marker.color)) == 2
    assert list(bars.marker.line.width) == [0, 0, 2, 0]
    assert list(figure.layout.yaxis.ticktext) == [
        "Nothing known",
        "Image",
        "Palpable lump",
        "Age",
        "Margin",
        "This prediction",
    ]


def test_log_odds_come_with_a_probability_axis_and_hover() -> None:
    figure = waterfall_figure(attribution(), LABELS, target="malignant")
    top = figure.layout.xaxis2
    assert top.range == figure.layout.xaxis.range and len(top.tickvals) >= 3
    for at, name in zip(top.tickvals, top.ticktext, strict=True):
        assert 100 * probability_of(at) == pytest.approx(float(name.split()[0]))
    gaps = [b - a for a, b in pairwise(sorted(top.tickvals))]
    assert min(gaps) > (top.range[1] - top.range[0]) / 10
    assert "probability 37.8 % to 75.0 %" in figure.data[0].hovertext[0]


def test_probability_space_speaks_in_points() -> None:
    figure = waterfall_figure(attribution(space="probability"), LABELS, target="malignant")
    assert figure.data[0].text[0] == "+31.2 points"
    assert "xaxis2" not in figure.layout.to_plotly_json()


def test_bars_of_probability_wait_until_there_is_room() -> None:
    """Largest first, 0.9 + 0.3 would pass 100 % before the other two bring it back."""
    account = replace(
        attribution(space="probability"), values=np.array([0.3, -0.25, 0.12, -0.2]), base_value=0.8, output=0.77
    )  # fmt: skip
    rows = steps(account, LABELS)
    assert [r.player for r in rows] == ["palpable", "age", "image", "margin"]
    assert all(0 <= r.end <= 1 for r in rows) and rows[-1].end == pytest.approx(account.output)
    assert not passes(account)
    assert steps(replace(account, space="log_odds"), LABELS)[0].player == "age", "log-odds have no end"
    narrow = replace(account, values=np.array([0.9, -0.9, 0.0, 0.0]), base_value=0.5, output=0.5)
    assert passes(narrow) and len(steps(narrow, LABELS)) == 4
    hover = waterfall_figure(account, LABELS, target="malignant").data[0].hovertext
    assert "running sum 80.0 % to 55.0 %" in hover[0]


@pytest.mark.parametrize("seed", range(40))
def test_no_line_crosses_a_number(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, base = rng.normal(0, 0.5, 4), float(rng.normal(0, 0.3))
    account = replace(
        attribution(), values=values, base_value=base, output=base + float(values.sum()),
        interval=np.stack([values - 0.1, values + 0.1], 1),
    )  # fmt: skip
    figure = waterfall_figure(account, LABELS, target="malignant")
    low, high = figure.layout.xaxis.range
    numbers = next(t for t in figure.data if t.name == "numbers")
    reach, gap = 0.3 * (high - low), 1e-9
    joins = [(s.x0, s.y0, s.y1) for s in figure.layout.shapes]
    rows = steps(account, LABELS)
    assert len(numbers.x) == 6 and all(numbers.text)
    for x, y, way in zip(numbers.x, numbers.y, numbers.textposition, strict=True):
        left, right = (x, x + reach) if way == "middle right" else (x - reach, x)
        lines = [*([0.0] if low < 0 < high else []), *(at for at, y0, y1 in joins if y0 <= y <= y1)]
        assert not any(left + gap < at < right - gap for at in lines)
        if 1 <= y <= 4:  # the interval is drawn from its low to its high end
            row = rows[int(y) - 1]
            ends = (row.end - 0.1, row.end + 0.1)
            assert right <= min(ends) + gap or left >= max(ends) - gap


def test_a_number_is_turned_round_only_where_the_line_of_even_odds_would_cross_it() -> None:
    def said(account: Attribution) -> list[str]:
        """Each number with an arrow to the side where it stands."""
        drawn = next(t for t in waterfall_figure(account, LABELS, target="malignant").data if t.name == "numbers")
        sides = ["<" if way == "middle left" else ">" for way in drawn.textposition]
        return [side + text for side, text in zip(sides, drawn.text, strict=True)]

    near = replace(attribution(), values=np.array([0.4, -0.7, 0.001, 0.6]), base_value=-0.31, output=-0.009)
    assert said(near) == ["<-0.31", "<-0.01", "<-0.70", "<+0.60", "<+0.40", "<+0.00"]
    far = replace(near, base_value=3.0, output=3.301)
    assert said(far) == [">3.00", ">3.30", "<-0.70", ">+0.60", ">+0.40", ">+0.00"], "no line of even odds in sight"


def test_an_account_that_does_not_add_up_is_not_drawn() -> None:
    for residual in (1.1e-4, -1.1e-4, math.nan):
        with pytest.raises(ValueError, match="withheld"):
            waterfall_figure(attribution(residual=residual), LABELS, target="malignant")


def test_words() -> None:
    assert say(-0.001, "log_odds", sign=True) == "+0.00"
    assert say(0.5, "probability") == "50.0 %"
    assert say(0.004, "probability", sign=True) == "+0.4 points", "a bar of this length is seen"
    assert say(-0.004, "probability", sign=True) == "-0.4 points" and say(0.004, "probability") == "0.4 %"
    assert say(2e-4, "probability", sign=True) == say(-2e-4, "probability", sign=True) == "under 0.1 points"
    assert say(0.0, "probability", sign=True) == "0.0 points" and say(0.0, "probability") == "0.0 %"
    assert say(1e-4, "probability") == "below 0.1 %" and say(0.9999, "probability") == "above 99.9 %"
    assert probability_of(-800) == 0.0 and probability_of(800) == 1.0
