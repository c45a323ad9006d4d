from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import SCHEMA, tiny_network

from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.grids import to_source
from mmxai_core.explain.joint import contributions_without
from mmxai_core.explain.mirror import mirrored_grad_cam_pp, mirrored_state
from mmxai_core.explain.saliency import on_canvas
from mmxai_core.explain.shapley import shapley_values
from mmxai_core.explain.unified import maps_without, unified_map
from mmxai_core.preprocess import CanvasGeometry

GEOMETRY = CanvasGeometry.letterbox((90, 120), 128)
BOX = (0.5, 0.45, 0.4)


def test_the_maps_without_a_field_are_those_of_the_smaller_record() -> None:
    network = tiny_network()
    values, known = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]]), torch.ones(1, 5, dtype=torch.bool)
    canvas = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        image = network.encode_image(canvas, boxes=torch.tensor([BOX]))
    mirror = mirrored_state(network, canvas, image)
    maps = maps_without(network, image, mirror, values, known, box=BOX, cells=16, target=1, score="logit")
    assert maps.shape == (5, 16, 16)
    for i in (0, 4):
        fewer = known.clone()
        fewer[0, i] = False
        tokens = network.encode_clinical(values, fewer)
        expected = mirrored_grad_cam_pp(network, canvas, image, tokens, target=1).maps[0].numpy()
        assert np.allclose(maps[i], on_canvas(expected, BOX, 16), rtol=1e-3, atol=1e-7)
    assert len(maps_without(network, image, mirror, values, ~known, box=BOX, cells=16, target=1, score="logit")) == 0


def made(odds: np.ndarray) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    grid, without = rng.random((16, 16), np.float32), rng.random((2, 16, 16), np.float32)
    density = rng.random((2, 16, 16), np.float32) * 2
    fewer = np.array([[0, shapley_values(odds[::2])[0]], [shapley_values(odds[[0, 1, 4, 5]])[0], 0]])
    given = {
        "density": density, "values": shapley_values(odds)[:2], "values_without": fewer, "fields": ("age", "margin"),
        "geometry": GEOMETRY, "target_class": "malignant",
    }  # fmt: skip
    return given, grid, without, density


def test_each_fields_term_is_evidence_times_density_times_contribution() -> None:
    odds = np.random.default_rng(1).normal(size=8)
    given, grid, without, density = made(odds)
    result = unified_map(grid, without, reference=2.5, **given)
    values = shapley_values(odds)
    assert np.allclose(result.field_grids[1], grid / 2.5 * values[1] * density[1], atol=1e-6)
    assert np.allclose(result.grid, result.field_grids.sum(0))
    left = shapley_values(odds[::2])  # coalitions without the first player
    assert np.allclose(result.without[0], without[0] / 2.5 * left[0] * density[1], atol=1e-6)
    left = shapley_values(odds.reshape(2, 2, 2)[:, 0].reshape(-1))
    assert np.allclose(result.without[1], without[1] / 2.5 * left[0] * density[0], atol=1e-6)


def test_contributions_without_a_field_by_table_and_by_orders() -> None:
    network = tiny_network()
    values, known = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]]), torch.ones(1, 5, dtype=torch.bool)
    canvas = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        image = network.encode_image(canvas)
    head = CoalitionHead(network, image, values, known, fields=SCHEMA.ids)
    table = head.table(temperature=1.5).log_odds(1)
    exact = contributions_without(head, table, fields=5, temperature=1.5, target=1, seed=0)
    known[0, 2] = False
    smaller = CoalitionHead(network, image, values, known, fields=SCHEMA.ids).table(temperature=1.5).log_odds(1)
    assert np.allclose(exact[2, [0, 1, 3, 4]], shapley_values(smaller)[:4], atol=1e-6)
    assert np.diag(exact).tolist() == [0] * 5
    sampled = contributions_without(head, None, fields=5, temperature=1.5, target=1, seed=0)
    assert np.abs(sampled - exact).max() < 0.05 * np.abs(exact).max()


def test_toggling_a_field_gives_the_difference_on_the_source_image() -> None:
    given, grid, without, _ = made(np.random.default_rng(1).normal(size=8))
    result = unified_map(grid, without, reference=1.0, **given)
    assert result.on_source().shape == (90, 120)
    assert np.allclose(result.on_source(), to_source(result.grid, GEOMETRY), atol=1e-5)
    expected = to_source(result.grid - result.without[1], GEOMETRY)
    assert np.allclose(result.difference("margin"), expected, atol=1e-5)
    with pytest.raises(ValueError, match="not in tuple"):
        result.difference("birads")
