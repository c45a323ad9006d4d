from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tiny_bundle import SCHEMA, tiny_network, tiny_study, write_tiny_bundle

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.cam_library import GlanceNetwork, library_map
from mmxai_core.explain.feature_methods import integrated_gradients, token_relevance
from mmxai_core.explain.menu import MENU, method_maps, saliency_by_method
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.glance import lesion_glance, whole_glance
from mmxai_core.predict import Predictor
from tests.explain.strip_case import Ready, ready


@pytest.fixture(scope="module")
def r() -> Ready:
    return ready()


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


def features_and_gradient(r: Ready) -> tuple[torch.Tensor, torch.Tensor]:
    image = r.image.state
    features = image.features.detach().requires_grad_()
    state = r.network.image_encoder.read_features(features, boxes=image.boxes, lesion_logits=image.lesion_logits)
    (gradient,) = torch.autograd.grad(r.network.fuse(state, r.tokens)[0].logits[0, 1], features)
    return features.detach()[0], gradient[0]


def test_the_librarys_maps_are_the_raw_formulas(r: Ready) -> None:
    features, gradient = features_and_gradient(r)
    given = {"target": 1}
    maps = {
        m: method_maps(r.network, r.canvas, r.image.state, r.tokens, method=m, **given)  # type: ignore[arg-type]
        for m in ("grad_cam", "layer_cam", "eigen_cam", "grad_cam_pp")
    }
    cam = torch.relu((gradient.mean((-1, -2), keepdim=True) * features).sum(1))
    layer = torch.relu((gradient.clamp_min(0) * features).sum(1))
    assert np.allclose(np.stack(maps["grad_cam"]), cam, rtol=1e-3, atol=1e-6)
    assert np.allclose(np.stack(maps["layer_cam"]), layer, rtol=1e-3, atol=1e-6)
    assert np.allclose(np.stack(maps["grad_cam_pp"]), r.image.read.maps[0], rtol=1e-3, atol=1e-6)
    for own, found in zip(features, maps["eigen_cam"], strict=True):
        flat = (own.flatten(1) - own.flatten(1).mean(1, keepdim=True)).T.double()
        first = flat @ torch.linalg.svd(flat, full_matrices=False)[2][0]
        expected = [np.maximum(s * first.reshape(4, 4).numpy(), 0) for s in (1, -1)]
        assert min(np.abs(e - found).max() for e in expected) < 1e-4 * max(float(found.max()), 1e-3)
        energy = own.abs().sum(0).flatten().numpy()
        assert np.corrcoef(energy, found.ravel())[0, 1] > 0


def test_our_grad_cam_pp_through_the_librarys_hooks_is_ours(r: Ready) -> None:
    size = r.network.arch.glance
    glances = (whole_glance(r.canvas, size), lesion_glance(r.canvas, r.image.state.boxes, size))
    for i, glance in enumerate(glances):
        model = GlanceNetwork(r.network, r.image.state, r.tokens, i)
        found = library_map(model, glance, method="grad_cam_pp", layer="neck", target=1, score="logit")
        assert np.allclose(found, r.image.read.maps[0, i], rtol=1e-3, atol=1e-6)


def test_score_cam_weighs_channels_by_what_their_area_keeps(r: Ready) -> None:
    model = GlanceNetwork(r.network, r.image.state, r.tokens, 0)
    glance = whole_glance(r.canvas, r.network.arch.glance)
    found = library_map(model, glance, method="score_cam", layer="neck", target=1, score="logit")
    features = r.image.state.features[0, 0]
    up = torch.nn.functional.interpolate(features[None], size=glance.shape[-2:], mode="bilinear", align_corners=True)[0]
    low, high = up.amin((1, 2), keepdim=True), up.amax((1, 2), keepdim=True)
    with torch.no_grad():
        scores = model(glance * ((up - low) / (high - low + 1e-8))[:, None])[:, 1]
    expected = torch.relu((torch.softmax(scores, 0)[:, None, None] * features).sum(0))
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_hooks_do_not_stay(r: Ready) -> None:
    for layer in ("neck", "stride_16", "stride_8"):
        maps = method_maps(r.network, r.canvas, r.image.state, r.tokens, method="layer_cam", target=1, layer=layer)  # type: ignore[arg-type]
        assert maps[0].shape == ((8, 8) if layer == "stride_8" else (4, 4))
        assert all(m.max() > 0 for m in maps)
    assert not any(m._forward_hooks for m in r.network.modules())
    assert not any(p.requires_grad or p.grad is not None for p in r.network.parameters())


def test_integrated_gradients_share_out_the_score(r: Ready) -> None:
    maps, gap = integrated_gradients(r.network, r.image.state, r.tokens, target=1, steps=48)
    with torch.no_grad():
        image = r.image.state
        ends = [
            float(r.network.fuse(r.network.image_encoder.read_features(
                f, boxes=image.boxes, lesion_logits=image.lesion_logits), r.tokens)[0].logits[0, 1])
            for f in (image.features, 0 * image.features)
        ]  # fmt: skip
    assert maps.shape == (2, 4, 4)
    assert gap == pytest.approx(ends[0] - ends[1] - maps.sum(), abs=1e-4)
    assert abs(gap) < 0.05 * np.abs(maps).sum()


def test_relevance_follows_the_class(r: Ready) -> None:
    one, other = (token_relevance(r.network, r.image.state, r.tokens, target=k) for k in (0, 1))
    assert one.shape == (2, 4, 4)
    assert (one >= 0).all()
    assert one.max() > 0
    assert not np.allclose(one, other)
    quiet = tiny_network()
    for block in quiet.image_encoder.blocks:
        block.out.weight.zero_()  # type: ignore[union-attr]
        block.out.bias.zero_()  # type: ignore[union-attr]
    q = ready(quiet)
    tokens = q.image.state.tokens.detach().requires_grad_()
    state = quiet.image_encoder.pool(
        tokens, features=q.image.state.features, boxes=q.image.state.boxes, lesion_logits=q.image.state.lesion_logits
    )
    (slope,) = torch.autograd.grad(quiet.fuse(state, q.tokens)[0].logits[0, 1], tokens)
    expected = (slope * tokens).sum(-1).clamp_min(0)[0].detach().numpy().reshape(2, 4, 4)
    assert np.allclose(token_relevance(quiet, q.image.state, q.tokens, target=1), expected, atol=1e-6)


def test_every_method_comes_through_the_worker(predictor: Predictor) -> None:
    study, record = tiny_study(), SCHEMA.record({"age": 50, "palpable": "yes"})
    encoded = predictor.encode(study)
    prediction = predictor.predict(study, record, encoded=encoded)
    for method, entry in MENU.items():
        found = saliency_by_method(predictor, encoded, record, prediction, method=method)
        assert found.method == entry.name
        assert found.source.shape == (90, 120)
        assert found.grid.shape == (16, 16)
        assert 0 <= found.grid.min() <= found.grid.max()
        measured = method in ("grad_cam_pp", "rollout")
        assert ("no measured colour scale" in found.unit) == (not measured)
        assert (found.target_class == "any class") == (not entry.by_class)
    assert saliency_by_method(predictor, encoded, record, prediction, method="grad_cam_pp").reference == 2.5
    given = {"references": {"grad_cam": 7.0}, "target_class": "benign"}
    benign = saliency_by_method(predictor, encoded, record, prediction, method="grad_cam", **given)  # type: ignore[arg-type]
    assert (benign.reference, benign.target_class) == (7.0, "benign")


def test_what_is_not_on_the_menu_is_said(predictor: Predictor, r: Ready) -> None:
    given = (r.network, r.canvas, r.image.state, r.tokens)
    with pytest.raises(ExplanationError, match="must be one of grad_cam_pp"):
        method_maps(*given, method="lime", target=1)  # type: ignore[arg-type]
    with pytest.raises(ExplanationError, match="reads the layer neck; got 'stride_8'"):
        method_maps(*given, method="rollout", target=1, layer="stride_8")
    record = SCHEMA.record({"age": 50})
    encoded = predictor.encode(tiny_study())
    prediction = predictor.predict(tiny_study(), record, encoded=encoded)
    with pytest.raises(ExplanationError, match="got 'cyst'"):
        saliency_by_method(predictor, encoded, record, prediction, method="grad_cam", target_class="cyst")
