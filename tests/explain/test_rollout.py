from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tiny_bundle import SCHEMA, tiny_network

from mmxai_core.explain.cross_modal import cross_modal
from mmxai_core.explain.rollout import attention_on_canvas, glance_maps, rollout
from mmxai_core.explain.saliency import box_of
from mmxai_core.model.encoders import ImageState
from mmxai_core.preprocess import CanvasGeometry

CANVAS = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(2))


def state() -> ImageState:
    with torch.no_grad():
        return tiny_network().encode_image(CANVAS)


def test_rollout_is_the_product_of_the_papers_matrices() -> None:
    image = state()
    flow = torch.eye(32)
    for weights in image.block_attention:
        flow = (0.5 * weights[0].mean(0) + 0.5 * torch.eye(32)) @ flow
    expected = image.pool_attention[0].mean(0) @ flow
    assert len(image.block_attention) == 2
    assert torch.allclose(rollout(image)[0], expected, atol=1e-6)
    assert torch.allclose(rollout(image).sum(1), torch.ones(1), atol=1e-5)


def test_without_blocks_it_is_the_pool_attention() -> None:
    image = replace(state(), block_attention=())
    assert torch.allclose(rollout(image), image.pool_attention.mean(1))


def test_tokens_come_in_the_order_of_the_encoder() -> None:
    maps = glance_maps(np.arange(2 * 3 * 3))
    assert maps.shape == (2, 3, 3)
    assert maps[1, 2, 0] == 9 + 6
    features = torch.randn(1, 2, 5, 3, 3)
    flat = features.flatten(3).transpose(2, 3).flatten(1, 2)  # as ImageEncoder.read_features lays them out
    assert torch.equal(torch.from_numpy(glance_maps(flat[0, :, 0].numpy())), features[0, :, 0])


def test_cross_modal_attention_of_the_known_fields_only() -> None:
    network = tiny_network()
    known = np.array([True, False, False, True, True])
    image = state()
    with torch.no_grad():
        tokens = network.encode_clinical(torch.tensor([[0.3, 0, 0, 1, 2]]), torch.from_numpy(known)[None])
        _, terms = network.fuse(image, tokens)
    geometry = CanvasGeometry.letterbox((90, 120), 128)
    result = cross_modal(terms, fields=SCHEMA.ids, known=known, box=box_of(image), cells=16, geometry=geometry)
    assert result.fields == ("age", "margin", "birads")
    assert result.clinical_to_image.shape == (3, 16, 16)
    assert np.allclose(result.clinical_to_image.sum((1, 2)), 1, atol=1e-5)
    tokens_of_margin = terms.attention[0, :, 3].mean(0).numpy()
    assert np.allclose(result.clinical_to_image[1], attention_on_canvas(tokens_of_margin, box_of(image), 16))
    assert result.clinical_to_image_source.shape == (3, 90, 120)
    even = attention_on_canvas(np.concatenate([np.full(16, 1 / 16), np.zeros(16)]), box_of(image), 16)
    assert np.allclose(even * 16**2, 1)  # density: an even spread is 1 everywhere
    weight = terms.weight[0].numpy()
    assert np.allclose(result.image_to_clinical, (weight / weight.sum(1, keepdims=True))[:, known])
    assert (result.image_to_clinical.sum(1) < 1).all()  # the rest goes to unknown tokens
