"""A Shapley account."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.types import FloatArray

#: Above this absolute residual an attribution plot is withheld (DESIGN §4).
MAX_RESIDUAL = 1e-4


@dataclass(frozen=True, eq=False)
class Attribution:
    """A Shapley account over players: the known fields and "image".

    Attributes:
        players: Field ids, then "image" where there is one. P of them.
        space: "log_odds" or "probability" of the target class.
        values: (P,) float64 Shapley values.
        base_value: Output with every player removed.
        output: Output with every player present.
        interactions: (P, P) float64 pairwise Shapley interaction index, symmetric, zero diagonal.
        residual: output - base_value - sum(values).
        estimator: "exact" with the number of coalitions in `coalitions`.
        coalitions: How many coalitions were evaluated.
        semantics: What removing a player means.
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

    @property
    def withheld(self) -> bool:
        """True where the additivity residual is too large for the plot to be shown."""
        return not abs(self.residual) <= MAX_RESIDUAL

    def value_of(self, player: str) -> float:
        """Shapley value of one player."""
        return float(self.values[self.players.index(player)])
