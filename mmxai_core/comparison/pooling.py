"""Unit files -> pools: the held-out scores of a model, joined over folds and, where asked, over a patient's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmxai_core.comparison.models import Model
from mmxai_core.comparison.scoring import Pool
from mmxai_core.comparison.units import Unit
from mmxai_core.evaluation.calibration import youden_threshold
from mmxai_core.evaluation.metrics import auc


@dataclass(frozen=True, eq=False)
class Material:
    """What the figures of a run are drawn from.

    Attributes:
        units: Finished units, on one scale: see `common_scale`.
        planned: (seed, fold, model) of all planned units.
        models: The run's models.
        levels: Names of the levels with fields, in order.
        label: 1 = positive, by case id.
        patient: By case id.
        facts: Subgroup facts by case id.
        per_patient: Whether patients are counted, not images.
        replicates: Bootstrap replicates.
        seed: Of the bootstrap.
    """

    units: Sequence[Unit]
    planned: Sequence[tuple[int, int, str]]
    models: Sequence[Model]
    levels: Sequence[str]
    label: Mapping[str, int]
    patient: Mapping[str, str]
    facts: Mapping[str, Mapping[str, str]]
    per_patient: bool
    replicates: int
    seed: int

    @property
    def status(self) -> str:
        """Either "complete: N of N units" or "partial: n of N units"."""
        done = len(self.units)
        return f"{'complete' if self.complete else 'partial'}: {done} of {len(self.planned)} units"

    @property
    def complete(self) -> bool:
        """Whether every planned unit is there."""
        return len(self.units) == len(self.planned)

    def of(self, model: str) -> list[Unit]:
        """The finished units of a model, by seed and fold."""
        return sorted((u for u in self.units if u.model == model), key=lambda u: (u.seed, u.fold))

    def folds(self, model: str, seed: int) -> set[int]:
        """Planned folds of a model and seed."""
        return {f for s, f, m in self.planned if (s, m) == (seed, model)}

    def whole_seeds(self, model: str) -> list[int]:
        """Seeds of which every planned fold is finished."""
        seeds = sorted({s for s, _, m in self.planned if m == model})
        return [s for s in seeds if self.folds(model, s) <= {u.fold for u in self.of(model) if u.seed == s}]


def join_images(
    ids: Sequence[str], p: NDArray[np.float64], material: Material
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """(ids, probabilities) of the counted units: the mean over a patient's images, or the images themselves."""
    if not material.per_patient:
        return tuple(ids), p
    found: dict[str, list[float]] = {}
    for case, value in zip(ids, p, strict=True):
        found.setdefault(material.patient[case], []).append(float(value))
    return tuple(found), np.array([np.mean(v) for v in found.values()])


def labels_of(ids: Sequence[str], material: Material) -> NDArray[np.bool_]:
    """Truth of counted units; a patient is positive where any image is."""
    if not material.per_patient:
        return np.array([bool(material.label[i]) for i in ids])
    positive = {material.patient[c] for c, label in material.label.items() if label}
    return np.array([i in positive for i in ids])


def pool(material: Material, model: str, level: str, *, changed: str | None = None) -> Pool | None:
    """The held-out scores of a model at a level over its whole seeds; None where no seed is whole.

    Args:
        material: The run.
        model: Its name.
        level: A level.
        changed: Scores under a changed input (see `units.Unit.extra`) instead; None where a unit lacks them.
    """
    seeds = material.whole_seeds(model)
    rows, order = [], None
    for seed in seeds:
        by_id: dict[str, tuple[float, bool, int]] = {}
        for unit in (u for u in material.of(model) if u.seed == seed):
            if level not in unit.scores or (changed is not None and changed not in unit.extra):
                return None
            scores = unit.scores[level]
            v_ids, v = join_images(unit.validation_ids, scores.validation, material)
            threshold = youden_threshold(labels_of(v_ids, material), v) if material.per_patient else scores.threshold
            raw = scores.test if changed is None else np.array(unit.extra[changed])
            ids, p = join_images(unit.test_ids, raw, material)
            by_id |= {i: (value, bool(value >= threshold), unit.fold) for i, value in zip(ids, p, strict=True)}
        order = order or sorted(by_id)
        rows.append([by_id[i] for i in order])
    if not rows or order is None:
        return None
    table = np.array(rows, np.float64)
    groups = tuple(order) if material.per_patient else tuple(material.patient[i] for i in order)
    return Pool(
        tuple(order),
        groups,
        labels_of(order, material),
        table[..., 0],
        table[..., 1] > 0.5,
        table[..., 2].astype(int),
        tuple(seeds),
    )


def validation_auc(material: Material, model: str, level: str) -> float | None:
    """Mean AUC on the validation cases of the finished units, counted as the test cases are."""
    found = []
    for unit in material.of(model):
        if level in unit.scores:
            ids, p = join_images(unit.validation_ids, unit.scores[level].validation, material)
            value = auc(labels_of(ids, material), p)
            if value is not None:
                found.append(value)
    return round(float(np.mean(found)), 6) if found else None
