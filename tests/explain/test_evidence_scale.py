from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain import evidence_scale as scale
from mmxai_core.explain.strip_reference import bundle_null, bundle_scale, bundle_thresholds
from mmxai_core.model.reference import Reference


def test_the_percentile_is_one_minus_p() -> None:
    peaks = np.arange(1, 100, dtype=float)
    assert scale.null_percentile(1000.0, peaks) == pytest.approx(0.99)
    assert scale.null_percentile(0.0, peaks) == 0
    assert scale.null_percentile(50.5, peaks) == pytest.approx(0.5)
    strong, weak = scale.evidence_strength(98.5, peaks), scale.evidence_strength(40.0, peaks)
    assert "stronger than 98 %" in strong.verdict
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
