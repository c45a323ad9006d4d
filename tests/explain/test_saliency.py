from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAMPlusPlus
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from tiny_bundle import tiny_network
from torch import Tensor, nn

from mmxai_core.explain.saliency import box_of, cam, channel_weights, grad_cam_pp, on_canvas, saliency_peak
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork

VALUES = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0], [0.9, 0.0, 0.0, 0.0, 0.0]])
KNOWN = torch.tensor([[True, True, False, True, True], [True, False, False, False, False]])


@pytest.fixture
def network() -> FusedNetwork:
    return tiny_network()


def encoded(network: FusedNetwork) -> tuple[ImageState, Tensor]:
    canvas = torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        return network.encode_image(canvas), network.encode_clinical(VALUES, KNOWN)


def one(state: ImageState) -> ImageState:
    return replace(state, features=state.features[:1], boxes=state.boxes[:1], lesion_logits=state.lesion_logits[:1])


class FromGlance(nn.Module):
    """The rest of the network, with one glance's features as its input image and a layer to hook."""

    def __init__(self, network: FusedNetwork, state: ImageState, tokens: Tensor, glance: int) -> None:
        super().__init__()
        self.network, self.state, self.tokens, self.glance = network, state, tokens, glance
        self.target = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        both = [self.state.features[:, 0], self.state.features[:, 1]]
        both[self.glance] = self.target(features)
        read = self.network.image_encoder.read_features(
            torch.stack(both, 1), boxes=self.state.boxes, lesion_logits=self.state.lesion_logits
        )
        return self.network.fuse(read, self.tokens)[0].logits


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("glance", [0, 1])
def test_pytorch_grad_cam_agrees_where_its_epsilon_is_small(network: FusedNetwork, glance: int, target: int) -> None:
    for layer in (network.image_encoder.head, network.fusion.clinical_head, network.fusion.joint[-1]):
        layer.weight.mul_(3e3)  # their 1e-6 outweighs 2 g^2 at a random network's small gradients
        layer.bias.mul_(3e3)
    state, tokens = encoded(network)
    state, tokens = one(state), tokens[:1]
    ours = grad_cam_pp(network, state, tokens, target=target).maps[0, glance].numpy()
    wrapped = FromGlance(network, state, tokens, glance)
    with GradCAMPlusPlus(wrapped, [wrapped.target]) as oracle:
        features = state.features[:, glance].clone().requires_grad_()
        theirs = oracle(input_tensor=features, targets=[ClassifierOutputTarget(target)])[0]
    assert ours.max() > 0
    assert np.allclose(scale_cam_image(ours[None])[0], theirs, atol=2e-3)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999


def test_the_exact_weights_of_the_paper() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(3, 5, 5, generator=generator, dtype=torch.float64)
    g = torch.randn(3, 5, 5, generator=generator, dtype=torch.float64)
    alpha = g**2 / (2 * g**2 + a.sum((1, 2), keepdim=True) * g**3)
    expected = (alpha * g.clamp_min(0)).sum((1, 2))
    assert torch.allclose(channel_weights(a, g), expected)
    assert torch.allclose(cam(a, expected), torch.relu(torch.einsum("k,kij->ij", expected, a)))


def test_tiny_gradients_are_not_swamped_and_no_gradient_is_no_evidence() -> None:
    a, g = torch.rand(2, 4, 4), torch.randn(2, 4, 4)
    small = channel_weights(a, g * 1e-8)
    assert torch.allclose(small * 2, (g * 1e-8).clamp_min(0).sum((1, 2)), rtol=1e-5)  # alpha -> 1/2
    assert torch.equal(channel_weights(a, -g.abs()), torch.zeros(2))


def test_a_batch_is_its_cases_and_nothing_of_the_network_changes(network: FusedNetwork) -> None:
    state, tokens = encoded(network)
    both = grad_cam_pp(network, state, tokens, target=1)
    alone = grad_cam_pp(network, one(state), tokens[:1], target=1)
    assert torch.allclose(both.maps[:1], alone.maps, atol=1e-6)
    assert torch.allclose(both.logits[:1], alone.logits, atol=1e-5)
    assert not both.maps.requires_grad
    assert not both.image.tokens.requires_grad
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    with torch.no_grad():
        assert torch.allclose(both.logits, network.fuse(state, tokens)[0].logits, atol=1e-5)


def test_log_odds_of_two_classes_point_the_other_way(network: FusedNetwork) -> None:
    state, tokens = encoded(network)
    logit = grad_cam_pp(network, state, tokens, target=1).maps
    odds = grad_cam_pp(network, state, tokens, target=1, score="log_odds").maps
    assert not torch.allclose(logit, odds)
    with torch.enable_grad():
        features = state.features.clone().requires_grad_()
        read = network.image_encoder.read_features(features, boxes=state.boxes, lesion_logits=state.lesion_logits)
        logits = network.fuse(read, tokens)[0].logits
        (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), features)
    expected = cam(state.features, channel_weights(state.features, gradient))
    assert torch.allclose(odds, expected, atol=1e-7)


def test_both_glances_add_up_on_the_canvas() -> None:
    maps = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 2.0)]).astype(np.float32)
    combined = on_canvas(maps, (0.25, 0.75, 0.5), 16)
    assert np.all(combined[8:, :8] == 3)
    assert combined.sum() == pytest.approx(16 * 16 + 2 * 8 * 8)


def test_the_peak_is_the_maximum_of_the_combined_map(network: FusedNetwork) -> None:
    canvas = torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(4))
    peaks = saliency_peak(network, canvas, VALUES, KNOWN, target=1)
    state, tokens = encoded(network)
    maps = grad_cam_pp(network, state, tokens, target=1).maps.numpy()
    expected = [on_canvas(m, box_of(state, i), 16).max() for i, m in enumerate(maps)]
    assert np.allclose(peaks, expected, rtol=1e-4)
    assert (peaks > 0).all()
