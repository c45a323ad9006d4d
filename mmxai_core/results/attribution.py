"""A Shapley account."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.types import FloatArray

#: Above this absolute residual an attribution plot is withheld (DESIGN §4).
MAX_RESIDUAL = 1e-4


@dataclass(frozen=True, eq=False)
class Attribution:
    """A Shapley account over players: the known fields and the image, whole or by region.

    Attributes:
        players: Field ids, then "image" or the regions of the image where there is one. P of them.
        space: "log_odds" or "probability" of the target class.
        values: (P,) float64 Shapley values.
        base_value: Output with every player removed.
        output: Output with every player present.
        interactions: (P, P) float64 pairwise Shapley interaction index, symmetric, zero diagonal.
        residual: output - base_value - sum(values).
        estimator: "exact", or "sampled" with the number of orders in words; the number of outputs read is in
            `coalitions`.
        coalitions: How many coalitions were evaluated.
        semantics: What removing a player means.
        interval: (P, 2) float64, low and high end of each value's 95 % interval; None where nothing was estimated.
        interval_from: What the interval covers, in words.
    """

    players: tuple[str, ...]
    space: str
    values: FloatArray
    base_value: float
    output: float
    interactions: FloatArray
    residual: float
    estimator: str
    coalitions: int
    semantics: str
    interval: FloatArray | None = None
    interval_from: str = ""

    @property
    def withheld(self) -> bool:
        """True where the additivity residual is too large for the plot to be shown."""
        return not abs(self.residual) <= MAX_RESIDUAL

    def value_of(self, player: str) -> float:
        """Shapley value of one player."""
        return float(self.values[self.players.index(player)])
