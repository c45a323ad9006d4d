from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_network, tiny_study

from mmxai_core.explain import evidence_scale as scale
from mmxai_core.explain.mirror import mirrored_state
from mmxai_core.explain.saliency import saliency_peak
from mmxai_core.explain.strip_reference import bundle_null, bundle_scale, bundle_thresholds
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.reference import Reference
from mmxai_core.preprocess import prepare_image
from tests.explain.strip_case import ready

CANVASES = torch.from_numpy(
    np.stack([prepare_image(tiny_study(seed=i).images[0].grey, canvas=128)[0] for i in range(6)])
)[:, None]


def cases(network: FusedNetwork) -> list[scale.NullBatch]:
    r, out = ready(network), []
    for c in torch.split(CANVASES, 4):
        with torch.no_grad():
            state = network.encode_image(c)
        out.append(scale.NullBatch(state, mirrored_state(network, c, state), r.tokens.expand(len(c), -1, -1)))
    return out


def test_null_peaks_are_seeded_sorted_and_leave_the_network_alone() -> None:
    network = tiny_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    told: list[tuple[int, int]] = []
    given = cases(network)
    peaks = scale.null_peaks(network, given, target=1, draws=2, progress=lambda a, b: told.append((a, b)))
    assert peaks.shape == (12,)
    assert (np.diff(peaks) >= 0).all()
    assert (peaks >= 0).all()
    assert peaks.max() > 0
    assert told == [(1, 2), (2, 2)]
    assert np.array_equal(peaks, scale.null_peaks(network, given, target=1, draws=2))
    assert not np.array_equal(peaks, scale.null_peaks(network, given, target=1, draws=2, seed=1))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_the_null_follows_the_loudness_of_the_network() -> None:
    """Logits twice as loud have maps and nulls about twice as high: the percentile does not see loudness."""
    network, loud = tiny_network(), tiny_network()
    for layer in (loud.fusion.joint[-1], loud.fusion.clinical_head, loud.image_encoder.head):
        assert isinstance(layer, torch.nn.Linear)
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    nulls = [np.median(scale.null_peaks(n, cases(n), target=1, draws=2)) for n in (network, loud)]
    r = ready(network)
    values, known = (x.expand(6, -1) for x in (r.case.values, r.case.known))
    own = [np.median(saliency_peak(n, CANVASES, values, known, target=1)) for n in (network, loud)]
    assert nulls[1] / nulls[0] == pytest.approx(own[1] / own[0], rel=0.5)
    assert nulls[1] > 1.3 * nulls[0]


def test_the_percentile_is_one_minus_p() -> None:
    peaks = np.arange(1, 100, dtype=float)
    assert scale.null_percentile(1000.0, peaks) == pytest.approx(0.99)
    assert scale.null_percentile(0.0, peaks) == 0
    assert scale.null_percentile(50.5, peaks) == pytest.approx(0.5)
    strong, weak = scale.evidence_strength(98.5, peaks), scale.evidence_strength(40.0, peaks)
    assert "stronger than 98%" in strong.verdict
    assert "No more than chance" in weak.verdict
    assert scale.evidence_strength(1.0, None).value is None


def test_no_evidence_is_blank_whatever_its_own_maximum() -> None:
    shown = scale.evidence_scale(np.arange(101, dtype=float), reference=195.0)
    assert shown.floor == pytest.approx(95)
    values = np.array([[0.0, 94.0, 145.0, 195.0, 500.0]], np.float32)
    assert shown.opacity(values)[0].tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    above = scale.evidence_scale(np.arange(101, dtype=float), reference=10.0)  # a null louder than the cohort's maps
    assert above.opacity(values)[0].tolist() == [0, 0, 1, 1, 1]


def test_a_bundle_without_measurements_says_none() -> None:
    peaks = np.array([3.0, 1.0, 2.0])
    measured = Reference(
        entries={"reliability_thresholds": {"ssim_noise": {"threshold": 0.9, "cases": 100}}},
        arrays={"null_saliency_peaks/peaks": peaks},
    )
    assert bundle_thresholds(measured).of("ssim_noise").value == 0.9
    found = bundle_null(measured)
    assert found is not None
    assert found.tolist() == [1, 2, 3]
    made = bundle_scale(measured, saliency_reference=4.0)
    assert made is not None
    assert (made.reference, made.maps) == (4.0, 3)
    assert bundle_scale(measured, saliency_reference=None) is None
    assert bundle_null(Reference()) is None
    assert bundle_thresholds(Reference()).of("ssim_noise").value == 0.85
