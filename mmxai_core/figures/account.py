"""The steps of a Shapley account, in the order a waterfall draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mmxai_core.results import MAX_RESIDUAL, Attribution


@dataclass(frozen=True)
class Step:
    """One bar.

    Attributes:
        player: Field id or "image".
        label: What the reader sees.
        start: Where the bar begins, in the attribution's space.
        value: Its length, signed.
    """

    player: str
    label: str
    start: float
    value: float

    @property
    def end(self) -> float:
        """Where the bar ends."""
        return self.start + self.value


def probability_of(log_odds: float) -> float:
    """Logistic function, stable at both ends."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def steps(attribution: Attribution, labels: Mapping[str, str]) -> tuple[Step, ...]:
    """The account in order of size, from the base value to the output.

    Args:
        attribution: The account.
        labels: What to show by player; a player without one is shown by its id.
    """
    order = sorted(range(len(attribution.players)), key=lambda i: -abs(float(attribution.values[i])))
    out, at = [], attribution.base_value
    for i in order:
        player, value = attribution.players[i], float(attribution.values[i])
        out.append(Step(player, labels.get(player, player), at, value))
        at += value
    return tuple(out)


def say(value: float, space: str, *, sign: bool = False) -> str:
    """A value in words: log-odds with two decimals, or probability in per cent; a difference with its sign."""
    # "+.2f" of -0.001 is "-0.00", which reads as a direction that is not there.
    shown = 0.0 if abs(value) < 0.005 else value
    if space == "probability":
        return f"{100 * shown:+.1f} points" if sign else f"{100 * shown:.1f} %"
    return f"{shown:+.2f}" if sign else f"{shown:.2f}"


def first_name(attribution: Attribution) -> str:
    """What the account starts from: nothing known, or the background's mean."""
    return "Mean of the background" if "background rows" in attribution.interval_from else "Nothing known"


def require_additive(attribution: Attribution) -> None:
    """Refuse to draw an account that does not add up.

    Raises:
        ValueError: The residual is above `mmxai_core.results.MAX_RESIDUAL`.
    """
    if attribution.withheld:
        raise ValueError(f"The account is off by {attribution.residual:.2g}, above {MAX_RESIDUAL:g}, and is withheld.")
