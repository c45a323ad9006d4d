from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_bundle import SCHEMA, tiny_network, tiny_study

from mmxai_core.errors import CohortError
from mmxai_core.explain.strip_case import StripSettings
from mmxai_core.explain.thresholds import GENERAL
from mmxai_core.preprocess import CanvasGeometry, prepare_image, standardise
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.reliability_reference import canvas_image, null_saliency, reliability_thresholds

RECORD = SCHEMA.record({"age": 50, "palpable": "yes", "nipple_discharge": "no", "margin": "spiky", "birads": "4"})
SETTINGS = StripSettings(SCHEMA.ids, 1, 1.5, exact=False)


def cohort(n: int) -> CohortArrays:
    geometry = CanvasGeometry.letterbox((90, 120), 128)
    grey = [np.round(geometry.to_canvas(tiny_study(seed=i).images[0].grey) * 255).astype(np.uint8) for i in range(n)]
    encoded = SCHEMA.encode(RECORD)
    return CohortArrays(
        np.stack(grey), np.tile([*geometry.offset, *geometry.content], (n, 1)), np.zeros((n, 128, 128), np.uint8),
        np.zeros(n, bool), np.tile(encoded.values, (n, 1)), np.tile(encoded.known, (n, 1)), np.arange(n) % 2,
        tuple(map(str, range(n))), tuple(map(str, range(n))), (RECORD,) * n,
    )  # fmt: skip


def test_a_canvas_case_is_the_image_as_the_network_saw_it() -> None:
    data = cohort(1)
    grey, geometry = canvas_image(data, 0)
    canvas, _ = prepare_image(tiny_study(seed=0).images[0].grey, canvas=128)
    again = standardise(geometry.to_canvas(grey), geometry.content_mask())
    assert np.abs(again - canvas).max() < 0.03  # 8-bit grey


def test_thresholds_come_from_the_sampled_cases() -> None:
    told: list[tuple[int, int]] = []
    found = reliability_thresholds(
        tiny_network(), cohort(4), settings=SETTINGS, most=3, progress=lambda a, b: told.append((a, b))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert set(found) == set(GENERAL)
    assert {e["cases"] for e in found.values()} == {3}
    assert all(e["p05"] <= e["p50"] <= e["p95"] for e in found.values())


def test_the_null_is_measured_on_the_sample_in_batches() -> None:
    network = tiny_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    data = cohort(10)
    told: list[tuple[int, int]] = []
    found = null_saliency(network, data, draws=2, progress=lambda a, b: told.append((a, b)))
    assert found.peaks.shape == (20,)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(null_saliency(network, data, draws=1, most=5).peaks) == 5
    assert found.peaks.max() > 0
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    black = replace(data, grey=np.zeros_like(data.grey))
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):  # equal pictures differ in the last bit, in another way with each number of threads
            torch.set_num_threads(count)
            with pytest.raises(CohortError, match="differs with their label"):
                null_saliency(network, black, draws=1)
    finally:
        torch.set_num_threads(threads)
