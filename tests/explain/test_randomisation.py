from __future__ import annotations

import numpy as np
import pytest
import torch

from mmxai_core.explain.randomisation import STAGES, randomise, similarity, stage_modules, weight_randomisation
from tests.explain.strip_case import ready


def test_similarity_is_pearson_of_each_glance() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((2, 5, 5))
    assert similarity(maps, 3 * maps + 1) == pytest.approx(1)
    half = np.stack([maps[0], -maps[1]])
    assert similarity(maps, half) == pytest.approx(0)
    assert similarity(maps, np.zeros_like(maps)) == 0
    other = rng.random((2, 5, 5))
    expected = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, other, strict=True)])
    assert similarity(maps, other) == pytest.approx(expected)


def test_the_cascade_leaves_the_network_alone_and_ends_far_from_the_map() -> None:
    r = ready()
    before = {k: v.clone() for k, v in r.network.state_dict().items()}
    maps = r.image.read.maps[0].numpy()
    given = {"maps": maps, "target": 1, "score": "logit"}
    steps = weight_randomisation(r.network, r.canvas, r.image.state, r.tokens, seed=0, **given)  # type: ignore[arg-type]
    assert tuple(s.stage for s in steps) == STAGES
    assert all(torch.equal(v, before[k]) for k, v in r.network.state_dict().items())
    assert not r.network.training
    assert all(not m.training for m in r.network.modules())
    assert abs(steps[-1].similarity) < 0.5
    again = weight_randomisation(r.network, r.canvas, r.image.state, r.tokens, seed=0, **given)  # type: ignore[arg-type]
    other = weight_randomisation(r.network, r.canvas, r.image.state, r.tokens, seed=1, **given)  # type: ignore[arg-type]
    assert steps == again
    assert steps != other


def test_stages_cover_the_image_branch_and_the_fusion_once() -> None:
    network = ready().network
    chosen = [id(p) for depth in range(len(STAGES)) for m in stage_modules(network, depth) for p in m.parameters()]
    assert len(chosen) == len(set(chosen))
    left = {n.split(".")[0] + "." + n.split(".")[1] for n, p in network.named_parameters() if id(p) not in set(chosen)}
    assert {n for n in left if n.startswith("image_encoder")} == {
        "image_encoder.glance_code", "image_encoder.absent", "image_encoder.queries", "image_encoder.lesion8",
        "image_encoder.lesion4", "image_encoder.lesion_out",
    }  # fmt: skip
    assert not any(n.startswith("fusion") for n in left)


def test_random_weights_keep_mean_and_spread() -> None:
    layer = torch.nn.Linear(200, 100).requires_grad_(False)
    layer.weight.copy_(torch.randn(100, 200) * 0.3 + 2)
    before = layer.weight.clone()
    randomise([layer], torch.Generator().manual_seed(0))
    assert float(layer.weight.mean()) == pytest.approx(2, abs=0.01)
    assert float(layer.weight.std()) == pytest.approx(0.3, rel=0.03)
    assert abs(float(torch.corrcoef(torch.stack([before.flatten(), layer.weight.flatten()]))[0, 1])) < 0.05
