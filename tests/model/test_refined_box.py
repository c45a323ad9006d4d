"""The second search: the lesion is sought again on the glance that the first search gave."""

from __future__ import annotations

import pytest
import torch
from tiny_bundle import ARCH
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.errors import BundleError
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.glance import find_boxes

#: Columns and rows of a bright square on a canvas of 448 pixels.
LEFT, RIGHT, TOP, BOTTOM = 209, 323, 97, 183


class _BrightIsLesion(ImageEncoder):
    """Takes what is bright for lesion, on cells a fourth of a token wide: as exactly as a map of that size can."""

    glances: list[Tensor]

    def _cnn(self, glances: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.glances.append(glances)
        return glances.new_zeros(len(glances), self.arch.width, self.arch.grid, self.arch.grid), [glances]

    def _lesion(self, features: Tensor, lateral: list[Tensor]) -> Tensor:
        return 8 * F.interpolate(lateral[0], size=(4 * self.arch.grid,) * 2, mode="area") - 4


def _encoder(refine: int) -> _BrightIsLesion:
    arch = Architecture(backbone=ARCH.backbone, canvas=448, glance=64, width=16, heads=2, depth=1, refine=refine)
    encoder = _BrightIsLesion(arch).eval()
    encoder.glances = []
    return encoder


def _canvas() -> Tensor:
    canvas = torch.zeros(2, 1, 448, 448)
    canvas[0, 0, TOP:BOTTOM, LEFT:RIGHT] = 1.0
    canvas[1, 0, 300:330, 20:140] = 1.0
    return canvas


@torch.no_grad()
def test_a_second_search_sets_the_box_closer() -> None:
    """In pixels of the canvas: a cell of the first map has 28, one of the second a share of the crop's side."""
    truth = torch.tensor([(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2, 1.5 * (RIGHT - LEFT)])
    once, again = (448 * _encoder(n)(_canvas()).boxes[0] for n in (0, 1))
    assert float((once - truth).abs().max()) > 30
    assert float((again - truth).abs().max()) < 20


@torch.no_grad()
def test_each_search_costs_one_more_pass_of_the_cnn_and_given_boxes_none() -> None:
    for refine in (0, 1, 2):
        encoder = _encoder(refine)
        encoder(_canvas())
        assert len(encoder.glances) == 2 + refine
        encoder.glances.clear()
        encoder(_canvas(), boxes=torch.tensor([[0.5, 0.5, 0.4]]).expand(2, -1))
        assert len(encoder.glances) == 1  # both glances in one batch


def test_a_map_of_a_part_is_placed_in_the_whole() -> None:
    logits = torch.full((2, 1, 40, 40), -6.0)
    logits[:, 0, 10:20, 30:40] = 3.0
    within = torch.tensor([[0.5, 0.5, 1.0], [0.7, 0.4, 0.4]])
    whole, part = find_boxes(logits), find_boxes(logits, within=within)
    assert torch.equal(part[0], whole[0])  # the whole canvas as a part is no part
    # cells 30 to 40 of 40 across a crop from 0.5 to 0.9; 10 to 20 down one from 0.2 to 0.6
    expected = torch.tensor([0.85, 0.35, 0.2])
    assert torch.allclose(part[1], expected, atol=1e-6)  # 0.1 with context is 0.15, below the least side


def test_settings_from_before_keep_their_form() -> None:
    assert Architecture().to_json() == {
        "backbone": "efficientnet_lite0", "canvas": 448, "glance": 224, "width": 128, "heads": 4, "depth": 2,
        "queries": 4, "dropout": 0.1, "classes": 2,
    }  # fmt: skip
    assert Architecture.from_json(Architecture().to_json()) == Architecture()
    assert Architecture.from_json(Architecture(refine=1).to_json()).refine == 1
    with pytest.raises(BundleError, match="refine must be at least 0; got -1"):
        Architecture(refine=-1)
