"""What the panels draw equals what is in the result: intervals, interactions, curves, branches, audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_results import FIELDS, LABELS, attribution, blob, grey

from mmxai_core.figures.audit import EFFECT_REFERENCE, audit_pictures, effect_on_source, relevance_density
from mmxai_core.figures.branches import branches_figure
from mmxai_core.figures.interaction_network import image_synergy, line_width, network_figure, strongest_pairs
from mmxai_core.figures.strip import cascade_figure, curves_figure
from mmxai_core.figures.toward import Toward
from mmxai_core.figures.waterfall import waterfall_figure
from mmxai_core.results import AttentionAudit, BranchAccount, SourceGrid
from mmxai_core.results.certainty import BranchView
from mmxai_core.results.strip import CascadeStep, DeletionCurves


def paired():
    pairs = np.zeros((4, 4))
    pairs[0, 3] = pairs[3, 0] = -0.25  # age and image
    pairs[0, 1] = pairs[1, 0] = 0.5  # age and lump
    pairs[1, 2] = pairs[2, 1] = 0.004  # nothing
    return replace(attribution(), interactions=pairs)


def test_a_line_at_the_end_of_a_bar_spans_its_interval() -> None:
    account = attribution()
    low, high = np.array([0.1, 0.2, 0.0, 0.3]), np.array([0.2, 0.1, 0.0, 0.4])
    interval = np.stack([account.values - low, account.values + high], 1)
    sampled = replace(account, interval=interval, interval_from="95 % interval of the sampling")
    figure = waterfall_figure(sampled, LABELS, target="malignant")
    bars, spans = figure.data[0], next(t for t in figure.data if t.name == "interval")
    for i, player in enumerate(bars.customdata):
        least, most = interval[account.players.index(player)]
        assert spans.x[i] == pytest.approx(bars.base[i] + bars.x[i])
        assert spans.x[i] + spans.error_x.array[i] == pytest.approx(bars.base[i] + most)
        assert spans.x[i] - spans.error_x.arrayminus[i] == pytest.approx(bars.base[i] + least)
    assert "95 % interval +1.30 to +2.00" in bars.hovertext[0]
    assert all(t.name != "interval" for t in waterfall_figure(account, LABELS, target="malignant").data)


def test_many_rows_are_set_into_the_height_asked_for() -> None:
    account, many = attribution(), 17
    wide = replace(
        account, players=tuple(f"f{i}" for i in range(many)), values=np.full(many, 0.1), base_value=0.0, output=1.7,
        interactions=np.zeros((many, many)), residual=0.0,
    )  # fmt: skip
    labels = {p: f"A field with a name {p}: and a long value of it" for p in wide.players}
    figure = waterfall_figure(wide, labels, target="malignant", height=520)
    assert figure.layout.height <= 520 < waterfall_figure(wide, labels, target="malignant").layout.height
    assert all("<br>" not in t and len(t) <= 30 for t in figure.layout.yaxis.ticktext)
    assert waterfall_figure(account, LABELS, target="malignant", height=520).layout.height == 118 + 29 * 6


def test_labels_on_two_lines_have_room_between_them_and_else_stay_on_one() -> None:
    account, long = attribution(), "Multifocal or multicentric: no"
    labels = {**LABELS, account.players[0]: long, account.players[1]: "Progesterone receptor: Positive"}
    roomy = waterfall_figure(account, labels, target="malignant").layout
    assert "Multifocal or multicentric:<br>no" in roomy.yaxis.ticktext
    pitch = (roomy.height - 118) / len(roomy.yaxis.ticktext)
    line = 1.3 * roomy.yaxis.tickfont.size  # as Plotly sets lines
    assert pitch - (line + roomy.yaxis.tickfont.size) > 1.5 * (line - roomy.yaxis.tickfont.size)
    assert waterfall_figure(account, labels, target="malignant", height=round(roomy.height)).layout == roomy
    close = waterfall_figure(account, labels, target="malignant", height=round(roomy.height) - 6).layout
    assert {long, "Progesterone recept…: Positive"} < set(close.yaxis.ticktext), "the value stays"
    assert close.height <= roomy.height - 6


def test_pairs_are_ranked_by_size_and_say_what_they_join() -> None:
    pairs = strongest_pairs(paired())
    assert [(p.first, p.second, p.value, p.kind) for p in pairs] == [
        ("age", "palpable", 0.5, "two fields"), ("age", "image", -0.25, "image and field"),
    ]  # fmt: skip
    assert strongest_pairs(paired(), regions=("palpable", "age"))[0].kind == "two regions"
    assert len(strongest_pairs(paired(), most=1)) == 1 and strongest_pairs(attribution()) == ()


def test_a_fields_synergy_with_the_image_is_the_sum_over_its_regions() -> None:
    assert image_synergy(paired(), regions=()) == {"age": -0.25, "palpable": 0.0, "margin": 0.0}
    assert image_synergy(paired(), regions=("palpable",)) == {"age": 0.25, "margin": 0.004}
    alone = replace(paired(), players=("age", "palpable", "margin", "halo"))
    assert image_synergy(alone, regions=()) == {}


def test_the_network_draws_each_pair_with_its_size_and_direction() -> None:
    figure = network_figure(paired(), LABELS, target="malignant")
    lines = {t.name: t for t in figure.data if "|" in t.name}
    assert set(lines) == {"age|palpable", "age|image"}
    assert (lines["age|palpable"].line.width, lines["age|palpable"].line.dash) == (7.0, "solid")
    assert (lines["age|image"].line.width, lines["age|image"].line.dash) == (3.5, "dash")
    assert "-0.25 away from malignant together" in lines["age|image"].text[0]
    players = next(t for t in figure.data if t.name == "players")
    assert list(players.text) == ["Age", "Palpable lump", "Image"]
    assert list(players.marker.symbol) == ["circle", "circle", "square"]
    assert (lines["age|image"].x[0], lines["age|image"].y[0]) == (players.x[0], players.y[0])
    assert line_width(0.001, "log_odds") == 1.0 and line_width(9, "probability") == 7.0
    with pytest.raises(ValueError, match="withheld"):
        network_figure(attribution(residual=0.1), LABELS, target="malignant")


def test_curves_are_drawn_as_measured_against_random_regions() -> None:
    curves = DeletionCurves(
        np.array([0.0, 0.2, 0.4]), np.array([0.8, 0.5, 0.3]), np.array([[0.8, 0.7, 0.6], [0.8, 0.6, 0.5]]),
        np.array([0.1, 0.6, 0.8]), np.array([[0.1, 0.2, 0.3], [0.1, 0.4, 0.5]]), "blurred",
    )  # fmt: skip
    band, random, own = curves_figure(curves, target="malignant", which="deletion").data
    assert list(own.x) == [0, 20, 40] and list(own.y) == [0.8, 0.5, 0.3]
    assert list(random.y) == pytest.approx([0.8, 0.65, 0.55])
    assert list(band.y) == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.6, 0.8])
    assert list(curves_figure(curves, target="m", which="insertion").data[2].y) == [0.1, 0.6, 0.8]
    with pytest.raises(ValueError, match="got 'both'"):
        curves_figure(curves, target="m", which="both")
    bars = cascade_figure((CascadeStep("heads", 0.9), CascadeStep("CNN", -0.1))).data[0]
    assert list(bars.x) == [0.9, -0.1] and list(bars.marker.pattern.shape) == ["/", ""]


def test_branches_show_probability_and_range() -> None:
    account = BranchAccount(
        (
            BranchView("image and clinical data", True, 0.3, 0.88, 0.2, 0.6, 2, "Both."),
            BranchView("image only", False, 0.5, 1.0, 0.4, 0.55, 4, "One."),
        ), 200, 0, "",
    )  # fmt: skip
    (dots,) = branches_figure(account, target="malignant", threshold=0.4).data
    assert list(dots.x) == [0.3, 0.5] and list(dots.marker.symbol) == ["diamond", "circle"]
    assert list(dots.error_x.array) == pytest.approx([0.3, 0.05])
    assert list(dots.error_x.arrayminus) == pytest.approx([0.1, 0.1])


def audit() -> AttentionAudit:
    blocks = np.repeat(np.repeat(np.array([[0, 1], [2, -1]], np.int8), 14, 0), 14, 1)
    relevance = np.stack([blob((28, 28), 1.0), np.full((28, 28), 0.5, np.float32), np.zeros((28, 28), np.float32)])
    three = np.zeros(3)
    return AttentionAudit(
        FIELDS, relevance, blocks, np.ones((3, 3)) / 3, np.ones((3, 3)), np.array([[0.05, -0.1, 0.01]] * 3), three,
        three, three, three, three, 0.4, 1, ("", "", ""), "malignant", "",
    )  # fmt: skip


def test_the_audits_maps_lie_on_the_image_with_their_values() -> None:
    shape = (60, 90)
    sides = [np.eye(28, dtype=np.float32)[np.minimum(np.arange(n) * 28 // n, 27)] for n in shape]
    source = SourceGrid(sides[0], sides[1])
    effect = effect_on_source(audit(), "age", source)
    assert effect.shape == shape
    assert effect[0, 0] == pytest.approx(0.05) and effect[0, -1] == pytest.approx(-0.1)
    assert effect[-1, 0] == pytest.approx(0.01) and effect[-1, -1] == 0
    assert relevance_density(audit(), "palpable", source) == pytest.approx(np.ones(shape))
    assert not relevance_density(audit(), "margin", source).any()
    image = np.full(shape, 0.5, np.float32)
    nothing, drawn = np.zeros(shape, np.float32), Toward("malignant", 1.0)
    looked, relevant, measured = audit_pictures(image, nothing, audit(), "palpable", source, drawn=drawn)
    assert (looked == 128).all() and (relevant == 128).all(), "even or no attention leaves the image as it is"
    left, right = measured[0, 0].astype(int), measured[0, -1].astype(int)
    assert left[0] > left[2] and right[2] > right[0], "vermillion above 0, blue below"
    other = replace(drawn, sign=-1.0)  # computed for the other class: the same place, the other colour
    *_, turned = audit_pictures(image, nothing, audit(), "palpable", source, drawn=other)
    assert turned[0, 0, 2] > turned[0, 0, 0] and turned[0, -1, 0] > turned[0, -1, 2]
    assert EFFECT_REFERENCE > 0 and grey(shape).shape == shape
