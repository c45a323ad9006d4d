"""Units as their folds calibrated them -> units on one scale, before their held-out scores are pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.models import BY_NAME, IMAGE_LEVEL
from mmxai_core.comparison.units import Scores, Unit
from mmxai_core.evaluation.calibration import youden_threshold
from mmxai_core.evaluation.fold_scale import ValidationScores, at_temperature, fold_temperatures, margin_of

#: What is told of it.
RULE = (
    "one temperature for each model and seed, from the validation cases of all its folds, as a bundle's own is; for "
    "each fold without the patients it is tested on, though other folds' models were trained on those"
)
#: Kinds whose image level is not the model of the other levels: an image branch's own head, another estimator.
_APART = ("ablation", "radiomics", "gradients")


def on_one_scale(units: Sequence[Unit], *, label: Mapping[str, int], patient: Mapping[str, str]) -> list[Unit]:
    """The units with probabilities, thresholds and temperatures of `fold_scale.fold_temperatures`.

    A late average is the mean of its parts on their scale, and has no temperature of its own; without them it is left
    out.

    Args:
        units: As they were fitted; of a model and seed that lacks folds, those that are there.
        label: 1 = positive, by case id.
        patient: By case id.
    """

    def of(unit: Unit) -> tuple[str, int, int]:
        return unit.model, unit.seed, unit.fold

    out: list[Unit] = []
    fitted = sorted((u for u in units if BY_NAME[u.model].kind != "late"), key=of)
    for _, found in groupby(fitted, key=lambda u: of(u)[:2]):
        folds = list(found)
        out += _moved_together(folds, label, patient)
    moved = {of(u): u for u in out}
    for unit in (u for u in units if BY_NAME[u.model].kind == "late"):
        parts = [moved.get((name, unit.seed, unit.fold)) for name in unit.account.get("of", ("image", "clinical"))]
        if None not in parts:
            out.append(_averaged(unit, [p for p in parts if p is not None], label))
    return sorted(out, key=of)


def _moved_together(folds: Sequence[Unit], label: Mapping[str, int], patient: Mapping[str, str]) -> list[Unit]:
    """One model's folds of one seed, each set of levels that one network or estimator answers at its temperature."""
    held = [{patient[i] for i in u.test_ids} for u in folds]
    by_level: list[dict[str, float]] = [{} for _ in folds]
    for levels, asked in _together(folds[0]):
        found = fold_temperatures([_validation(u, asked, label, patient) for u in folds], held)
        for own, temperature in zip(by_level, found, strict=True):
            own |= dict.fromkeys(levels, temperature)
    return [_moved(u, t, label) for u, t in zip(folds, by_level, strict=True)]


def _together(unit: Unit) -> list[tuple[list[str], list[str]]]:
    """Sets of levels that share a temperature, each with the levels whose validation cases it is fitted to.

    The image level of a fused network takes the temperature of the levels with fields: those that a bundle is
    calibrated at.
    """
    fields, image = [k for k in unit.scores if k != IMAGE_LEVEL], [k for k in unit.scores if k == IMAGE_LEVEL]
    if not fields or not image:
        return [(list(unit.scores), list(unit.scores))]
    if BY_NAME[unit.model].kind in _APART:
        return [(fields, fields), (image, image)]
    return [(list(unit.scores), fields)]


def _validation(
    unit: Unit, levels: Sequence[str], label: Mapping[str, int], patient: Mapping[str, str]
) -> ValidationScores:
    margins = [margin_of(unit.scores[k].validation, unit.scores[k].temperature) for k in levels]
    ids = unit.validation_ids
    return ValidationScores(np.stack(margins), np.array([bool(label[i]) for i in ids]), tuple(patient[i] for i in ids))


def _moved(unit: Unit, temperature: Mapping[str, float], label: Mapping[str, int]) -> Unit:
    truth = _truth(unit, label)

    def scores(level: str, s: Scores) -> Scores:
        test, validation = (
            at_temperature(p, before=s.temperature, now=temperature[level]) for p in (s.test, s.validation)
        )
        return Scores(test, validation, youden_threshold(truth, validation), temperature[level])

    def changed(p: tuple[float, ...]) -> tuple[float, ...]:
        before = unit.scores[IMAGE_LEVEL].temperature
        return tuple(at_temperature(np.array(p), before=before, now=temperature[IMAGE_LEVEL]).tolist())

    return replace(
        unit, scores={k: scores(k, s) for k, s in unit.scores.items()},
        extra={k: changed(p) for k, p in unit.extra.items()},
    )  # fmt: skip


def _averaged(unit: Unit, parts: Sequence[Unit], label: Mapping[str, int]) -> Unit:
    """As `FoldWork` averages them: at each level, a part that has no such level by its image level."""
    truth = _truth(unit, label)

    def scores(level: str) -> Scores:
        own = [part.scores.get(level) or part.scores[IMAGE_LEVEL] for part in parts]
        test, validation = (np.mean([getattr(s, name) for s in own], axis=0) for name in ("test", "validation"))
        return Scores(test, validation, youden_threshold(truth, validation), 1.0)

    return replace(unit, scores={level: scores(level) for level in unit.scores})


def _truth(unit: Unit, label: Mapping[str, int]) -> NDArray[np.bool_]:
    return np.array([bool(label[i]) for i in unit.validation_ids])
