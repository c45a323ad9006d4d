"""Multi-reader multi-case analysis: Obuchowski and Rockette (1995) with the degrees of freedom of Hillis (2007).

Checked against MRMCaov and RJafroc on the VanDyke data. Formulae: Hillis, Berbaum and Metz 2008; Hillis 2014.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.auc_covariance import Covariance, auc_covariance
from mmxai_core.reader_study.or_model import Components, components, denominator
from mmxai_core.reader_study.ratings import RatingTable
from mmxai_core.types import Json

#: To whom the result speaks: other readers and other cases; these readers, other cases; other readers, these cases.
Generalise = Literal["readers_and_cases", "cases", "readers"]
GENERALISES: tuple[Generalise, ...] = ("readers_and_cases", "cases", "readers")

_SPEAKS_OF = {
    "readers_and_cases": "other readers and other cases of the same kind",
    "cases": "other cases of the same kind, read by these readers only",
    "readers": "other readers, reading these cases only",
}
#: Below this, a variance of AUCs is rounding error.
_ZERO = 1e-15


@dataclass(frozen=True)
class TreatmentAuc:
    """Reader-averaged AUC of one treatment, from its own data only.

    Attributes:
        treatment: Name.
        auc: Mean over readers, in [0, 1].
        by_reader: AUC of each reader, in the order of the table's readers.
        low: Lower end of the interval, cut at 0; None where undefined.
        high: Upper end, cut at 1.
    """

    treatment: str
    auc: float
    by_reader: tuple[float, ...]
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Pair:
    """First treatment minus second.

    Attributes:
        first: Treatment.
        second: Treatment.
        difference: Of the reader-averaged AUCs.
        low: Lower end of the interval; None where undefined.
        high: Upper end.
        p: Two-sided, unadjusted; None where undefined.
        p_holm: Adjusted for the number of pairs (Holm 1979); equals p for one pair.
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None

    @property
    def name(self) -> str:
        """Which minus which."""
        return f"{self.first} - {self.second}"


@dataclass(frozen=True)
class MrmcResult:
    """A multi-reader multi-case comparison.

    Attributes:
        treatments: AUC of each treatment.
        pairs: Every pair of treatments.
        se: Standard error of a pair's difference, the same for all pairs.
        f: Test statistic of "all treatments are alike"; None where undefined.
        df1: Numerator degrees of freedom.
        df2: Denominator degrees of freedom; inf where readers are fixed.
        p: Of f.
        components: Mean squares and error covariances.
        generalise: Which factors are random.
        covariance: How the error covariances were estimated.
        level: Coverage of the intervals.
        replicates: Of the bootstrap; None otherwise.
        seed: Of the bootstrap; None otherwise.
        undefined: Why test and intervals are undefined, or "".
    """

    treatments: tuple[TreatmentAuc, ...]
    pairs: tuple[Pair, ...]
    se: float
    f: float | None
    df1: int
    df2: float
    p: float | None
    components: Components
    generalise: Generalise
    covariance: Covariance
    level: float
    replicates: int | None
    seed: int | None
    undefined: str

    @property
    def sentence(self) -> str:
        """The result in one plain line."""
        aucs = ", ".join(f"{t.treatment} {t.auc:.3f}" for t in self.treatments)
        scope = _SPEAKS_OF[self.generalise]
        if self.p is None:
            return f"AUC: {aucs}. The comparison is undefined: {self.undefined}"
        if len(self.pairs) > 1:
            return f"AUC: {aucs}. Test of any difference: {_p(self.p)}. This speaks of {scope}."
        pair = self.pairs[0]
        return (
            f"AUC: {aucs}. Difference ({pair.name}) {pair.difference:.3f} ({100 * self.level:g} % interval "
            f"{pair.low:.3f} to {pair.high:.3f}), {_p(self.p)}. This speaks of {scope}."
        )

    def to_json(self) -> Json:
        """Plain values. For two treatments `difference` and `ci` are numbers; for more, one entry a pair."""
        c, one = self.components, len(self.pairs) == 1
        differences = {p.name: p.difference for p in self.pairs}
        intervals = {p.name: [p.low, p.high] for p in self.pairs}
        return {
            "auc": {t.treatment: t.auc for t in self.treatments},
            "difference": self.pairs[0].difference if one else differences,
            "se": self.se,
            "f": self.f,
            "df1": self.df1,
            "df2": self.df2 if math.isfinite(self.df2) else None,
            "p": self.p,
            "ci": intervals[self.pairs[0].name] if one else intervals,
            "comparison": self.pairs[0].name if one else list(differences),
            "p_holm": {p.name: p.p_holm for p in self.pairs},
            "auc_ci": {t.treatment: [t.low, t.high] for t in self.treatments},
            "auc_by_reader": {t.treatment: list(t.by_reader) for t in self.treatments},
            "components": c.to_json(),
            "generalise": self.generalise,
            "covariance": self.covariance,
            "level": self.level,
            "replicates": self.replicates,
            "seed": self.seed,
            "undefined": self.undefined or None,
            "sentence": self.sentence,
        }


def mrmc(
    table: RatingTable,
    *,
    generalise: Generalise = "readers_and_cases",
    covariance: Covariance = "jackknife",
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> MrmcResult:
    """Compares the reader-averaged AUCs of two or more treatments.

    Args:
        table: Fully crossed ratings.
        generalise: "readers_and_cases" (both random), "cases" (readers fixed) or "readers" (cases fixed).
        covariance: Of the AUCs over cases.
        level: Coverage of the intervals, in (0, 1).
        replicates: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        StudyStoreError: Fewer than 2 treatments, or fewer than 2 readers where readers are random.
    """
    treatments, readers, cases = table.ratings.shape
    if treatments < 2:
        raise StudyStoreError(f"Column treatment: a comparison needs at least 2 treatments; got {treatments}.")
    if readers < 2 and generalise != "cases":
        raise StudyStoreError(
            "Column reader: at least 2 readers are needed to speak of other readers; got 1. Compare with readers fixed."
        )
    if not 0 < level < 1:
        raise StudyStoreError(f"The level of an interval lies between 0 and 1; got {level}.")
    readings = table.ratings.reshape(treatments * readers, cases)
    flat, matrix = auc_covariance(readings, table.truth, method=covariance, replicates=replicates, seed=seed)
    aucs = flat.reshape(treatments, readers)
    error = matrix.reshape(treatments, readers, treatments, readers)
    parts = components(aucs, error, table.positives, table.negatives)
    d, df2 = (float(x) for x in denominator(parts, generalise))
    df1 = treatments - 1
    undefined = "" if d > _ZERO else "readers and cases show no variation to compare a difference with."
    f = None if undefined else float(parts.ms_t) / d
    se = math.sqrt(2 * max(d, 0.0) / readers)
    return MrmcResult(
        tuple(
            _treatment(name, aucs[i], error[i, :, i, :], generalise, level) for i, name in enumerate(table.treatments)
        ),
        _pairs(table.treatments, aucs.mean(axis=1), se if not undefined else None, df2, level),
        se,
        f,
        df1,
        df2,
        None if f is None else float(f_tail(np.asarray(f), df1, np.asarray(df2))),
        parts,
        generalise,
        covariance,
        level,
        replicates if covariance == "bootstrap" else None,
        seed if covariance == "bootstrap" else None,
        undefined,
    )


def f_tail(f: NDArray[np.float64], df1: int, df2: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(F > f); a chi-square over df1 where df2 is infinite."""
    finite = np.isfinite(df2)
    by_f = stats.f.sf(f, df1, np.where(finite, df2, 1.0))
    return np.asarray(np.where(finite, by_f, stats.chi2.sf(df1 * f, df1)))


def t_quantile(level: float, df: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Half-width of an interval in standard errors; normal where df is infinite."""
    finite = np.isfinite(df)
    return np.asarray(
        np.where(finite, stats.t.ppf(0.5 + level / 2, np.where(finite, df, 1.0)), stats.norm.ppf(0.5 + level / 2))
    )


def _treatment(
    name: str, aucs: NDArray[np.float64], error: NDArray[np.float64], generalise: Generalise, level: float
) -> TreatmentAuc:
    """Interval of one treatment's mean AUC from its own readers and covariances (Hillis 2014)."""
    readers = len(aucs)
    mean = float(aucs.mean())
    variance = float(np.trace(error)) / readers
    cov2 = max(float(error.sum() - np.trace(error)) / (readers * (readers - 1)), 0.0) if readers > 1 else 0.0
    ms_r = float(aucs.var(ddof=1)) if readers > 1 else 0.0
    if generalise == "cases":
        square, df = (variance + (readers - 1) * cov2) / readers, math.inf
    else:
        spread = ms_r + (readers * cov2 if generalise == "readers_and_cases" else 0.0)
        square, df = spread / readers, (readers - 1) * (spread / ms_r) ** 2 if ms_r > _ZERO else math.inf
    if square <= _ZERO:
        return TreatmentAuc(name, mean, tuple(aucs.tolist()), None, None)
    half = float(t_quantile(level, df)) * math.sqrt(square)
    return TreatmentAuc(name, mean, tuple(aucs.tolist()), max(mean - half, 0.0), min(mean + half, 1.0))


def _pairs(
    names: tuple[str, ...], means: NDArray[np.float64], se: float | None, df2: float, level: float
) -> tuple[Pair, ...]:
    index = list(combinations(range(len(names)), 2))
    differences = [float(means[i] - means[j]) for i, j in index]
    if se is None:
        return tuple(
            Pair(names[i], names[j], d, None, None, None, None) for (i, j), d in zip(index, differences, strict=True)
        )
    half = float(t_quantile(level, df2)) * se
    p = [float(f_tail(np.asarray((d / se) ** 2), 1, np.asarray(df2))) for d in differences]
    return tuple(
        Pair(names[i], names[j], d, d - half, d + half, p[n], holm)
        for n, ((i, j), d, holm) in enumerate(zip(index, differences, _holm(p), strict=True))
    )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _holm(p: list[float]) -> list[float]:
    adjusted, running = [0.0] * len(p), 0.0
    for rank, n in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        running = max(running, min(1.0, (len(p) - rank) * p[n]))
        adjusted[n] = running
    return adjusted
