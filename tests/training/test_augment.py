"""Augmentation keeps image, content and mask together."""

from __future__ import annotations

import torch

from mmxai_core.training.augment import Batch, appearance, augment, lesion_boxes, warp_grid
from mmxai_core.training.data import standardise_batch


def _batch() -> Batch:
    rng = torch.Generator().manual_seed(0)
    grey = torch.rand(6, 1, 128, 128, generator=rng) * 0.3 + 0.4
    lesion = torch.zeros(6, 1, 128, 128)
    lesion[:, :, 50:80, 40:75] = 1
    grey = torch.where(lesion > 0, grey * 0.2, grey)
    content = torch.zeros_like(grey)
    content[:, :, 10:118] = 1
    return Batch(grey * content, content, lesion)


def test_the_mask_follows_the_lesion() -> None:
    view = augment(_batch(), torch.Generator().manual_seed(1))
    for grey, lesion, content in zip(view.grey, view.lesion, view.content, strict=True):
        assert lesion.sum() > 0
        around = (content > 0) & (lesion == 0)
        assert float(grey[lesion > 0].median()) < 0.6 * float(grey[around].median())


def test_a_view_is_reproducible_and_differs_from_the_next() -> None:
    a = augment(_batch(), torch.Generator().manual_seed(5))
    b = augment(_batch(), torch.Generator().manual_seed(5))
    assert torch.equal(a.grey, b.grey) and not torch.equal(a.grey[0], a.grey[1])


def test_padding_stays_zero_after_standardising() -> None:
    view = augment(_batch(), torch.Generator().manual_seed(1))
    x = standardise_batch(view.grey, view.content)
    assert float(x[view.content == 0].abs().max()) == 0.0
    inside = x[0][view.content[0] > 0]
    assert abs(float(inside.mean())) < 1e-4 and abs(float(inside.std()) - 1) < 0.02


def test_boxes_hold_the_lesion_and_lie_on_the_canvas() -> None:
    batch = _batch()
    for rng in (None, torch.Generator().manual_seed(3)):
        cx, cy, side = lesion_boxes(batch.lesion, rng).unbind(1)
        assert (cx - side / 2 >= -1e-6).all() and (cy + side / 2 <= 1 + 1e-6).all()
        assert (cx - side / 2 < 57.5 / 128).all() and (cx + side / 2 > 57.5 / 128).all()
    empty = lesion_boxes(torch.zeros(2, 1, 64, 64), torch.Generator().manual_seed(0))
    assert torch.isfinite(empty).all()


def test_a_view_is_affine_and_elastic() -> None:
    """What no affine map explains of the sampling grid is the elastic part: there, smooth, and small."""
    size = 64
    grid = warp_grid(4, size, torch.Generator().manual_seed(2))
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    plane = torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3)
    for view in grid:
        affine = torch.linalg.lstsq(plane, view.reshape(-1, 2)).solution
        assert (affine[:2] - torch.eye(2)).abs().max() > 0.02
        rest = (view.reshape(-1, 2) - plane @ affine).reshape(size, size, 2)
        assert 0.002 < float(rest.abs().max()) < 0.12
        assert float((rest[1:] - rest[:-1]).abs().max()) < 0.02


def test_contrast_changes_beyond_what_standardising_undoes() -> None:
    """A gain and an offset would be undone by the canvas's own mean and SD; a gamma is not."""
    ramp = torch.linspace(0.05, 0.95, 64)[None, None, None].expand(6, 1, 64, 64).contiguous()
    seen = appearance(ramp, torch.Generator().manual_seed(0)).mean(2)[:, 0]
    middle = (seen[:, 28:36].mean(1) - seen[:, :4].mean(1)) / (seen[:, -4:].mean(1) - seen[:, :4].mean(1))
    assert float(middle.max() - middle.min()) > 0.1
