"""Units as their folds calibrated them -> units on one scale, before their held-out scores are pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.models import IMAGE_LEVEL
from mmxai_core.comparison.units import Scores, Unit
from mmxai_core.evaluation.calibration import youden_threshold
from mmxai_core.evaluation.fold_scale import ValidationScores, fold_temperatures, margin_of, probability_of

#: What is told of it.
RULE = (
    "one temperature for each model and seed, from the validation cases of all its folds, as a bundle's own is; for "
    "each fold without the patients it is tested on"
)


def on_one_scale(units: Sequence[Unit], *, label: Mapping[str, int], patient: Mapping[str, str]) -> list[Unit]:
    """The units with probabilities, thresholds and temperatures of `fold_scale.fold_temperatures`.

    Args:
        units: As they were fitted; of a model and seed that lacks folds, those that are there.
        label: 1 = positive, by case id.
        patient: By case id.
    """

    def of(unit: Unit) -> tuple[str, int, int]:
        return unit.model, unit.seed, unit.fold

    out: list[Unit] = []
    for _, found in groupby(sorted(units, key=of), key=lambda u: of(u)[:2]):
        folds = list(found)
        temperatures = fold_temperatures(
            [_validation(u, label, patient) for u in folds], [{patient[i] for i in u.test_ids} for u in folds]
        )
        out += [_moved(u, t, label) for u, t in zip(folds, temperatures, strict=True)]
    return out


def _validation(unit: Unit, label: Mapping[str, int], patient: Mapping[str, str]) -> ValidationScores:
    """At the levels with fields, where the model has any: those that a bundle is calibrated at."""
    fields = [level for level in unit.scores if level != IMAGE_LEVEL]
    margins = [margin_of(unit.scores[k].validation, unit.scores[k].temperature) for k in fields or [IMAGE_LEVEL]]
    ids = unit.validation_ids
    return ValidationScores(np.stack(margins), np.array([bool(label[i]) for i in ids]), tuple(patient[i] for i in ids))


def _moved(unit: Unit, temperature: float, label: Mapping[str, int]) -> Unit:
    truth = np.array([bool(label[i]) for i in unit.validation_ids])

    def scores(s: Scores) -> Scores:
        test, validation = (_at(p, s.temperature, temperature) for p in (s.test, s.validation))
        return Scores(test, validation, youden_threshold(truth, validation), temperature)

    before = unit.scores[IMAGE_LEVEL].temperature if unit.extra else 1.0
    extra = {k: tuple(_at(np.array(p), before, temperature).tolist()) for k, p in unit.extra.items()}
    return replace(unit, scores={k: scores(s) for k, s in unit.scores.items()}, extra=extra)


def _at(p: NDArray[np.float64], before: float, now: float) -> NDArray[np.float64]:
    return probability_of(margin_of(p, before), now)
