"""A network of its own says where the lesion is: whose map decides, what is handed on, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_bundle import ARCH as TINY
from torch import Tensor

from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.glance import find_boxes, whole_glance

ARCH = replace(TINY, finder=True)


@pytest.fixture
def encoder() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(ARCH).eval()


def _canvas(count: int = 2) -> Tensor:
    return torch.randn(count, 1, ARCH.canvas, ARCH.canvas, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_its_map_places_the_second_glance_and_is_the_one_that_is_shown(encoder: ImageEncoder) -> None:
    assert encoder.finder is not None
    canvas = _canvas()
    state = encoder(canvas)
    found = encoder.finder(whole_glance(canvas, ARCH.glance))
    assert torch.allclose(state.lesion_logits, found, atol=1e-5)
    assert torch.equal(state.boxes, find_boxes(state.lesion_logits))
    own = encoder(canvas, boxes=state.boxes, maps="first")
    assert not torch.allclose(own.lesion_logits, found, atol=1e-3)
    assert torch.allclose(own.logits, state.logits, atol=1e-4)  # where both look at the same, they say the same


@torch.no_grad()
def test_with_the_readers_box_the_map_is_still_the_finders(encoder: ImageEncoder) -> None:
    canvas, box = _canvas(), torch.tensor([[0.4, 0.6, 0.3]]).expand(2, -1)
    state, told = encoder(canvas), encoder(canvas, boxes=box)
    assert torch.allclose(told.lesion_logits, state.lesion_logits, atol=1e-5) and torch.equal(told.boxes, box)
    assert not torch.allclose(told.logits, state.logits, atol=1e-4)


@torch.no_grad()
def test_where_box_and_map_are_handed_on_it_is_not_asked_again(
    encoder: ImageEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = _canvas()
    state, calls = encoder(canvas), []
    forward = type(encoder.finder).forward

    def counted(self: Any, glance: Tensor) -> Tensor:
        calls.append(len(glance))
        return forward(self, glance)

    monkeypatch.setattr(type(encoder.finder), "forward", counted)
    again = encoder(canvas, boxes=state.boxes, lesion_logits=state.lesion_logits)
    assert calls == [] and torch.allclose(again.logits, state.logits, atol=1e-5)
    encoder(canvas)
    assert calls == [2]


def test_without_it_the_weights_are_those_of_before() -> None:
    """The finder's first values are drawn last: an encoder without one starts from the same numbers."""
    torch.manual_seed(3)
    plain = ImageEncoder(TINY)
    torch.manual_seed(3)
    more = ImageEncoder(ARCH)
    assert plain.finder is None and not any(k.startswith("finder") for k in plain.state_dict())
    for k, v in plain.state_dict().items():
        assert torch.equal(v, more.state_dict()[k])
