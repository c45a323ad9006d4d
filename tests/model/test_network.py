"""The network: one forward, attention that sums to one, a second glance that both paths agree on, absent branches."""

from __future__ import annotations

import pytest
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network

from mmxai_core.errors import BundleError
from mmxai_core.model.baselines import ClinicalOnlyNetwork, ImageOnlyNetwork
from mmxai_core.model.config import Architecture
from mmxai_core.model.glance import find_boxes, lesion_glance, square_box

F_ = len(SCHEMA.fields)


def _inputs(b: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    values = torch.zeros(b, F_)
    return torch.randn(b, 1, ARCH.canvas, ARCH.canvas, generator=rng), values, torch.ones(b, F_, dtype=torch.bool)


@torch.no_grad()
def test_forward_is_the_composition_of_its_parts() -> None:
    network, (canvas, values, known) = tiny_network().eval(), _inputs()
    state = network.encode_image(canvas)
    fused, terms = network.fuse(state, network.encode_clinical(values, known))
    whole = network(canvas, values, known)
    assert torch.equal(whole.logits, fused.logits)
    for weights in (*state.block_attention, state.pool_attention, terms.attention):
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5)
    assert torch.allclose(fused.gate.sum(-1), torch.ones(2), atol=1e-6)


@torch.no_grad()
def test_given_boxes_equal_found_boxes() -> None:
    network, (canvas, _, _) = tiny_network().eval(), _inputs()
    found = network.encode_image(canvas)
    given = network.encode_image(canvas, boxes=found.boxes)
    assert torch.allclose(found.tokens, given.tokens, atol=1e-4)


@torch.no_grad()
def test_a_field_changes_only_its_own_terms() -> None:
    network, (canvas, values, known) = tiny_network().eval(), _inputs(1)
    state = network.encode_image(canvas)
    less = known.clone()
    less[0, 1] = False
    a = network.fusion.field_terms(network.encode_clinical(values, known), state)
    b = network.fusion.field_terms(network.encode_clinical(values, less), state)
    for x, y in ((a.vector, b.vector), (a.value, b.value), (a.weight.transpose(1, 2), b.weight.transpose(1, 2))):
        changed = (x - y).abs().amax(-1)[0] > 1e-7
        assert changed.tolist() == [i == 1 for i in range(F_)]


@torch.no_grad()
def test_an_absent_image_says_nothing_of_any_image() -> None:
    network, (canvas, values, known) = tiny_network().eval(), _inputs()
    absent = network(None, values, known).logits
    assert torch.allclose(absent[0], absent[1], atol=1e-6)
    assert not torch.allclose(absent, network(canvas, values, known).logits, atol=1e-4)


@torch.no_grad()
def test_siblings_read_one_branch() -> None:
    canvas, values, known = _inputs()
    image, clinical = ImageOnlyNetwork(ARCH).eval(), ClinicalOnlyNetwork(ARCH, SCHEMA).eval()
    assert torch.equal(image(canvas, values, known).logits, image(canvas, values, ~known).logits)
    assert torch.equal(clinical(canvas, values, known).logits, clinical(None, values, known).logits)
    assert not torch.allclose(clinical(None, values, known).logits, clinical(None, values, ~known).logits)


def test_the_lesion_is_found_where_the_map_is_high() -> None:
    logits = torch.full((1, 1, 56, 56), -6.0)
    logits[0, 0, 10:18, 30:44] = 3.0
    logits[0, 0, 50, 2] = 4.0  # a higher but tiny spot must not win
    cx, cy, side = (float(v) for v in find_boxes(logits)[0])
    assert abs(cx - 37 / 56) < 0.02 and abs(cy - 14 / 56) < 0.03 and side == pytest.approx(14 / 56 * 1.5, abs=0.02)


def test_a_glance_shows_what_is_in_its_box() -> None:
    canvas = torch.zeros(1, 1, 128, 128)
    canvas[0, 0, 32:64, 64:96] = 1.0
    crop = lesion_glance(canvas, torch.tensor([[80 / 128, 48 / 128, 0.5]]), 64)
    assert float(crop[0, 0, 32, 32]) > 0 > float(crop[0, 0, 2, 2])
    cx, cy, side = square_box(0.9, 0.9, 1.0, 1.0)
    assert cx + side / 2 <= 1 + 1e-9 and cy + side / 2 <= 1 + 1e-9


def test_an_impossible_architecture_is_refused() -> None:
    with pytest.raises(BundleError, match="divide"):
        Architecture(width=30)
    with pytest.raises(BundleError, match="multiple of 32"):
        Architecture(glance=100)
