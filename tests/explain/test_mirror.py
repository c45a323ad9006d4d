"""Mirroring: the map of a flipped image is the flipped map, second glance and all."""

from __future__ import annotations

import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network

from mmxai_core.explain.mirror import mirrored_grad_cam_pp, mirrored_read, mirrored_state
from mmxai_core.explain.saliency import grad_cam_pp

BOXES = torch.tensor([[0.3, 0.6, 0.4]])


def _case() -> tuple:
    network = tiny_network().eval().requires_grad_(False)
    canvas = torch.randn(1, 1, ARCH.canvas, ARCH.canvas, generator=torch.Generator().manual_seed(3))
    f = len(SCHEMA.fields)
    tokens = network.encode_clinical(torch.zeros(1, f), torch.ones(1, f, dtype=torch.bool))
    return network, canvas, tokens


def test_the_mirrored_glance_shows_the_same_place() -> None:
    network, canvas, _ = _case()
    there = mirrored_state(network, canvas, network.encode_image(canvas, boxes=BOXES))
    assert torch.allclose(there.boxes, torch.tensor([[0.7, 0.6, 0.4]]))
    back = mirrored_state(network, canvas.flip(-1), there)
    assert torch.allclose(back.tokens, network.encode_image(canvas, boxes=BOXES).tokens, atol=1e-4)


def test_what_the_map_reads_is_the_mirrored_state_s_own() -> None:
    network, canvas, tokens = _case()
    image = network.encode_image(canvas, boxes=BOXES)
    whole, part = mirrored_state(network, canvas, image), mirrored_read(network, canvas, image)
    assert torch.equal(part.boxes, whole.boxes) and torch.equal(part.features, whole.features)
    a, b = (grad_cam_pp(network, state, tokens, target=1).maps for state in (whole, part))
    assert torch.equal(a, b)


def test_the_map_of_a_flipped_image_is_the_flipped_map() -> None:
    network, canvas, tokens = _case()
    plain = network.encode_image(canvas, boxes=BOXES)
    flipped = network.encode_image(canvas.flip(-1), boxes=torch.tensor([[0.7, 0.6, 0.4]]))
    a = mirrored_grad_cam_pp(network, canvas, plain, tokens, target=1).maps
    b = mirrored_grad_cam_pp(network, canvas.flip(-1), flipped, tokens, target=1).maps
    assert torch.allclose(a, b.flip(-1), atol=1e-5) and float(a.max()) > 0
    single = grad_cam_pp(network, plain, tokens, target=1).maps
    assert not torch.allclose(a, single, atol=1e-6)  # the network itself is not symmetric
