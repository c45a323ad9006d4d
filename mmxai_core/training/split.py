"""Splits by patient, stratified by label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from mmxai_core.errors import CohortError


def patient_folds(
    labels: Sequence[int] | NDArray[np.int64], patients: Sequence[str], *, folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stratified, patient-grouped folds.

    Returns:
        (training indices, held-out indices) a fold; no patient is on both sides.

    Raises:
        CohortError: Fewer patients of a class than folds.
    """
    y = np.asarray(labels)
    for value in np.unique(y):
        n = len({p for p, label in zip(patients, y, strict=True) if label == value})
        if n < folds:
            raise CohortError(f"{folds} folds need at least {folds} patients a class; class {value} has {n}.")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(np.zeros(len(y)), y, groups=list(patients))]


def hold_out(
    labels: Sequence[int] | NDArray[np.int64], patients: Sequence[str], *, part: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One patient-grouped split: (training, held-out) with about `part` held out."""
    return patient_folds(labels, patients, folds=max(2, round(1 / part)), seed=seed)[0]


def split_hash(case_ids: Sequence[str]) -> str:
    """Hash of a set of case ids, order aside: names a split without listing it."""
    return hashlib.sha256("\n".join(sorted(case_ids)).encode()).hexdigest()[:16]
