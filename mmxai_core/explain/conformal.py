"""Split-conformal prediction sets, one threshold a class: which classes cannot be ruled out, and when to abstain.

Score of a case under class y: 1 - p_y. The threshold of y is the k-th smallest score of the n calibration cases whose
true class is y, k = ceil((n + 1) * coverage); a class is in the set when its score is at most its threshold. For cases
exchangeable with the calibration cases, P(y in set | class y) >= coverage (Vovk 2012, "Conditional validity of
inductive conformal predictors"; Sadinle, Lei and Wasserman 2019).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import ExplanationError
from mmxai_core.model.reference import ConformalReference
from mmxai_core.results.prediction import Prediction
from mmxai_core.results.uncertainty import PredictionSet, SetOutcome


def class_thresholds(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], *, coverage: float
) -> NDArray[np.float64]:
    """The least probability at which each class is in the set.

    Args:
        probabilities: (n, K) calibrated, of calibration cases that the model was not fitted to.
        labels: (n,) class indices.
        coverage: In (0, 1).

    Returns:
        (K,) in [0, 1]; 0 (always in the set) where a class has too few cases for the coverage.

    Raises:
        ExplanationError: The coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ExplanationError(f"A coverage lies between 0 and 1; got {coverage:g}.")
    out = np.zeros(probabilities.shape[1])
    for k in range(len(out)):
        own = np.sort(1 - probabilities[labels == k, k])
        # the tolerance keeps 0.9 * 10 from being rounded up to the 10th case
        rank = math.ceil((len(own) + 1) * coverage - 1e-9)
        if rank <= len(own):
            out[k] = max(1 - own[rank - 1], 0.0)
    return out


def in_set(probabilities: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, K) probabilities, (K,) least probabilities -> (n, K) bool: the class is in the case's set."""
    inside: NDArray[np.bool_] = probabilities >= least - 1e-12
    return inside


def level_of(known: Collection[str], schema: ClinicalSchema) -> str:
    """The level of field groups that a record reaches: the calibration its prediction belongs to.

    Args:
        known: Ids of the known fields.
        schema: The bundle's schema.

    Returns:
        "image" (no field known), "history", "history+descriptor" or "history+descriptor+assessment".
    """
    groups = {f.group for f in schema.fields if f.id in known}
    if "assessment" in groups:
        return "history+descriptor+assessment"
    if "descriptor" in groups:
        return "history+descriptor"
    return "history" if groups else "image"


def prediction_set(
    prediction: Prediction, reference: ConformalReference | None, *, schema: ClinicalSchema
) -> PredictionSet:
    """The classes that cannot be ruled out for a prediction. No forward pass.

    Args:
        prediction: Calibrated.
        reference: From the bundle (`Reference.conformal`); None: not calibrated, and the result says so.
        schema: The bundle's schema.
    """
    level = level_of(prediction.known_fields, schema)
    if reference is None or level not in reference.levels or prediction.image_index is None:
        why = (
            "without an image no set is calibrated"
            if reference is not None and prediction.image_index is None
            else "this bundle carries no calibration for it"
        )
        return PredictionSet(
            prediction.classes, "not_calibrated", 0.9 if reference is None else reference.coverage, level, {}, True,
            f"How sure the model may be is not known: {why}. No class is ruled out.", "nothing",
        )  # fmt: skip
    by_class = reference.levels[level]
    kept = tuple(c for c in prediction.classes if prediction.probabilities[c] >= by_class[c].least_probability - 1e-12)
    outcome, sentence = _words(kept, prediction.classes, reference.coverage)
    if len(prediction.image_scores) > 1:
        sentence += (
            f" The study holds {len(prediction.image_scores)} images and the highest score decides; "
            "that risk was measured with one image a patient."
        )
    return PredictionSet(
        kept, outcome, reference.coverage, level, by_class, len(kept) != 1, sentence, reference.computed_from
    )


def _words(kept: Sequence[str], classes: Sequence[str], coverage: float) -> tuple[SetOutcome, str]:
    """What a set says."""
    wrong = f"{100 * (1 - coverage):.0f} %"
    if len(kept) == 1:
        left, others = kept[0].replace("_", " "), " or ".join(c.replace("_", " ") for c in classes if c not in kept)
        return "one", f"Only {left} is kept; about {wrong} of {others} cases are wrongly left out in this way."
    allowed = f"({wrong} of each class may be ruled out wrongly)"
    if not kept:
        return "none", f"No class is usual for a case like this {allowed}: the model abstains."
    open_ = "Neither class" if len(classes) == 2 else "None of " + " and ".join(kept)
    return "several", f"{open_} can be ruled out {allowed}: the model abstains."
