"""Exact Shapley values and pairwise interactions from a table of all coalitions.

Sources: Shapley 1953; Grabisch & Roubens 1999 for the interaction index

    I_ij = sum over S without i, j of |S|! (P - |S| - 2)! / (P - 1)! (v(S+i+j) - v(S+i) - v(S+j) + v(S)).

Both are linear in the table, with weights that depend on a coalition's size and on whether i (and j) are in it. So all
values and all pairs follow from first and second *marginals* of a few weighted tables, sum over S of y(S), of
b_i y(S), and of b_i b_j y(S), which cost one pass over the table: no loop over pairs.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.coalition import SEMANTICS
from mmxai_core.results import Attribution

Table = NDArray[np.float64]


def shapley_values(table: Table) -> Table:
    """(2^P,) outputs, bit i of the index = player i present -> (P,) Shapley values, float64."""
    p = _players(table)
    if p == 0:
        return np.zeros(0)
    weight = np.array([1 / (p * comb(p - 1, s)) for s in range(p)])
    inside, outside = np.append(0.0, weight), np.append(weight, 0.0)  # by size of a coalition with, without the player
    size = _sizes(p)
    lost = table * outside[size]
    _, with_player, _ = _marginals(table * inside[size] + lost)
    values: Table = with_player - lost.sum()
    return values


def shapley_interactions(table: Table) -> Table:
    """(2^P,) outputs -> (P, P) pairwise Shapley interaction index, symmetric, zero diagonal, float64."""
    p = _players(table)
    if p < 2:
        return np.zeros((p, p))
    weight = np.array([1 / ((p - 1) * comb(p - 2, s)) for s in range(p - 1)])
    size = _sizes(p)
    both = table * np.concatenate([[0.0, 0.0], weight])[size]
    one = table * np.concatenate([[0.0], weight, [0.0]])[size]
    none = table * np.concatenate([weight, [0.0, 0.0]])[size]
    # b_i b_j both - (b_i + b_j - 2 b_i b_j) one + (1 - b_i)(1 - b_j) none, gathered by its products of b
    _, _, pairs = _marginals(both + 2 * one + none)
    _, singles, _ = _marginals(one + none)
    index: Table = pairs - singles[:, None] - singles[None] + none.sum()
    np.fill_diagonal(index, 0)
    return (index + index.T) / 2


def attribute(
    table: Table, *, players: tuple[str, ...], space: str, base_value: float, output: float, interactions: bool = True,
    semantics: str = SEMANTICS,
) -> Attribution:  # fmt: skip
    """The Shapley account of a table.

    `base_value` and `output` come from the network's own forward pass, not from the table, so that the residual checks
    the table against the network as well as the sum.

    Args:
        table: (2^P,) outputs in `space`.
        players: Names, P of them.
        space: "log_odds" or "probability".
        base_value: Output with every player removed.
        output: Output with every player present.
        interactions: False leaves them out (zeros).
        semantics: What removing a player means.

    Raises:
        ExplanationError: The table does not have 2^P entries.
    """
    if len(table) != 2 ** len(players):
        raise ExplanationError(f"{len(players)} players need {2 ** len(players)} coalitions; got {len(table)}.")
    values = shapley_values(table)
    pairs = shapley_interactions(table) if interactions else np.zeros((len(players),) * 2)
    return Attribution(
        players=players, space=space, values=values, base_value=base_value, output=output, interactions=pairs,
        residual=float(output - base_value - values.sum()), estimator="exact", coalitions=len(table),
        semantics=semantics,
    )  # fmt: skip


def _players(table: Table) -> int:
    p = len(table).bit_length() - 1
    if len(table) != 2**p:
        raise ExplanationError(f"A coalition table has 2^P entries; got {len(table)}.")
    return p


def _sizes(p: int) -> NDArray[np.intp]:
    """(2^P,) how many players each coalition has."""
    return np.bitwise_count(np.arange(2**p)).astype(np.intp)


def _bits(p: int) -> Table:
    """(2^p, p) binary rows."""
    return ((np.arange(2**p)[:, None] >> np.arange(p)) & 1).astype(np.float64)


def _marginals(y: Table) -> tuple[float, Table, Table]:
    """Sums of y over coalitions: all, with player i (P,), with players i and j (P, P).

    The index splits into low and high bits, so that B^T diag(y) B becomes products of matrices of 2^(P/2) rows.
    """
    p = _players(y)
    low = p // 2
    square = y.reshape(2 ** (p - low), 2**low)
    b_low, b_high = _bits(low), _bits(p - low)
    by_low, by_high = square.sum(0), square.sum(1)
    cross = b_high.T @ square @ b_low
    pairs = np.block([
        [b_low.T @ (by_low[:, None] * b_low), cross.T],
        [cross, b_high.T @ (by_high[:, None] * b_high)],
    ])  # fmt: skip
    return float(by_low.sum()), np.concatenate([b_low.T @ by_low, b_high.T @ by_high]), pairs
