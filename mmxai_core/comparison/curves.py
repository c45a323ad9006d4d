"""An estimate with its interval, and the curves of a model's held-out cases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; all None where it is undefined.

    Attributes:
        value: Point estimate: the mean over seeds of the pooled held-out cases' figure.
        low: 2.5th percentile of the patient bootstrap.
        high: 97.5th percentile.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Roc:
    """ROC curve of the cases of all seeds together.

    Attributes:
        false_positive_rate: Rising, from 0 to 1.
        true_positive_rate: At the same thresholds.
    """

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class CalibrationCurve:
    """Bins of equal numbers of cases, seeds together.

    Attributes:
        count: Cases a bin, divided by the number of seeds.
        predicted: Mean probability.
        observed: Share of positives.
        low: Wilson interval of `observed`, for the count of one seed.
        high: The same.
        ece_if_calibrated: Mean of `ece` that a perfectly calibrated model of this size would show (Bröcker and Smith
            2007): what of it is noise.
        ece_if_calibrated_high: Its 95th percentile: an `ece` below it is no evidence of miscalibration.
    """

    count: tuple[float, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    ece_if_calibrated: float
    ece_if_calibrated_high: float


@dataclass(frozen=True)
class Confusion:
    """Counts at every threshold, mean over seeds: a page need not compute them.

    Attributes:
        threshold: 0 to 1 by 0.01; a probability at or above it is called positive.
        tp: True positives.
        fp: False positives.
        fn: False negatives.
        tn: True negatives.
    """

    threshold: tuple[float, ...]
    tp: tuple[float, ...]
    fp: tuple[float, ...]
    fn: tuple[float, ...]
    tn: tuple[float, ...]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit (Vickers and Elkin 2006), mean over seeds.

    Attributes:
        threshold: Probability at which one would act.
        net_benefit: Of acting by the model.
        treat_all: Of acting on everybody; on nobody it is 0.
    """

    threshold: tuple[float, ...]
    net_benefit: tuple[float, ...]
    treat_all: tuple[float, ...]
