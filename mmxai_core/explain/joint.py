"""The additive account of image regions and fields, by token removal: exact, or from sampled orders with error bars.

Cost: no pass of the image branch. 2^R image states are pooled again after the Transformer, and every coalition is one
row of a matrix product; exact up to `MAX_PLAYERS` players, beyond that `ORDERS` orders.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.explain.coalition import MAX_PLAYERS, Coalitions, log_odds
from mmxai_core.explain.sampled import ORDERS, Z95, draw_orders, estimate
from mmxai_core.explain.shapley import attribute
from mmxai_core.results import Attribution

SEMANTICS = (
    "Removing a field makes it unknown; removing a region puts the learned absent-image token in place of its tokens "
    "of both glances, after the Transformer, so that what its neighbours had already taken from it stays. "
    "Fields that were left unknown are not players."
)


def joint_accounts(
    game: Coalitions, *, temperature: float, target: int, base: NDArray[np.float64], full: NDArray[np.float64],
    seed: int, check: Callable[[], None] = lambda: None, max_players: int = MAX_PLAYERS, semantics: str = SEMANTICS,
) -> tuple[Attribution, Attribution]:  # fmt: skip
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
    return found[0], found[1]


def without_player(table: NDArray[np.float64], player: int) -> NDArray[np.float64]:
    """(2^P,) outputs -> (2^(P-1),) outputs of the game in which one player is always removed. Costs no pass."""
    rest: NDArray[np.float64] = table.reshape(-1, 2, 2**player)[:, 0].reshape(-1)
    return rest


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    value: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return value
