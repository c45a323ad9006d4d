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

    A value is a mean over all orders of the inputs, so the sums in between are no output of the model: in probability,
    the larger bars together may pass 0 or 1. A bar that would do so waits until a later one has made room for it.

    Args:
        attribution: The account.
        labels: What to show by player; a player without one is shown by its id.
    """
    left = sorted(range(len(attribution.players)), key=lambda i: -abs(float(attribution.values[i])))
    out, at = [], attribution.base_value
    while left:
        inside = (i for i in left if attribution.space != "probability" or _is_share(at + attribution.values[i]))
        i = next(inside, left[0])
        left.remove(i)
        player, value = attribution.players[i], float(attribution.values[i])
        out.append(Step(player, labels.get(player, player), at, value))
        at += value
    return tuple(out)


def _is_share(value: float) -> bool:
    """Whether a sum lies in [0, 1], up to rounding."""
    return -1e-9 <= value <= 1 + 1e-9


def passes(attribution: Attribution) -> bool:
    """True where a sum in between passes 0 or 100 % whatever the order: two bars too long for what lies between."""
    return attribution.space == "probability" and not all(_is_share(s.end) for s in steps(attribution, {}))


def say(value: float, space: str, *, sign: bool = False) -> str:
    """A value in words: log-odds with two decimals, or probability in per cent; a difference with its sign."""
    if space == "probability":
        return _points(value) if sign else _per_cent(value)
    # "+.2f" of -0.001 is "-0.00", which reads as a direction that is not there.
    shown = 0.0 if abs(value) < 0.005 else value
    return f"{shown:+.2f}" if sign else f"{shown:.2f}"


def _points(value: float) -> str:
    """A difference in points; what rounds to none is said to be small, not none."""
    if abs(value) < 0.0005:
        return "under 0.1 points" if value else "0.0 points"
    return f"{100 * value:+.1f} points"


def _per_cent(value: float) -> str:
    """A probability to a tenth of a per cent; never "0.0 %" or "100.0 %" for what is neither."""
    if 0 < value < 0.0005:
        return "below 0.1 %"
    if 0.9995 < value < 1:
        return "above 99.9 %"
    return f"{100 * value:.1f} %"


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
