from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmxai_core.explain.deletion import FRACTIONS, RANDOM, blurred, content_cells, deletion_curves, strongest_regions
from mmxai_core.results.strip import DeletionCurves
from tests.explain.strip_case import ready


def test_regions_are_the_strongest_cells_and_random_ones_have_their_shape() -> None:
    grid = np.zeros((20, 20), np.float32)
    grid[8:11, 4:7] = 2.0
    content = np.zeros((20, 20), bool)
    content[4:16] = True
    masks = strongest_regions(grid, content, rng=np.random.default_rng(0))
    assert masks.shape == (1 + RANDOM, len(FRACTIONS), 20, 20)
    assert not masks[:, :, ~content].any()
    for i, part in enumerate(FRACTIONS):
        assert masks[:, i].sum((1, 2)).tolist() == [round(part * content.sum())] * (1 + RANDOM)
    assert masks[0, 0][8:11, 4:7].all()  # 12 cells: the nine of the map, and its neighbours before far ones
    rows, cols = masks[0, 0].nonzero()
    assert np.hypot(rows - 9, cols - 5).max() < 3
    assert all(not np.array_equal(m, masks[0, 0]) for m in masks[1:, 0])
    flat = [sorted(np.unique(m[4:16], return_counts=True)[1].tolist()) for m in masks[:, 1]]
    assert flat == [flat[0]] * len(flat)


def test_blurring_keeps_the_mean_and_loses_the_detail() -> None:
    r = ready()
    soft = blurred(r.canvas, r.content)
    inside = r.content > 0
    assert float(soft[inside].std()) < 0.5 * float(r.canvas[inside].std())
    assert not soft[~inside].any()
    assert torch.allclose(blurred(r.content * 2, r.content)[inside], torch.tensor(2.0), atol=1e-4)


def test_a_map_of_what_the_network_reads_beats_random_and_its_inverse_does_not() -> None:
    """A network that is bright where the disc is: the probability falls when the disc is deleted."""
    r = ready()

    class Disc(torch.nn.Module):
        def encode_image(
            self, canvas: torch.Tensor, *, boxes: torch.Tensor, lesion_logits: torch.Tensor
        ) -> torch.Tensor:
            return canvas

        def fuse(self, state: torch.Tensor, tokens: torch.Tensor) -> tuple[object, None]:
            here = state if isinstance(state, torch.Tensor) else r.canvas
            dark = -here[:, 0, 50:78, 18:46].mean((1, 2))  # the disc of the study, on the canvas
            return Answer(torch.stack([torch.zeros_like(dark), 3 * dark], 1)), None

    class Answer:
        def __init__(self, logits: torch.Tensor) -> None:
            self.logits = logits

    grid = np.zeros((16, 16), np.float32)
    grid[6:10, 2:6] = 1
    given = {"content": r.content, "target": 1, "temperature": 1.0, "seed": 0}
    curves = deletion_curves(Disc(), r.canvas, r.image.state, r.tokens, grid=grid, **given)  # type: ignore[arg-type]
    assert curves is not None
    assert curves.deletion_gain > 0.02
    assert curves.insertion_gain > 0.02
    assert curves.deletion[0] == curves.deletion_random[0, 0] > curves.deletion[1]
    assert np.ptp(curves.insertion_random[:, 0]) == 0
    other = deletion_curves(Disc(), r.canvas, r.image.state, r.tokens, grid=1 - grid, **given)  # type: ignore[arg-type]
    assert other is not None
    assert other.deletion_gain < 0


def test_an_untouched_image_has_the_prediction_and_the_end_of_both_curves_is_the_networks_own() -> None:
    r = ready()
    grid = np.arange(256, dtype=np.float32).reshape(16, 16)
    curves = deletion_curves(
        r.network, r.canvas, r.image.state, r.tokens, grid=grid, content=r.content, target=1, temperature=1.5, seed=0
    )
    assert curves is not None
    with torch.no_grad():
        logits = r.network(r.canvas, r.case.values, r.case.known, boxes=r.image.state.boxes).logits / 1.5
        blank = r.network(blurred(r.canvas, r.content), r.case.values, r.case.known, boxes=r.image.state.boxes)
    assert curves.deletion[0] == pytest.approx(float(torch.softmax(logits, -1)[0, 1]), abs=1e-5)
    assert curves.insertion[0] == pytest.approx(float(torch.softmax(blank.logits / 1.5, -1)[0, 1]), abs=1e-5)
    assert len(set(curves.deletion.round(9))) > 1


def test_an_empty_map_ranks_nothing() -> None:
    r = ready()
    given = {"content": r.content, "target": 1, "temperature": 1.0, "seed": 0}
    empty = np.zeros((16, 16), np.float32)
    assert deletion_curves(r.network, r.canvas, r.image.state, r.tokens, grid=empty, **given) is None  # type: ignore[arg-type]


def test_areas_are_mean_probabilities() -> None:
    curves = DeletionCurves(
        np.array([0.0, 0.25, 0.5]),
        np.array([1.0, 0.5, 0.5]),
        np.ones((2, 3)),
        np.full(3, 0.5),
        np.full((2, 3), 0.2),
        "",
    )
    assert curves.area(curves.deletion) == pytest.approx(0.625)
    assert curves.deletion_gain == pytest.approx(0.375)
    assert curves.insertion_gain == pytest.approx(0.3)
    assert replace(curves, deletion=np.ones(3)).deletion_gain == 0


def test_a_cell_is_content_when_most_of_it_is() -> None:
    content = torch.zeros(1, 1, 8, 8)
    content[..., :3, :] = 1
    assert content_cells(content, 4)[:, 0].tolist() == [True, False, False, False]
