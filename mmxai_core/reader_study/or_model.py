"""Obuchowski and Rockette's model of AUCs: mean squares, error covariances, and the error term of the F test.

Everything works on leading axes too, so that many simulated studies are analysed in one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.types import Json

#: A number, or an array of one number a study.
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Mean squares and error covariances of AUCs (Obuchowski and Rockette 1995).

    Attributes:
        ms_t: Mean square of treatments, () or (S,).
        ms_r: Mean square of readers.
        ms_tr: Mean square of treatment x reader.
        var: Error variance of one AUC.
        cov1: Error covariance of one reader's AUCs in two treatments.
        cov2: Of two readers' AUCs in one treatment.
        cov3: Of two readers' AUCs in two treatments.
        treatments: Number.
        readers: Number.
        positives: Number of positive cases.
        negatives: Number of negative cases.
    """

    ms_t: Numbers
    ms_r: Numbers
    ms_tr: Numbers
    var: Numbers
    cov1: Numbers
    cov2: Numbers
    cov3: Numbers
    treatments: int
    readers: int
    positives: int
    negatives: int

    @property
    def cov_gap(self) -> Numbers:
        """max(Cov2 - Cov3, 0), Hillis' constraint."""
        return np.maximum(self.cov2 - self.cov3, 0.0)

    @property
    def var_tr(self) -> Numbers:
        """Variance component of treatment x reader, MS(TR) - Var + Cov1 + max(Cov2 - Cov3, 0); may be negative."""
        return np.asarray(self.ms_tr - self.var + self.cov1 + self.cov_gap)

    def to_json(self) -> Json:
        """Of a single study."""
        numbers = ("ms_t", "ms_r", "ms_tr", "var", "cov1", "cov2", "cov3", "var_tr")
        counts = ("treatments", "readers", "positives", "negatives")
        return {n: float(getattr(self, n)) for n in numbers} | {n: getattr(self, n) for n in counts}


def components(aucs: Numbers, error: NDArray[np.float64], positives: int, negatives: int) -> Components:
    """Mean squares of the AUCs, and the four averages of their error covariance matrix.

    With one reader, Cov2, Cov3 and the reader mean squares are 0.

    Args:
        aucs: (..., I, J).
        error: (..., I, J, I, J) covariance over cases.
        positives: Number of positive cases.
        negatives: Number of negative cases.
    """
    treatments, readers = aucs.shape[-2:]
    by_treatment, by_reader = aucs.mean(axis=-1, keepdims=True), aucs.mean(axis=-2, keepdims=True)
    grand = by_treatment.mean(axis=-2, keepdims=True)
    residual = aucs - by_treatment - by_reader + grand
    df_t, df_r = treatments - 1, max(readers - 1, 1)

    def summed(pattern: str) -> Any:
        return np.einsum(f"...{pattern}->...", error)

    own, same_reader, same_treatment, total = (summed(p) for p in ("ijij", "ijkj", "ijil", "ijkl"))
    pairs_t, pairs_r = treatments * (treatments - 1), readers * (readers - 1)
    several = readers > 1
    zero = np.zeros_like(own)
    return Components(
        ms_t=readers * ((by_treatment - grand) ** 2).sum(axis=(-1, -2)) / df_t,
        ms_r=treatments * ((by_reader - grand) ** 2).sum(axis=(-1, -2)) / df_r,
        ms_tr=(residual**2).sum(axis=(-1, -2)) / (df_t * df_r),
        var=own / (treatments * readers),
        cov1=(same_reader - own) / (pairs_t * readers),
        cov2=(same_treatment - own) / (treatments * pairs_r) if several else zero,
        cov3=(total - same_reader - same_treatment + own) / (pairs_t * pairs_r) if several else zero,
        treatments=treatments,
        readers=readers,
        positives=positives,
        negatives=negatives,
    )


def denominator(c: Components, generalise: str) -> tuple[Numbers, Numbers]:
    """Error term D of F = MS(T)/D, and its degrees of freedom.

    Random readers and cases: D = MS(TR) + J max(Cov2 - Cov3, 0), df2 = D^2 (I-1)(J-1)/MS(TR)^2 (Hillis 2007). Fixed
    readers: D = Var - Cov1 + (J-1) max(Cov2 - Cov3, 0), df2 infinite. Fixed cases: D = MS(TR), df2 = (I-1)(J-1).

    Args:
        c: Components, of one study or of many.
        generalise: "readers_and_cases", "cases" or "readers".
    """
    base = (c.treatments - 1) * (c.readers - 1)
    if generalise == "cases":
        d = c.var - c.cov1 + (c.readers - 1) * c.cov_gap
        return np.asarray(d), np.full_like(d, np.inf)
    if generalise == "readers":
        return np.asarray(c.ms_tr), np.full_like(c.ms_tr, float(base))
    d = c.ms_tr + c.readers * c.cov_gap
    with np.errstate(divide="ignore", invalid="ignore"):
        df2 = np.where(c.ms_tr > 0, base * (d / np.where(c.ms_tr > 0, c.ms_tr, 1.0)) ** 2, np.inf)
    return np.asarray(d), np.asarray(df2)
