"""The additive account of image regions and fields, by token removal: exact, or from sampled orders with error bars.

Cost: no pass of the image branch. 2^R image states are pooled again after the Transformer, and every coalition is one
row of a matrix product; exact up to `MAX_PLAYERS` players, beyond that `ORDERS` orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.explain.coalition import MAX_PLAYERS, Coalitions, log_odds
from mmxai_core.explain.sampled import ORDERS, Z95, draw_orders, estimate
from mmxai_core.explain.shapley import attribute, shapley_values
from mmxai_core.results import Attribution

SEMANTICS = (
    "Removing a field makes it unknown; removing a region takes it from the model as if no image were there, though "
    "what its neighbours had already read of it stays. Fields that were left unknown have no part in it."
)


#: Orders a field where a field's absence is sampled.
FEWER_ORDERS = 256


@dataclass(frozen=True, eq=False)
class Accounts:
    """The accounts of one game.

    Attributes:
        log_odds: In log-odds.
        probability: In probability.
        logits: (2^P, K) of all coalitions, after temperature; None where orders were sampled.
    """

    log_odds: Attribution
    probability: Attribution
    logits: NDArray[np.float64] | None

    def table(self, target: int) -> NDArray[np.float64] | None:
        """(2^P,) log-odds of a class in all coalitions; None where orders were sampled."""
        return None if self.logits is None else log_odds(self.logits, target)


def joint_accounts(
    game: Coalitions, *, temperature: float, target: int, base: NDArray[np.float64], full: NDArray[np.float64],
    seed: int, check: Callable[[], None] = lambda: None, max_players: int = MAX_PLAYERS, semantics: str = SEMANTICS,
) -> Accounts:  # fmt: skip
    """Accounts in log-odds and in probability.

    Args:
        game: The coalitions of the case.
        temperature: Logits are divided by it.
        target: Index of the class.
        base: (K,) logits of the network's own pass with every player removed, after temperature: with `full`, what
            the residual checks the account against.
        full: (K,) of the network's own pass with every player present, after temperature.
        seed: Of sampled orders.
        check: Called between chunks; may raise.
        max_players: Above it, orders are sampled.
        semantics: What removing a player means.
    """
    ends = [float(log_odds(end, target)) for end in (base, full)]
    spaces = {"log_odds": ends, "probability": [float(_logistic(np.array(e))) for e in ends]}
    exact = len(game.players) <= max_players
    orders = None if exact else draw_orders(len(game.players), seed=seed)
    if orders is None:
        logits = game.table(temperature=temperature, check=check).logits
    else:
        raw = game.evaluate(torch.from_numpy(orders.rows).to(game.device), check=check)
        logits = raw.double().cpu().numpy() / temperature
    odds = log_odds(logits, target)
    found = []
    for space, (start, end) in spaces.items():
        outputs = odds if space == "log_odds" else _logistic(odds)
        if orders is None:
            found.append(
                attribute(outputs, players=game.players, space=space, base_value=start, output=end, semantics=semantics)
            )
            continue
        guess = estimate(orders, outputs)
        spread = Z95 * guess.standard_error
        found.append(
            Attribution(
                players=game.players, space=space, values=guess.values, base_value=start, output=end,
                interactions=guess.interactions, residual=float(end - start - guess.values.sum()),
                estimator=f"sampled: {ORDERS} orders, seed {seed}", coalitions=len(outputs), semantics=semantics,
                interval=np.stack([guess.values - spread, guess.values + spread], 1),
                interval_from=f"95 % interval of the sampling: {ORDERS // 2} pairs of an order and its reverse",
            )
        )  # fmt: skip
    return Accounts(found[0], found[1], logits if orders is None else None)


def contributions_without(
    game: Coalitions, table: NDArray[np.float64] | None, *, fields: int, temperature: float, target: int, seed: int,
    check: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:  # fmt: skip
    """What each field contributes (log-odds) once another one is unknown. Costs no pass of the image branch.

    Args:
        game: The coalitions of the case.
        table: (2^P,) log-odds of all coalitions, or None: `FEWER_ORDERS` orders are sampled for each field.
        fields: How many of the players, the first ones, are fields.
        temperature: Logits are divided by it.
        target: Index of the class.
        seed: Of sampled orders.
        check: Called between fields; may raise.

    Returns:
        (F, F): row i holds the contributions without field i; 0 on the diagonal.
    """
    found = np.zeros((fields, fields))
    players = len(game.players)
    for i in range(fields):
        check()
        if table is not None:
            values = shapley_values(without_player(table, i))
        else:
            orders = draw_orders(players - 1, count=FEWER_ORDERS, seed=seed)
            rows = torch.from_numpy(np.insert(orders.rows, i, False, axis=1)).to(game.device)
            raw = game.evaluate(rows, check=check).double().cpu().numpy()
            values = estimate(orders, log_odds(raw / temperature, target)).values
        found[i, [k for k in range(fields) if k != i]] = values[: fields - 1]
    return found


def without_player(table: NDArray[np.float64], player: int) -> NDArray[np.float64]:
    """(2^P,) outputs -> (2^(P-1),) outputs of the game in which one player is always removed. Costs no pass."""
    rest: NDArray[np.float64] = table.reshape(-1, 2, 2**player)[:, 0].reshape(-1)
    return rest


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    value: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return value
