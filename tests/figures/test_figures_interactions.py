from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_results import LABELS, attribution

from mmxai_core.figures.interactions import FULL_COLOUR, interaction_figure
from mmxai_core.figures.waterfall import waterfall_figure


def made(space: str = "log_odds", residual: float = 0.0):
    pairs = np.zeros((4, 4))
    pairs[0, 3] = pairs[3, 0] = 0.3
    pairs[1, 2] = pairs[2, 1] = -0.002
    return replace(attribution(space=space, residual=residual), interactions=pairs)


def test_pairs_off_the_diagonal_and_own_parts_on_it() -> None:
    figure = interaction_figure(made(), LABELS, target="malignant")
    heat = figure.data[0]
    assert heat.z[0][3] == pytest.approx(0.3)
    assert heat.z[3][3] == pytest.approx(1.6 - 0.15)
    halves = np.array(heat.z) - np.diag(np.diag(heat.z))
    assert np.diag(heat.z).sum() + halves.sum() / 2 == pytest.approx(attribution().values.sum())
    assert (heat.zmin, heat.zmax) == (-FULL_COLOUR["log_odds"], FULL_COLOUR["log_odds"])
    assert heat.text[0][3] == "+0.30"
    assert heat.text[1][2] == ""
    assert "Age</b> and <b>Image" in heat.hovertext[0][3]
    assert "more than each alone" in heat.hovertext[0][3]
    assert "on its own" in heat.hovertext[1][1]
    assert list(figure.layout.xaxis.ticktext) == ["Age", "Palpable lump", "Margin", "Image"]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize(("light", "page"), [(False, "#0c1116"), (True, "#f7f9fa")])
def test_no_interaction_is_near_the_page_and_every_number_is_readable(light: bool, page: str) -> None:
    heat = interaction_figure(made(), LABELS, target="malignant", light=light).data[0]
    away, none, toward = (colour for _, colour in heat.colorscale)
    ink = luminance(heat.textfont.color)
    for colour in (away, none, toward):
        dark, bright = sorted((luminance(colour), ink))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5
    dark, bright = sorted((luminance(none), luminance(page)))
    assert (bright + 0.05) / (dark + 0.05) < 1.3


def test_the_columns_are_named_above_and_no_line_shows_in_the_gaps() -> None:
    layout = interaction_figure(made(), LABELS, target="malignant").layout
    assert layout.xaxis.side == "top"
    assert layout.xaxis.zeroline is False and layout.yaxis.zeroline is False


def test_an_account_against_a_background_starts_from_its_mean() -> None:
    account = replace(made(), interval=np.zeros((4, 2)), interval_from="95 % interval over the 9 background rows")
    names = waterfall_figure(account, LABELS, target="malignant").layout.yaxis.ticktext
    assert names[0].replace("<br>", " ") == "Mean of the background"
    assert waterfall_figure(made(), LABELS, target="malignant").layout.yaxis.ticktext[0] == "Nothing known"


def test_probability_is_in_points_and_what_does_not_add_up_is_not_drawn() -> None:
    heat = interaction_figure(made("probability"), LABELS, target="malignant").data[0]
    assert heat.text[0][3] == "+30.0"
    with pytest.raises(ValueError, match="withheld"):
        interaction_figure(made(residual=1e-3), LABELS, target="malignant")
