"""How likely field values are: alone, given what is known, and together.

Within a class the fields are taken as independent (naive Bayes); the classes are mixed by their share, or by the
model's own probabilities where something is known of the case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.explain.options import UNKNOWN, FieldOptions
from mmxai_core.model.field_statistics import FieldStatistics

#: Records drawn to learn how likely a usual record is.
DRAWS = 1000
#: A combination less likely than this share of drawn records is implausible.
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class OptionChances:
    """Chances of every option of one case's fields.

    Attributes:
        options: The options.
        statistics: Where the chances come from.
        given_class: (C, F, O) probability of each option within each class; 0 for "unknown"; sums to 1 over O.
        in_range: (F, O) bool: values that the cohort has seen; unknown is not among them.
    """

    options: FieldOptions
    statistics: FieldStatistics
    given_class: NDArray[np.float64]
    in_range: NDArray[np.bool_]

    @classmethod
    def make(cls, statistics: FieldStatistics, options: FieldOptions) -> OptionChances:
        """Tabulates them. No forward pass."""
        most, fields = options.encoded.shape
        given = np.zeros((len(statistics.prior), fields, most))
        seen = np.zeros((fields, most), bool)
        for i in range(fields):
            answers = options.answers(i)
            given[:, i, 1 : 1 + len(answers)] = statistics.weights(i, answers)
            seen[i, 1 : 1 + len(answers)] = [statistics.in_range(i, v) for v in answers]
        return cls(options, statistics, given, seen)

    def mixture(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C,) shares of the classes given (K,) class probabilities of the model; 1 where the rows have no class."""
        return probabilities if len(self.statistics.prior) == len(probabilities) else self.statistics.prior

    def answer_chances(self, index: int, mixture: NDArray[np.float64]) -> NDArray[np.float64]:
        """(answers,) chance of each answer of a field: sum over classes of P(class | case) P(answer | class)."""
        n = len(self.options.values[index])
        chances: NDArray[np.float64] = mixture @ self.given_class[:, index, 1:n]
        return chances

    def complete(
        self, choice: NDArray[np.int64], mixture: NDArray[np.float64], *, draws: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """(F,) options -> (draws, F): every unknown field drawn; the class is drawn first, then the fields in it."""
        rows = np.tile(choice, (draws, 1))
        which = rng.choice(len(mixture), draws, p=mixture / mixture.sum())
        for i in np.flatnonzero(choice == UNKNOWN):
            rows[:, i] = self._draw(which, int(i), rng)
        return rows

    def _draw(self, which: NDArray[np.int64], index: int, rng: np.random.Generator) -> NDArray[np.int64]:
        upto = np.cumsum(self.given_class[which, index], axis=1)
        drawn: NDArray[np.int64] = (rng.random(len(which))[:, None] * upto[:, -1:] >= upto).sum(1)
        return np.minimum(drawn, len(self.options.values[index]) - 1)

    def log_likelihood(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R, F) options -> (R,) log sum over classes of share times product over known fields of P(value | class)."""
        chosen = self.given_class[:, np.arange(rows.shape[1]), rows]
        log = np.where(rows == UNKNOWN, 0.0, np.log(np.maximum(chosen, 1e-12))).sum(2)
        log = log + np.log(np.maximum(self.statistics.prior, 1e-12))[:, None]
        top = log.max(0)
        total: NDArray[np.float64] = top + np.log(np.exp(log - top).sum(0))
        return total

    def usual(self, known: NDArray[np.bool_], *, rng: np.random.Generator) -> NDArray[np.float64]:
        """(DRAWS,) log likelihoods, ascending, of records drawn from the same chances with the same fields known."""
        blank = np.zeros(len(known), np.int64)
        rows = self.complete(blank, self.statistics.prior, draws=DRAWS, rng=rng)
        return np.sort(self.log_likelihood(np.where(known, rows, UNKNOWN)))
