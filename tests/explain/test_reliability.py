from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain.perturb import DEGREES, NOISE_SD, Perturbed, overlap, perturb
from mmxai_core.explain.reliability import (
    additivity,
    attribution_stability,
    box_region,
    evidence_inside,
    lesion_region,
    map_stability,
)
from mmxai_core.explain.shapley import attribute
from mmxai_core.preprocess import CanvasGeometry, standardise

GEOMETRY = CanvasGeometry.letterbox((90, 120), 128)
GREY = np.random.default_rng(0).random((90, 120)).astype(np.float32) * 0.5 + 0.25


def blob(row: float, col: float) -> np.ndarray:
    y, x = np.mgrid[:16, :16]
    return np.exp(-((y - row) ** 2 + (x - col) ** 2) / 8).astype(np.float32)


def turned_blob(copies: Perturbed, index: int) -> np.ndarray:
    """Where a blob at (8, 7) of a 16 x 16 grid lies in a copy."""
    box = copies.boxes((7.5 / 16, 8.5 / 16, 0.05))[index]
    return blob(box[1] * 16 - 0.5, box[0] * 16 - 0.5)


def test_noise_copies_differ_by_the_stated_noise_and_padding_stays_empty() -> None:
    copies = perturb(GREY, GEOMETRY, cells=16, rng=np.random.default_rng(3))
    assert copies.canvases.shape == (6, 1, 128, 128)
    content = GEOMETRY.content_mask() > 0
    clean = GEOMETRY.to_canvas(GREY)
    scale = clean[content].std()
    difference = copies.canvases[0, 0][content] * np.hypot(scale, NOISE_SD) + clean[content].mean() - clean[content]
    assert difference.std() == pytest.approx(NOISE_SD, rel=0.1)
    assert not copies.canvases[:2, 0, ~content].any()
    assert not np.array_equal(copies.canvases[0], copies.canvases[1])


def test_shifted_copies_are_the_image_moved_by_whole_cells() -> None:
    copies = perturb(GREY, GEOMETRY, cells=16, rng=np.random.default_rng(3))
    assert copies.shifts[:2].tolist() == [[0, 0], [0, 0]]
    assert np.array_equal(copies.shifts[2], -copies.shifts[3])
    assert not copies.shifts[4:].any()
    assert np.abs(copies.shifts[2]).tolist() == [1, 1]
    original = standardise(GEOMETRY.to_canvas(GREY), GEOMETRY.content_mask())
    here, there = overlap(original, copies.canvases[2, 0], copies.shifts[2] * 8)
    inside = slice(24, -24)
    assert np.allclose(here[inside, inside], there[inside, inside], atol=0.02)  # mean and SD lose the cut edge
    assert np.corrcoef(here[inside, inside].ravel(), there[inside, inside].ravel())[0, 1] > 0.9999


def test_turned_copies_turn_both_ways_and_boxes_turn_with_them() -> None:
    dot = np.full((128, 128), 0.1, np.float32)
    dot[84:92, 104:112] = 1.0
    copies = perturb(dot, CanvasGeometry.letterbox((128, 128), 128), cells=16, rng=np.random.default_rng(0))
    assert copies.degrees[4:].tolist() == [DEGREES, -DEGREES]
    y, x = np.mgrid[:128, :128] + 0.5
    centres = []
    for index in (4, 5):
        bright = copies.canvases[index, 0] > 2
        cx, cy, _ = copies.boxes((108 / 128, 88 / 128, 0.1))[index] * 128
        assert (x[bright].mean(), y[bright].mean()) == pytest.approx((cx, cy), abs=0.6)
        centres.append(cy)
    assert centres[0] < 88 < centres[1]  # counter-clockwise takes the right half up


def test_the_same_seed_gives_the_same_copies() -> None:
    a, b = (perturb(GREY, GEOMETRY, cells=16, rng=np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(a.canvases, b.canvases)
    assert np.array_equal(a.shifts, b.shifts)


def test_a_drawn_box_moves_with_its_copy_and_stays_on_the_canvas() -> None:
    copies = perturb(GREY, GEOMETRY, cells=16, rng=np.random.default_rng(3))
    dy, dx = copies.shifts[2]
    assert np.allclose(copies.boxes((0.5, 0.4, 0.3))[2], [0.5 + dx / 16, 0.4 + dy / 16, 0.3])
    assert np.all(copies.boxes((0.15, 0.15, 0.3))[:, :2] >= 0.15)


def test_overlap_undoes_a_shift() -> None:
    a = np.arange(25, dtype=np.float32).reshape(5, 5)
    b = np.zeros_like(a)
    b[2:, :4] = a[:3, 1:]  # two down, one to the left
    here, there = overlap(a, b, (2, -1))
    assert np.array_equal(here, there)
    assert here.shape == (3, 4)


def test_map_stability_compares_the_same_place() -> None:
    copies = perturb(GREY, GEOMETRY, cells=16, rng=np.random.default_rng(3))
    original = blob(8, 7)
    moved = [turned_blob(copies, i) for i in range(6)]
    noise, shift = map_stability(original, moved, copies)
    assert noise.value == pytest.approx(1)
    assert shift.value == pytest.approx(1, abs=5e-3)  # a turned map is interpolated on its way back
    still, wrong = map_stability(original, [original] * 6, copies)
    assert (still.value or 0) > (shift.value or 0) > (wrong.value or 0)
    elsewhere = [blob(8, 7), blob(2, 14), blob(3, 3), blob(13, 2), blob(12, 3), blob(3, 12)]
    noise, shift = map_stability(original, elsewhere, copies)
    assert 0 < (noise.value or 0) < 0.85
    assert "caution" in noise.verdict
    assert (shift.value or 0) < 0.7
    empty, _ = map_stability(np.zeros((16, 16), np.float32), moved, copies)
    assert (empty.value, empty.verdict) == (None, "Could not be computed: the map is empty.")


def test_attribution_stability_is_pearson_and_says_when_there_is_none() -> None:
    original = np.array([1.0, -0.5, 0.2, 0.0])
    near, far = original * 2 + 0.1, np.array([-1.0, 1, 0, 0.5])
    noise, shift = attribution_stability(original, [near, near, far, far, far, far], how="exact")
    assert noise.value == pytest.approx(1)
    assert shift.value == pytest.approx(np.corrcoef(original, far)[0, 1])
    assert "caution" in shift.verdict
    few, _ = attribution_stability(original[:2], [near[:2]] * 6, how="exact")
    assert few.value is None
    assert "at least three" in few.verdict


def test_evidence_inside_ignores_padding() -> None:
    content = np.zeros((16, 16), bool)
    content[2:14] = True
    saliency = np.ones((16, 16), np.float32)
    saliency[:2] = 100
    region = box_region((0, 0, 64, 128), 16, 128)
    number = evidence_inside(saliency, region, content=content, name="n", where="the region")
    assert number.value == pytest.approx(0.5)
    assert "50 % of the evidence lies in the region, which covers 50 % of the image" in number.verdict
    low = evidence_inside(saliency, region & ~content, content=content, name="n", where="the region")
    assert (low.value, low.verdict.startswith("Only 0 %")) == (0.0, True)
    assert evidence_inside(saliency * 0, region, content=content, name="n", where="it").value is None


def test_the_lesion_region_is_the_heaviest_part() -> None:
    probability = np.maximum(blob(4, 4), 0.9 * (blob(11, 11) > 0.9))
    region = lesion_region(probability.astype(np.float32))
    assert region[4, 4]
    assert not region[11, 11]
    assert not lesion_region(np.zeros((8, 8), np.float32)).any()


def test_additivity_takes_the_worst_account() -> None:
    table = np.array([0.0, 1.0])
    good = attribute(table, players=("a",), space="log_odds", base_value=0, output=1)
    bad = attribute(table, players=("a",), space="probability", base_value=0, output=1.5)
    assert additivity([good, good]).verdict == "The contributions add up to the prediction."
    assert additivity([good, bad]).value == pytest.approx(0.5)
    assert "not shown" in additivity([good, bad]).verdict
