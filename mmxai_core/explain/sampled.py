"""Shapley values and interactions from sampled orders, with error bars, where coalitions are too many to enumerate.

Sources: Castro et al. 2009 (values: what each player changes on entering, mean over random orders); for pairs, the
Shapley interaction index is the mean second difference over orders in which the two enter one after the other, with
the players before them present (Grabisch & Roubens 1999, a pair taken as one player). Each order is used together with
its reverse (antithetic), which cancels pairwise interactions out of the error of the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Orders, half of them reverses, and normal quantile of the 95 % interval.
ORDERS, Z95 = 2048, 1.959964


@dataclass(frozen=True, eq=False)
class Orders:
    """Coalitions along random orders, ready to be evaluated.

    Attributes:
        players: P.
        order: (R, P) int: order[r, t] enters at step t. Rows r and r + R / 2 are reverses of one another.
        rows: (U, P) bool: the coalitions, each once.
        along: (R, P + 1) int: row of the coalition before step t; the last one is everybody.
        swapped: (R, P - 1) int: row of the coalition before step t with the player of step t + 1 instead of step t's.
    """

    players: int
    order: NDArray[np.intp]
    rows: NDArray[np.bool_]
    along: NDArray[np.intp]
    swapped: NDArray[np.intp]


def draw_orders(players: int, *, count: int = ORDERS, seed: int) -> Orders:
    """Random orders and their reverses.

    Args:
        players: At least 2, at most 62.
        count: Even.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    half = np.argsort(rng.random((count // 2, players)), axis=1)
    order = np.concatenate([half, half[:, ::-1]])
    bit = np.int64(1) << order.astype(np.int64)
    along = np.concatenate([np.zeros((len(order), 1), np.int64), np.cumsum(bit, 1)], 1)
    swapped = along[:, :-2] + bit[:, 1:]
    codes, where = np.unique(np.concatenate([along, swapped], 1), return_inverse=True)
    where = where.reshape(len(order), -1)
    rows = ((codes[:, None] >> np.arange(players)) & 1).astype(bool)
    return Orders(players, order, rows, where[:, : players + 1], where[:, players + 1 :])


@dataclass(frozen=True, eq=False)
class Estimate:
    """What orders came to.

    Attributes:
        values: (P,) Shapley values; they sum to the difference of the two ends.
        standard_error: (P,) of the values, over pairs of an order and its reverse.
        interactions: (P, P) symmetric, zero diagonal; NaN-free: 0 where a pair never met.
    """

    values: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    interactions: NDArray[np.float64]


def estimate(orders: Orders, outputs: NDArray[np.float64]) -> Estimate:
    """Values, errors and pairs from the outputs of the orders' coalitions.

    Args:
        orders: From `draw_orders`.
        outputs: (U,) output of each of `orders.rows`.
    """
    p, order = orders.players, orders.order
    path = outputs[orders.along]
    gain = np.empty(order.shape)
    np.put_along_axis(gain, order, np.diff(path, axis=1), axis=1)
    half = len(order) // 2
    pairs = (gain[:half] + gain[half:]) / 2
    second = path[:, 2:] - path[:, 1:-1] - outputs[orders.swapped] + path[:, :-2]
    total, met = np.zeros((p, p)), np.zeros((p, p))
    np.add.at(total, (order[:, :-1], order[:, 1:]), second)
    np.add.at(met, (order[:, :-1], order[:, 1:]), 1)
    total, met = total + total.T, met + met.T
    error = pairs.std(0, ddof=1) / np.sqrt(half) if half > 1 else np.full(p, np.inf)
    return Estimate(pairs.mean(0), error, np.divide(total, met, out=np.zeros((p, p)), where=met > 0))
