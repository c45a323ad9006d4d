"""Calibrating prediction sets from the cross-validation's own files, and measuring their coverage on held-out cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.explain.conformal import class_thresholds, in_set
from mmxai_core.model.reference import ConformalReference
from mmxai_core.results.uncertainty import ClassCoverage
from mmxai_core.training.missing import LEVELS
from mmxai_core.types import Json

#: Levels with a calibration of their own, as the fold files name them; "image": no field known.
CALIBRATED = (*LEVELS, "image")
REPEATS = 200


@dataclass(frozen=True, eq=False)
class Scores:
    """Calibrated probabilities of cases that the scoring model was not fitted to.

    Attributes:
        probabilities: (n, K).
        labels: (n,).
        patients: n patient ids.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    patients: tuple[str, ...]


def validation_scores(folds: Sequence[Json], level: str) -> Scores:
    """Every fold's validation cases, calibrated as the fold is. A case may come from several folds."""
    rows, labels = [], []
    for fold in folds:
        logits = np.asarray(fold["validation_logits"][level], np.float64) / float(fold["temperature"]["fused"])
        odds = np.exp(logits - logits.max(1, keepdims=True))
        rows.append(odds / odds.sum(1, keepdims=True))
        labels.append(np.asarray(fold["validation_labels"], np.int64))
    n = sum(len(x) for x in labels)
    return Scores(np.concatenate(rows), np.concatenate(labels), tuple(str(i) for i in range(n)))


def held_out_scores(folds: Sequence[Json], level: str) -> Scores:
    """Every case once, scored by the fold's model that saw neither it nor its patient."""
    positive = np.concatenate([np.asarray(f["probabilities"][f"fused|{level}"], np.float64) for f in folds])
    labels = np.concatenate([np.asarray(f["labels"], np.int64) for f in folds])
    return Scores(np.stack([1 - positive, positive], 1), labels, tuple(str(p) for f in folds for p in f["patients"]))


def split_coverage(scores: Scores, *, coverage: float, repeats: int = REPEATS, seed: int) -> NDArray[np.float64]:
    """Coverage by class when half of the patients calibrate and the other half is tested, over repeated splits.

    Returns:
        (repeats, K); NaN where a half holds no case of a class.
    """
    rng = np.random.default_rng(seed)
    names, own = np.unique(np.asarray(scores.patients), return_inverse=True)
    out = np.full((repeats, scores.probabilities.shape[1]), np.nan)
    for r in range(repeats):
        side = np.zeros(len(names), bool)
        side[rng.permutation(len(names))[: len(names) // 2]] = True
        fit, test = side[own], ~side[own]
        least = class_thresholds(scores.probabilities[fit], scores.labels[fit], coverage=coverage)
        covered = in_set(scores.probabilities[test], least)
        for k in range(out.shape[1]):
            if (true := scores.labels[test] == k).any():
                out[r, k] = covered[true, k].mean()
    return out


def transfer_coverage(calibration: Scores, test: Scores, *, coverage: float) -> NDArray[np.float64]:
    """(K,) coverage on `test` of thresholds from `calibration`."""
    least = class_thresholds(calibration.probabilities, calibration.labels, coverage=coverage)
    covered = in_set(test.probabilities, least)
    return np.array([covered[test.labels == k, k].mean() for k in range(len(least))])


def calibrate_sets(
    folds: Sequence[Json], *, classes: Sequence[str], coverage: float = 0.9, seed: int = 0
) -> tuple[ConformalReference, Json]:
    """Thresholds by level and class, with the coverage measured on held-out cases.

    The thresholds come from the out-of-fold scores. The validation scores chose each fold's stopping epoch, and
    the temperature, so that they run a little too good; what thresholds from them cover is measured and returned
    beside.

    Args:
        folds: The content of fold-<k>.json.
        classes: Class ids in the network's order, two of them.
        coverage: Asked for within each class.
        seed: Of the repeated splits.

    Returns:
        (the reference, an account in plain values: coverage by level and class, set sizes, both calibrations).

    Raises:
        CohortError: No folds, or a fold lacks an entry.
    """
    if not folds:
        raise CohortError("Prediction sets need the folds of a cross-validation; none was found.")
    levels: dict[str, dict[str, ClassCoverage]] = {}
    account: dict[str, Json] = {}
    for level in CALIBRATED:
        try:
            held, validation = held_out_scores(folds, level), validation_scores(folds, level)
        except KeyError as error:
            raise CohortError(f"A fold of the cross-validation lacks the entry {error}.") from error
        least = class_thresholds(held.probabilities, held.labels, coverage=coverage)
        found = split_coverage(held, coverage=coverage, seed=seed)
        mean, (low, high) = np.nanmean(found, 0), np.nanpercentile(found, [2.5, 97.5], axis=0)
        counts = np.bincount(held.labels, minlength=len(classes))
        levels[level] = {
            c: ClassCoverage(c, float(least[k]), int(counts[k]), float(mean[k]), float(low[k]), float(high[k]))
            for k, c in enumerate(classes)
        }
        sizes = in_set(held.probabilities, least).sum(1)
        account[level] = {
            "coverage": {
                c: {"value": float(mean[k]), "low": float(low[k]), "high": float(high[k])}
                for k, c in enumerate(classes)
            },
            "coverage_with_validation_thresholds": dict(
                zip(classes, transfer_coverage(validation, held, coverage=coverage).tolist(), strict=True)
            ),
            "one_class": float((sizes == 1).mean()),
            "both_classes": float((sizes == 2).mean()),
            "no_class": float((sizes == 0).mean()),
            "cases": len(sizes),
        }
    where = (
        f"out-of-fold probabilities of {len(held.labels)} cases, each scored by a model that saw neither it nor its "
        f"patient; coverage over {REPEATS} random halves of the patients"
    )
    return ConformalReference(coverage, levels, where), {"nominal": coverage, "repeats": REPEATS, "levels": account}
