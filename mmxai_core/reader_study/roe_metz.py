"""Simulated readers (Roe and Metz 1997, Academic Radiology 4:298): rehearse a study before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.ratings import RatingTable


@dataclass(frozen=True)
class RoeMetz:
    """Parameters of the decision variable; all variances are of independent normal effects.

    A reading is mu_i (positive cases only) + reader + case + treatment x reader + treatment x case + reader x case +
    error; reader effects are drawn anew for each true state.

    Attributes:
        separation: (I,) distance between positive and negative cases in each treatment.
        reader: Variance of readers, and of treatment x reader: they are equal in Roe and Metz.
        case: Variance of cases.
        treatment_case: Variance of treatment x case.
        reader_case: Variance of reader x case.
        error: Variance of treatment x reader x case and error together.
    """

    separation: tuple[float, ...]
    reader: float
    case: float
    treatment_case: float
    reader_case: float
    error: float

    def __post_init__(self) -> None:
        """Checks signs.

        Raises:
            StudyStoreError: A variance is negative, or no treatment is given.
        """
        variances = (self.reader, self.case, self.treatment_case, self.reader_case, self.error)
        if min(variances) < 0 or not self.separation:
            raise StudyStoreError(f"Variances must be 0 or more and at least 1 treatment given; got {self}.")

    @property
    def auc(self) -> tuple[float, ...]:
        """(I,) expected AUC over readers and cases, Phi(mu / sqrt(2 (sum of all variances)))."""
        spread = 2 * (2 * self.reader + self.case + self.treatment_case + self.reader_case + self.error)
        return tuple(float(norm.cdf(mu / sqrt(spread))) for mu in self.separation)

    def simulate(
        self, *, studies: int, readers: int, positives: int, negatives: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Ratings of many studies.

        Args:
            studies: S.
            readers: J.
            positives: Positive cases.
            negatives: Negative cases.
            rng: Generator.

        Returns:
            (S, I, J, K) ratings and (K,) truth, positives first.
        """
        treatments = len(self.separation)
        truth = np.repeat([True, False], [positives, negatives])
        halves = []
        for count, shift in ((positives, np.asarray(self.separation)), (negatives, np.zeros(treatments))):

            def effect(variance: float, *shape: int) -> NDArray[np.float64]:
                return sqrt(variance) * rng.standard_normal((studies, *shape))

            halves.append(
                shift[:, None, None]
                + effect(self.reader, 1, readers, 1)
                + effect(self.reader, treatments, readers, 1)
                + effect(self.case, 1, 1, count)
                + effect(self.treatment_case, treatments, 1, count)
                + effect(self.reader_case, 1, readers, count)
                + effect(self.error, treatments, readers, count)
            )
        return np.concatenate(halves, axis=-1), truth


#: Separations of Roe and Metz, AUC about 0.70, 0.86 and 0.96, with the reader variance of their "high" structures.
_HIGH_READER = {0.75: 0.011, 1.5: 0.030, 2.5: 0.056}
_LOW_READER = 0.0055
#: (case, treatment x case, reader x case, error) of high and low correlation between readings of one case.
_CASES = {"H": (0.3, 0.3, 0.2, 0.2), "L": (0.1, 0.1, 0.2, 0.6)}


def structures() -> Mapping[str, RoeMetz]:
    """The 12 null models by name, e.g. "HL 1.50": correlation high, reader variance low, separation 1.5.

    Values as in table 1 of Roe and Metz, and in the configuration files of iRoeMetz.
    """
    found = {}
    for separation, high in _HIGH_READER.items():
        for correlation, cases in _CASES.items():
            for spread, reader in (("L", _LOW_READER), ("H", high)):
                found[f"{correlation}{spread} {separation:.2f}"] = RoeMetz((separation,) * 2, reader, *cases)
    return found


def separation_for(auc: float, model: RoeMetz) -> float:
    """The separation at which a model's expected AUC is the one asked for.

    Args:
        auc: In (0, 1).
        model: Its variances count.

    Raises:
        StudyStoreError: Not in (0, 1).
    """
    if not 0 < auc < 1:
        raise StudyStoreError(f"An AUC to simulate lies between 0 and 1; got {auc}.")
    unit = norm.ppf(RoeMetz((1.0,), model.reader, *_of(model)).auc[0])
    return float(norm.ppf(auc) / unit)


def rehearse(
    aucs: Mapping[str, float],
    *,
    readers: int,
    positives: int,
    negatives: int,
    structure: str = "HL 1.50",
    steps: Sequence[float] | None = None,
    seed: int = 0,
) -> RatingTable:
    """Ratings of one study that has not been run yet.

    Args:
        aucs: Expected AUC by treatment.
        readers: Number of readers.
        positives: Positive cases.
        negatives: Negative cases.
        structure: Variances, one of `structures`.
        steps: Rating scale, e.g. 1 to 5: ratings are cut into as many equally filled steps; continuous where None.
        seed: Of the generator.

    Raises:
        StudyStoreError: No such structure, or an AUC out of range.
    """
    models = structures()
    if structure not in models:
        raise StudyStoreError(f"Structures are {', '.join(models)}; got {structure!r}.")
    base = models[structure]
    names = tuple(sorted(aucs))
    model = RoeMetz(tuple(separation_for(aucs[n], base) for n in names), base.reader, *_of(base))
    drawn, truth = model.simulate(
        studies=1, readers=readers, positives=positives, negatives=negatives, rng=np.random.default_rng(seed)
    )
    ratings = drawn[0]
    if steps is not None:
        cuts = np.quantile(ratings, np.linspace(0, 1, len(steps) + 1)[1:-1])
        ratings = np.asarray(sorted(steps), np.float64)[np.searchsorted(cuts, ratings)]
    width = len(str(len(truth)))
    return RatingTable(
        names,
        tuple(f"reader-{j + 1}" for j in range(readers)),
        tuple(f"case-{k + 1:0{width}d}" for k in range(len(truth))),
        truth,
        ratings,
    )


def _of(model: RoeMetz) -> tuple[float, float, float, float]:
    return model.case, model.treatment_case, model.reader_case, model.error
