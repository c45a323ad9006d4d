"""Held-out scores of one model at one level, over all seeds, and every figure that is read from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.curves import CalibrationCurve, Confusion, DecisionCurve, Roc
from mmxai_core.evaluation.metrics import mass_bins, weighted_auc, weighted_calibration_errors, weighted_sensitivity_at

#: Thresholds of the confusion counts.
THRESHOLDS = np.round(np.arange(0, 1.005, 0.01), 2)
_ROC_POINTS = 200
#: The debiased and the plug-in mean squared calibration gap.
SQUARED, PLUG_IN = "ece_debiased_squared", "ece_plug_in_squared"


@dataclass(frozen=True, eq=False)
class Pool:
    """S seeds' held-out scores of the same n counted units (patients or images).

    Attributes:
        ids: n ids.
        groups: n patients.
        labels: (n,) bool.
        p: (S, n) calibrated probabilities.
        called: (S, n) bool: called positive at the threshold of the fold's own model.
        fold: (S, n) fold in which the unit was held out.
        seeds: S seeds; () where scores of several models are put side by side.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    labels: NDArray[np.bool_]
    p: NDArray[np.float64]
    called: NDArray[np.bool_]
    fold: NDArray[np.int64]
    seeds: tuple[int, ...] = ()

    def of(self, seeds: Sequence[int]) -> Pool:
        """The scores of some of the seeds, in that order."""
        at = [self.seeds.index(s) for s in seeds]
        return replace(self, p=self.p[at], called=self.called[at], fold=self.fold[at], seeds=tuple(seeds))

    @property
    def bins(self) -> int:
        """Calibration bins: 10, fewer where a bin would hold under 15."""
        return int(np.clip(len(self.labels) // 15, 3, 10))

    def auc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B,) mean AUC over the seeds."""
        mean: NDArray[np.float64] = np.mean([weighted_auc(self.labels, p, weights) for p in self.p], axis=0)
        return mean

    def statistics(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The mean over the seeds for each row of (B, n) weights; NaN where undefined.

        All of `results.METRICS` but "ece_debiased", and the squares that it is the root of.
        """
        rows = [self._one(p, c, weights) for p, c in zip(self.p, self.called, strict=True)]
        return {name: np.mean([r[name] for r in rows], axis=0) for name in rows[0]}

    def _one(
        self, p: NDArray[np.float64], called: NDArray[np.bool_], weights: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        truth = self.labels
        cells = np.stack([truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=1)
        tp, fp, fn, tn = (weights @ cells).T
        ece, debiased, plug_in = weighted_calibration_errors(truth, p, weights, bins=self.bins)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "auc": weighted_auc(truth, p, weights),
                "accuracy": (tp + tn) / (tp + fp + fn + tn),
                "sensitivity": tp / (tp + fn),
                "specificity": tn / (tn + fp),
                "ppv": tp / (tp + fp),
                "npv": tn / (tn + fn),
                "f1": 2 * tp / (2 * tp + fp + fn),
                "brier": weights @ (p - truth) ** 2 / weights.sum(1),
                "ece": ece,
                SQUARED: debiased,
                PLUG_IN: plug_in,
                "sensitivity_at_90_specificity": weighted_sensitivity_at(truth, p, weights),
            }

    def auc_by_fold(self) -> tuple[float | None, ...]:
        """AUC of each fold of each seed; None where a class is missing."""
        out: list[float | None] = []
        for p, fold in zip(self.p, self.fold, strict=True):
            for k in np.unique(fold):
                here = fold == k
                value = float(weighted_auc(self.labels[here], p[here], np.ones((1, int(here.sum()))))[0])
                out.append(None if np.isnan(value) else round(value, 6))
        return tuple(out)

    def roc(self) -> Roc:
        """Vertical average of the seeds' curves, which is the curve whose area is the mean AUC."""
        at = np.linspace(0, 1, _ROC_POINTS + 1)
        curves = [np.interp(at, *_roc(self.labels, p)) for p in self.p]
        mean = np.mean(curves, axis=0)
        return Roc((0.0, *_round(at)), (0.0, *_round(mean)))

    def confusion(self) -> Confusion:
        """Mean counts over the seeds at each of `THRESHOLDS`."""
        called = self.p[:, None, :] >= THRESHOLDS[None, :, None]
        tp, fp = (called & self.labels).sum(2).mean(0), (called & ~self.labels).sum(2).mean(0)
        positives, negatives = int(self.labels.sum()), int((~self.labels).sum())
        return Confusion(_round(THRESHOLDS), _round(tp), _round(fp), _round(positives - tp), _round(negatives - fp))

    def decision(self) -> DecisionCurve:
        """Net benefit at thresholds 0.01 to 0.99: tp / n - fp / n x t / (1 - t)."""
        counts, n = self.confusion(), len(self.labels)
        t = THRESHOLDS[1:-1]
        odds, share = t / (1 - t), self.labels.mean()
        tp, fp = np.array(counts.tp)[1:-1], np.array(counts.fp)[1:-1]
        return DecisionCurve(_round(t), _round(tp / n - fp / n * odds), _round(share - (1 - share) * odds))

    def calibration(self, *, draws: int, seed: int) -> CalibrationCurve:
        """Bins of equal mass of all seeds together, with what noise alone would show."""
        p, truth = self.p.ravel(), np.tile(self.labels, len(self.p))
        index = mass_bins(p, self.bins)
        kept = [b for b in range(self.bins) if (index == b).any()]
        count = np.array([(index == b).sum() for b in kept]) / len(self.p)
        predicted = np.array([p[index == b].mean() for b in kept])
        observed = np.array([truth[index == b].mean() for b in kept])
        low, high = wilson(observed, count)
        rng = np.random.default_rng(seed)
        u = rng.random((draws, len(self.labels)))  # one draw a case, shared by the seeds, as its label is
        noise = np.mean([_ece_of(q, u < q, self.bins) for q in self.p], axis=0)
        return CalibrationCurve(
            _round(count), _round(predicted), _round(observed), _round(low), _round(high),
            round(float(np.mean(noise)), 6), round(float(np.percentile(noise, 95)), 6),
        )  # fmt: skip


def _ece_of(p: NDArray[np.float64], labels: NDArray[np.bool_], bins: int) -> NDArray[np.float64]:
    """(D,) calibration error of (n,) probabilities under each row of (D, n) labels."""
    member = (mass_bins(p, bins)[:, None] == np.arange(bins)).astype(np.float64)
    gaps: NDArray[np.float64] = np.abs(p @ member - labels @ member).sum(1) / len(p)
    return gaps


def _roc(labels: NDArray[np.bool_], p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(false positive rate, true positive rate), rising from (0, 0)."""
    values = np.unique(p)[::-1]
    tpr = np.array([0.0, *((p[labels] >= v).mean() for v in values)])
    fpr = np.array([0.0, *((p[~labels] >= v).mean() for v in values)])
    return fpr, tpr


def wilson(share: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's 95 % interval of a proportion (1927).

    Args:
        share: Proportions, 0 to 1, of any shape.
        n: Cases behind each, above 0; need not be whole, as a mean over seeds is not.

    Returns:
        (lower ends, upper ends), of the same shape, 0 to 1.
    """
    z = 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _round(values: object) -> tuple[float, ...]:
    return tuple(round(float(v), 6) for v in np.asarray(values, np.float64).ravel())
