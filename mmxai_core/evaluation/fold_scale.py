"""One scale for the models of a cross-validation, so that their held-out scores may be pooled.

A fold's temperature, fitted to the few dozen validation cases of a small cohort, is a noisy figure: one fold's scores
are then spread twice as wide as another's, and pooled figures (AUC over all cases, Brier score, calibration error)
measure that instead of the models. A bundle is calibrated with the validation cases of all folds together; here a fold
is too, without any patient it is tested on. Every model keeps its order of a fold's cases.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.calibration import fit_temperature

#: Probabilities this near 0 or 1 are taken for this: files keep six decimals.
EDGE = 5e-7


@dataclass(frozen=True, eq=False)
class ValidationScores:
    """What the model of one fold says of the fold's validation cases.

    Attributes:
        margin: (L, v) log odds of the positive class before any temperature, at L sets of known fields.
        labels: (v,) True where positive.
        groups: v patients.
    """

    margin: NDArray[np.float64]
    labels: NDArray[np.bool_]
    groups: tuple[str, ...]


def margin_of(p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Log odds before the temperature that `p` was calibrated with; any shape.

    Args:
        p: Probabilities, 0 to 1.
        temperature: Above 0.
    """
    out: NDArray[np.float64] = logit(np.clip(p, EDGE, 1 - EDGE)) * temperature
    return out


def probability_of(margin: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probability of the positive class; any shape. The inverse of `margin_of`."""
    out: NDArray[np.float64] = expit(margin / temperature)
    return out


def at_temperature(p: NDArray[np.float64], *, before: float, now: float) -> NDArray[np.float64]:
    """Probabilities that were calibrated with the temperature `before`, calibrated with `now`; any shape."""
    return probability_of(margin_of(p, before), now)


def fold_temperatures(validation: Sequence[ValidationScores], held_out: Sequence[Collection[str]]) -> tuple[float, ...]:
    """The temperature of each fold, from the validation cases of all folds' models.

    Left out for a fold: every validation case of a patient on whom it is tested. So a case's own label is not in the
    fit of its temperature; it reaches that one number only through other folds' models, which were trained on it.

    Args:
        validation: Of each fold.
        held_out: The patients on whom each fold is tested.

    Returns:
        Of each fold, within `calibration.TEMPERATURE_RANGE`.

    Raises:
        CohortError: Nothing is left for a fold, or the two arguments do not fit.
    """
    if len(validation) != len(held_out):
        raise CohortError(f"Each fold needs its held-out patients; got {len(validation)} folds, {len(held_out)} lists.")
    out = []
    for tested in (set(h) for h in held_out):
        margins, labels = [], []
        for fold in validation:
            kept = np.array([g not in tested for g in fold.groups], bool)
            margins.append(fold.margin[:, kept].ravel())
            labels.append(np.tile(fold.labels[kept], len(fold.margin)))
        z = np.concatenate(margins)
        out.append(fit_temperature(np.stack([np.zeros_like(z), z], 1), np.concatenate(labels).astype(int)))
    return tuple(out)
