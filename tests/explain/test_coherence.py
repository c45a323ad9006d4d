from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.explain.coherence import agreement, attention_overlap


def test_agreement_has_the_sign_of_the_product_and_size_of_the_weaker_side() -> None:
    players = ("age", "margin", "image")

    def of(*values: float) -> float | None:
        return agreement(players, np.array(values), fields=("age", "margin", "birads"))

    assert of(1, 1, 2) == pytest.approx(1)
    assert of(1, 1, -2) == pytest.approx(-1)
    assert of(0.5, -0.5, 2) == 0
    assert of(1, 0, 2) == pytest.approx(0.8)
    assert of(0, 0, 0) is None
    assert agreement(("age", "margin"), np.ones(2), fields=("age", "margin")) is None
    assert agreement(("image_lesion", "image_rest"), np.ones(2), fields=("age",)) is None


def test_overlap_weighs_fields_by_contribution_and_ignores_padding() -> None:
    grid = np.zeros((4, 4), np.float32)
    grid[1, 1] = 1
    here, there = grid.copy(), grid[::-1, ::-1].copy()
    content = np.ones((4, 4), bool)
    attention = np.stack([here, there])
    assert attention_overlap(grid, attention, np.array([1.0, 0.0]), content) == pytest.approx(1)
    both = attention_overlap(grid, attention, np.array([1.0, 1.0]), content)
    assert 0 < (both or 0) < 1
    content[1, 1] = False
    assert attention_overlap(grid, attention, np.array([1.0, 1.0]), content) is None
    assert attention_overlap(grid, attention, np.zeros(2), np.ones((4, 4), bool)) is None
    assert attention_overlap(grid, attention[:0], np.zeros(0), np.ones((4, 4), bool)) is None
