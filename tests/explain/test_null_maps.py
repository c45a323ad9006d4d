from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_network, tiny_study

from mmxai_core.errors import CohortError
from mmxai_core.explain import null_maps as null
from mmxai_core.explain.mirror import mirrored_state
from mmxai_core.explain.saliency import grad_cam_pp
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import prepare_image
from tests.explain.strip_case import ready

CANVASES = torch.from_numpy(
    np.stack([prepare_image(tiny_study(seed=i).images[0].grey, canvas=128)[0] for i in range(8)])
)[:, None]
LABELS = np.array([0, 1, 0, 1, 1, 0, 0, 1])


def cases(network: FusedNetwork) -> list[null.NullBatch]:
    r, out = ready(network), []
    for c in torch.split(CANVASES, 4):
        with torch.no_grad():
            state = network.encode_image(c)
        out.append(null.NullBatch(state, mirrored_state(network, c, state), r.tokens.expand(len(c), -1, -1)))
    return out


def test_the_read_out_gives_the_networks_own_logits_and_maps() -> None:
    network = tiny_network()
    weights = null.trained_read_out(network)
    for case in cases(network):
        with torch.no_grad():
            logits = network.fuse(case.state, case.tokens)[0].logits
            again = null.read_out_inputs(network, case.state, case.tokens) @ weights.T
        assert torch.allclose(logits, again, atol=1e-5)
        (maps,) = null._maps(network, case, [weights.double()], score="logit")
        for i, k in enumerate(logits.argmax(1).tolist()):
            own, other = (grad_cam_pp(network, s, case.tokens, target=k).maps[i] for s in (case.state, case.mirror))
            assert np.allclose(maps[i], ((own + other.flip(-1)) / 2).numpy(), atol=1e-5)


def test_null_peaks_are_seeded_sorted_and_leave_the_network_alone() -> None:
    network = tiny_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    told: list[tuple[int, int]] = []
    given = cases(network)
    found = null.null_peaks(network, given, LABELS, draws=2, progress=lambda a, b: told.append((a, b)))
    assert found.peaks.shape == (16,)
    assert (np.diff(found.peaks) >= 0).all()
    assert found.peaks.min() >= 0 < found.peaks.max()
    assert told == [(1, 2), (2, 2)]
    assert np.array_equal(found.peaks, null.null_peaks(network, given, LABELS, draws=2).peaks)
    assert not np.array_equal(found.peaks, null.null_peaks(network, given, LABELS, draws=2, seed=1).peaks)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    account = found.account
    assert account["logit_sd"]["refitted"] == pytest.approx(account["logit_sd"]["trained"], rel=1e-6)
    assert account["above"] == np.mean(
        [p > np.quantile(found.peaks, 0.95) for p in own_peaks(network, given)]
    )  # fmt: skip


def own_peaks(network: FusedNetwork, given: list[null.NullBatch]) -> list[float]:
    weights = null.trained_read_out(network).double()
    cells = null.canvas_cells(network.arch)
    return [
        float(null.on_canvas(m, null.box_of(case.state, i), cells).max())
        for case in given
        for maps in null._maps(network, case, [weights], score="logit")
        for i, m in enumerate(maps)
    ]


def test_the_null_follows_the_loudness_of_the_network() -> None:
    """Logits twice as loud have nulls twice as high: the percentile does not see loudness."""
    network, loud = tiny_network(), tiny_network()
    for layer in (loud.fusion.joint[-1], loud.fusion.clinical_head, loud.image_encoder.head):
        assert isinstance(layer, torch.nn.Linear)
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    given = cases(network)
    nulls, own = [], []
    for n in (network, loud):
        nulls.append(np.median(null.null_peaks(n, given, LABELS, draws=2).peaks))
        own.append(np.median(own_peaks(n, given)))
    assert own[1] / own[0] == pytest.approx(2, rel=0.3)
    assert nulls[1] / nulls[0] == pytest.approx(own[1] / own[0], rel=0.3)


def test_a_ridge_on_labels_the_features_tell_beats_one_on_shuffled_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = np.arange(60) % 2
    x = torch.randn(60, 20, generator=generator).double()
    x[:, 0] += 3 * torch.from_numpy(labels)
    ridge = null._Ridge(x, labels, classes=2)
    assert ridge.error < 0.5
    assert null._Ridge(x, np.random.default_rng(0).permutation(labels), classes=2).error > 0.8
    best = ridge.fit(ridge.targets)
    logits = x @ best.T
    assert ((logits[:, 1] > logits[:, 0]).numpy() == labels.astype(bool)).mean() > 0.8
    # left out in closed form, and by leaving out
    errors = []
    for i in range(60):
        kept = np.delete(np.arange(60), i)
        part, own = x[kept] - x[kept].mean(0), ridge.targets[kept] - ridge.targets[kept].mean(0)
        w = torch.linalg.solve(part.T @ part + ridge.strength * torch.eye(20).double(), part.T @ own)
        errors.append(((ridge.targets[i] - ridge.targets[kept].mean(0)) - (x[i] - x[kept].mean(0)) @ w) ** 2)
    assert float(torch.stack(errors).mean() / (ridge.targets**2).mean()) == pytest.approx(ridge.error, rel=0.05)


def test_one_class_has_no_null() -> None:
    network = tiny_network()
    with pytest.raises(CohortError, match="two classes"):
        null.null_peaks(network, cases(network), np.zeros(8, np.int64))
