"""A view of another frame: mask and picture stay together, frames differ in form, and the lesion stays in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.training.augment import Batch, augment, elastic
from mmxai_core.training.reframe import _magnification, _new_frames, reframed

SIZE = 128


def _batch(count: int = 24) -> Batch:
    """Wide images with a dark lesion off the middle."""
    rng = torch.Generator().manual_seed(0)
    grey = torch.rand(count, 1, SIZE, SIZE, generator=rng) * 0.3 + 0.4
    lesion, content = torch.zeros(count, 1, SIZE, SIZE), torch.zeros(count, 1, SIZE, SIZE)
    lesion[:, :, 40:60, 30:60] = 1
    content[:, :, 20:108] = 1
    return Batch(torch.where(lesion > 0, grey * 0.2, grey) * content, content, lesion)


def _form(content: Tensor) -> float:
    """Width over height of what is not padding."""
    rows, cols = content[0].any(1).sum(), content[0].any(0).sum()
    return float(cols / rows)


def test_the_mask_follows_the_lesion_into_every_frame() -> None:
    view = reframed(_batch(), torch.Generator().manual_seed(1))
    for grey, lesion, content in zip(view.grey, view.lesion, view.content, strict=True):
        around = (content > 0) & (lesion == 0)
        assert lesion.sum() > 0 and float(grey[lesion > 0].median()) < 0.7 * float(grey[around].median())
        assert float(grey[content == 0].abs().max() if (content == 0).any() else 0) == 0


def test_frames_differ_more_in_form_and_scale_than_plain_views_do() -> None:
    """The lesion's area on the canvas, and the picture's form: what a network must not count on."""
    spread = {}
    for name, draw in (("plain", augment), ("reframed", reframed)):
        view = draw(_batch(), torch.Generator().manual_seed(3))
        area = view.lesion.sum(dim=(1, 2, 3)).log()
        spread[name] = float(area.std()), float(torch.tensor([_form(c) for c in view.content]).std())
    assert spread["reframed"][0] > 1.2 * spread["plain"][0] and spread["reframed"][1] > 1.5 * spread["plain"][1]


def test_a_new_frame_shows_all_of_the_lesion_within_the_image() -> None:
    batch = _batch()
    _, shown = _new_frames(batch, torch.Generator().manual_seed(2))
    assert bool((shown >= batch.lesion).all()) and bool((shown <= batch.content).all())
    part = shown.sum(dim=(1, 2, 3)) / batch.content.sum(dim=(1, 2, 3))
    assert 0.15 < float(part.min()) < 0.5 < float(part.max())


def test_an_image_without_a_mask_and_a_lesion_that_fills_it_are_framed_too() -> None:
    batch = _batch(6)
    nothing = Batch(batch.grey, batch.content, torch.zeros_like(batch.lesion))
    everything = Batch(batch.grey, batch.content, batch.content)
    for case in (nothing, everything):
        view = reframed(case, torch.Generator().manual_seed(4))
        assert torch.isfinite(view.grey).all() and (view.content.sum(dim=(1, 2, 3)) > 0).all()
    view = reframed(nothing, torch.Generator().manual_seed(4))
    assert float(view.lesion.sum()) == 0
    assert not torch.equal(view.content, nothing.content) and len({_form(c) for c in view.content}) > 2


def test_a_view_is_reproducible() -> None:
    a, b = (reframed(_batch(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a.grey, b.grey) and torch.equal(a.lesion, b.lesion)


@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.25])
def test_magnification_is_the_growth_of_an_area(zoom: float) -> None:
    """A side of `zoom` of the canvas fills the view: areas grow by 1 / zoom^2; smooth shifts change that little."""
    theta = torch.tensor([[[zoom, 0.0, 0.1], [0.0, -zoom, 0.0]]])
    grid = F.affine_grid(theta, [1, 1, SIZE, SIZE], align_corners=False)
    assert float(_magnification(grid)) == pytest.approx(zoom**-2, rel=1e-4)
    bent = grid + elastic(1, SIZE, torch.Generator().manual_seed(0))
    assert float(_magnification(bent)) == pytest.approx(zoom**-2, rel=0.25)
