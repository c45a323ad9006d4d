from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mmxai_core.explain.coalition import CoalitionTable
from mmxai_core.explain.field_removal import field_removal, from_head, from_table
from tests.explain.strip_case import ready


def test_additive_scores_by_hand() -> None:
    weights = np.array([2.0, -1.0, 0.5, 1.0, 3.0])  # the last player is the image
    rows = (np.arange(32)[:, None] >> np.arange(5)) & 1
    table = CoalitionTable(("a", "b", "c", "d", "image"), np.stack([np.zeros(32), rows @ weights], 1))
    found = field_removal(from_table(table, target=1), table.players, weights, fields=("a", "b", "c", "d"), top=2)
    assert found is not None

    def probability(odds: float) -> float:
        return 1 / (1 + np.exp(-odds))

    whole = probability(weights.sum())
    drops = [whole - probability(weights.sum() - weights[list(s)].sum()) for s in combinations(range(4), 2)]
    assert found.fields == ("a", "d")
    assert found.drop == pytest.approx(whole - probability(weights.sum() - 3))
    assert found.random_drop == pytest.approx(np.mean(drops))
    assert found.gain == pytest.approx(found.drop - np.mean(drops))
    assert (found.sets, found.share_beaten) == (6, pytest.approx((5 + 0.5) / 6))


def test_the_head_and_the_table_agree() -> None:
    r = ready()
    table = r.case.head.table(temperature=1.5)
    found = [
        field_removal(how, r.case.head.players, r.case.contributions, fields=r.case.fields)
        for how in (from_table(table, target=1), from_head(r.case.head, target=1, temperature=1.5))
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].fields == found[1].fields
    assert found[0].sets == 10
    assert found[0].drop == pytest.approx(found[1].drop, abs=1e-6)
    assert found[0].random_drop == pytest.approx(found[1].random_drop, abs=1e-6)


def test_too_few_fields_have_no_choice() -> None:
    table = CoalitionTable(("a", "b", "c", "image"), np.zeros((16, 2)))
    assert field_removal(from_table(table, target=1), table.players, np.zeros(4), fields=("a", "b", "c")) is None
