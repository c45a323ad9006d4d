"""Power and sample size of a reader study by Obuchowski and Rockette (Hillis, Obuchowski and Berbaum 2011).

A pilot gives the variances; error covariances shrink as 1/cases, at the pilot's share of positive cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.mrmc import Generalise
from mmxai_core.reader_study.or_model import Components

#: More cases than this no reader study has.
MAX_CASES = 100_000


@dataclass(frozen=True)
class Plan:
    """A study size with its power.

    Attributes:
        readers: Number of readers.
        cases: Number of cases, positive and negative together.
        positives: Of them positive, at the pilot's share, rounded.
        effect: True difference of AUC to find.
        power: Probability of a significant result where the effect is true, in [0, 1].
        alpha: Level of significance.
        generalise: Which factors are random.
    """

    readers: int
    cases: int
    positives: int
    effect: float
    power: float
    alpha: float
    generalise: Generalise

    @property
    def sentence(self) -> str:
        """The plan in one plain line."""
        return (
            f"{self.readers} readers and {self.cases} cases ({self.positives} positive) find an AUC difference of "
            f"{abs(self.effect):.3f} with a power of {100 * self.power:.0f} % at p < {self.alpha:g}."
        )


def plan(
    pilot: Components,
    *,
    effect: float,
    readers: int,
    cases: int,
    alpha: float = 0.05,
    generalise: Generalise = "readers_and_cases",
) -> Plan:
    """Power of a study of that size.

    With more than two treatments the effect is the difference of two of them, the others half-way between.

    Args:
        pilot: Components of a pilot study, from `mrmc(...).components`.
        effect: Difference of AUC to find, not 0.
        readers: Number of readers, at least 2 unless readers are fixed.
        cases: Number of cases.
        alpha: Level of significance, in (0, 1).
        generalise: Which factors are random.

    Raises:
        StudyStoreError: A size or level makes no sense.
    """
    least = 1 if generalise == "cases" else 2
    if readers < least or not 4 <= cases <= MAX_CASES:
        raise StudyStoreError(f"A plan needs at least {least} readers and 4 cases; got {readers} and {cases}.")
    if not 0 < alpha < 1 or not 0 < abs(effect) < 1:
        raise StudyStoreError(f"Alpha lies in (0, 1) and the effect in (-1, 1), not 0; got {alpha} and {effect}.")
    pilot_cases = pilot.positives + pilot.negatives
    shrink = pilot_cases / cases
    gap = shrink * float(pilot.cov_gap)
    unique = shrink * float(pilot.var - pilot.cov1)
    var_tr = max(float(pilot.var_tr), 0.0)
    df1 = pilot.treatments - 1
    # Expected MS(TR), and the error term, at the new size.
    ms_tr = var_tr + unique - gap
    if generalise == "cases":
        error, df2 = unique + (readers - 1) * gap, np.inf
    elif generalise == "readers":
        error, df2 = ms_tr, float(df1 * (readers - 1))
    else:
        error = ms_tr + readers * gap
        df2 = df1 * (readers - 1) * (error / ms_tr) ** 2 if ms_tr > 0 else np.inf
    if error <= 0:
        raise StudyStoreError("The pilot shows no variation, so the power cannot be computed.")
    noncentrality = readers * effect**2 / 2 / error
    if np.isfinite(df2):
        power = float(stats.ncf.sf(stats.f.ppf(1 - alpha, df1, df2), df1, df2, noncentrality))
    else:
        power = float(stats.ncx2.sf(stats.chi2.ppf(1 - alpha, df1), df1, noncentrality))
    positives = round(cases * pilot.positives / pilot_cases)
    return Plan(readers, cases, positives, effect, power, alpha, generalise)


def cases_needed(
    pilot: Components,
    *,
    effect: float,
    readers: int,
    power: float = 0.8,
    alpha: float = 0.05,
    generalise: Generalise = "readers_and_cases",
) -> Plan | None:
    """The smallest number of cases with that power; None where even `MAX_CASES` are too few, so readers are needed.

    Args:
        pilot: As `plan`.
        effect: As `plan`.
        readers: As `plan`.
        power: To reach, in (0, 1).
        alpha: As `plan`.
        generalise: As `plan`.

    Raises:
        StudyStoreError: As `plan`, or the power is not in (0, 1).
    """
    if not 0 < power < 1:
        raise StudyStoreError(f"A power lies between 0 and 1; got {power}.")

    def at(cases: int) -> Plan:
        return plan(pilot, effect=effect, readers=readers, cases=cases, alpha=alpha, generalise=generalise)

    low, high = 4, MAX_CASES
    if at(high).power < power:
        return None
    while low < high:  # power grows with cases
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle).power >= power else (middle + 1, high)
    return at(low)


def plan_table(
    pilot: Components,
    *,
    effect: float,
    readers: Iterable[int] = range(3, 13),
    power: float = 0.8,
    alpha: float = 0.05,
    generalise: Generalise = "readers_and_cases",
) -> tuple[Plan, ...]:
    """Cases needed for each number of readers; numbers of readers that cannot reach the power are left out.

    Args:
        pilot: As `plan`.
        effect: As `plan`.
        readers: Numbers of readers to try.
        power: As `cases_needed`.
        alpha: As `plan`.
        generalise: As `plan`.
    """
    found = (
        cases_needed(pilot, effect=effect, readers=r, power=power, alpha=alpha, generalise=generalise) for r in readers
    )
    return tuple(p for p in found if p is not None)
