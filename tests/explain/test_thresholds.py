from __future__ import annotations

import json

import numpy as np
import pytest

from mmxai_core.explain.thresholds import FLOORS, GENERAL, MIN_CASES, Thresholds, measure_thresholds


def test_a_cohort_gives_its_tenth_percentile_and_comes_back_from_json() -> None:
    values = np.linspace(0.6, 1.0, 41)
    rows = [{"ssim_noise": float(v), "randomisation": float(v) - 0.6, "deletion_gain": None} for v in values]
    stored = json.loads(json.dumps(measure_thresholds(rows)))
    assert set(stored) == {"ssim_noise", "randomisation"}
    assert stored["ssim_noise"]["cases"] == 41
    assert stored["ssim_noise"]["p50"] == pytest.approx(0.8)
    found = Thresholds.from_json(stored)
    assert found.of("ssim_noise").value == pytest.approx(0.64)
    assert "41 training cases lie below 0.64" in found.of("ssim_noise").source
    assert found.of("randomisation").value == pytest.approx(0.36)  # low is good: the 90th percentile
    assert found.of("deletion_gain").value == GENERAL["deletion_gain"]
    assert "general threshold" in found.of("deletion_gain").source


def test_a_poor_cohort_cannot_lower_a_threshold_past_its_floor() -> None:
    rows = [{"ssim_noise": 0.1, "deletion_gain": -0.3, "randomisation": 0.9}] * 30
    found = Thresholds.from_json(measure_thresholds(rows))
    for key in ("ssim_noise", "deletion_gain", "randomisation"):
        assert found.of(key).value == FLOORS[key]
        assert found.of(key).source.startswith("least that counts")


def test_too_few_cases_and_strange_entries_count_as_not_measured() -> None:
    few = measure_thresholds([{"ssim_noise": 0.7}] * (MIN_CASES - 1))
    assert Thresholds.from_json(few).of("ssim_noise").value == GENERAL["ssim_noise"]
    for stored in (None, [], {"ssim_noise": None}, {"ssim_noise": {"threshold": "high", "cases": 50}}):
        assert Thresholds.from_json(stored).of("ssim_noise").value == GENERAL["ssim_noise"]
    assert set(GENERAL) == set(FLOORS)
