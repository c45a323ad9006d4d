from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
import shap
import torch
from tiny_bundle import SCHEMA, tiny_network

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.coalition import CoalitionHead, log_odds
from mmxai_core.explain.shapley import attribute, shapley_interactions, shapley_values


def by_definition(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The textbook sums, one coalition at a time."""
    p = len(table).bit_length() - 1
    values, pairs = np.zeros(p), np.zeros((p, p))
    for i in range(p):
        rest = [k for k in range(p) if k != i]
        for n in range(p):
            for s in combinations(rest, n):
                at = sum(1 << k for k in s)
                weight = factorial(n) * factorial(p - n - 1) / factorial(p)
                values[i] += weight * (table[at | 1 << i] - table[at])
        for j in rest:
            others = [k for k in rest if k != j]
            for n in range(p - 1):
                for s in combinations(others, n):
                    at, a, b = sum(1 << k for k in s), 1 << i, 1 << j
                    weight = factorial(n) * factorial(p - n - 2) / factorial(p - 1)
                    pairs[i, j] += weight * (table[at | a | b] - table[at | a] - table[at | b] + table[at])
    return values, pairs


@pytest.mark.parametrize("players", [1, 2, 3, 6])
def test_the_sums_of_the_definition(players: int) -> None:
    table = np.random.default_rng(players).normal(size=2**players)
    values, pairs = by_definition(table)
    assert np.allclose(shapley_values(table), values, atol=1e-12)
    assert np.allclose(shapley_interactions(table), pairs, atol=1e-12)


def test_an_additive_game_with_one_interaction() -> None:
    rows = np.arange(2**5)
    b = (rows[:, None] >> np.arange(5)) & 1
    table = 0.7 + b @ np.array([1.0, -2.0, 0.0, 0.5, 3.0]) + 4.0 * b[:, 1] * b[:, 3]
    assert np.allclose(shapley_values(table), [1, 0, 0, 2.5, 3])
    pairs = shapley_interactions(table)
    assert pairs[1, 3] == pytest.approx(4)
    assert np.abs(np.delete(pairs.ravel(), [1 * 5 + 3, 3 * 5 + 1])).max() < 1e-12


def test_nineteen_players_keep_their_precision() -> None:
    p = 19
    bits = ((np.arange(2**p)[:, None] >> np.arange(p)) & 1).astype(np.int8)
    effects = np.random.default_rng(0).normal(size=p)
    table = bits @ effects + 2.0 * bits[:, 3] * bits[:, 17]
    expected = effects.copy()
    expected[[3, 17]] += 1
    assert np.allclose(shapley_values(table), expected, atol=1e-10)
    assert shapley_interactions(table)[3, 17] == pytest.approx(2, abs=1e-10)


@pytest.mark.parametrize("space", ["log_odds", "probability"])
def test_shaps_exact_explainer_agrees_on_the_networks_own_forward(space: str) -> None:
    network, fields = tiny_network(), SCHEMA.ids
    generator = torch.Generator().manual_seed(3)
    canvas = torch.randn(1, 1, 128, 128, generator=generator)
    values, known = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]]), torch.ones(1, 5, dtype=torch.bool)
    with torch.no_grad():
        image, absent = network.encode_image(canvas), network.encode_image(None)

    def output(rows: np.ndarray) -> np.ndarray:
        out = []
        for row in rows:
            with torch.no_grad():
                tokens = network.encode_clinical(values, torch.from_numpy(row[None, :5] > 0.5))
                logits = network.fuse(image if row[5] > 0.5 else absent, tokens)[0].logits.double().numpy() / 1.5
            odds = log_odds(logits, 1)[0]
            out.append(odds if space == "log_odds" else 1 / (1 + np.exp(-odds)))
        return np.array(out)

    explainer = shap.explainers.Exact(output, np.zeros((1, 6)))
    theirs = explainer(np.ones((1, 6)))
    table = CoalitionHead(network, image, values, known, fields=fields).table(temperature=1.5)
    ends = output(np.array([np.zeros(6), np.ones(6)]))
    ours = attribute(
        table.log_odds(1) if space == "log_odds" else table.probability(1),
        players=table.players, space=space, base_value=float(ends[0]), output=float(ends[1]),
    )  # fmt: skip
    assert np.abs(ours.values).max() > 1e-2
    assert np.allclose(ours.values, theirs.values[0], atol=1e-5)
    assert ours.base_value == pytest.approx(float(theirs.base_values[0]), abs=1e-5)
    assert abs(ours.residual) < 1e-5
    assert not ours.withheld
    assert ours.coalitions == 64


def test_a_table_that_does_not_fit_the_network_is_withheld() -> None:
    table = np.array([0.0, 1.0, 2.0, 3.0])
    kept = attribute(table, players=("a", "b"), space="log_odds", base_value=0, output=3)
    bad = attribute(table, players=("a", "b"), space="log_odds", base_value=0, output=3.001)
    assert (kept.withheld, bad.withheld) == (False, True)
    assert bad.residual == pytest.approx(1e-3)
    with pytest.raises(ExplanationError, match="3 players need 8"):
        attribute(table, players=("a", "b", "c"), space="log_odds", base_value=0, output=3)
