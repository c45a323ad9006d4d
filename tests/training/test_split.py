"""Splits never separate a patient's images."""

from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import CohortError
from mmxai_core.training.split import hold_out, patient_folds, split_hash


def _cases() -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    patients = [f"p{i // 2}" for i in range(80)]
    return np.repeat(rng.integers(0, 2, 40), 2), patients


def test_folds_cover_every_case_once_and_never_split_a_patient() -> None:
    labels, patients = _cases()
    folds = patient_folds(labels, patients, folds=5, seed=1)
    assert sorted(np.concatenate([b for _, b in folds]).tolist()) == list(range(80))
    for train, test in folds:
        assert not {patients[i] for i in train} & {patients[i] for i in test}
        assert abs(labels[test].mean() - labels.mean()) < 0.15


def test_hold_out_keeps_about_the_part_asked_for() -> None:
    labels, patients = _cases()
    train, held = hold_out(labels, patients, part=0.2, seed=1)
    assert 10 <= len(held) <= 22 and len(train) + len(held) == 80


def test_too_few_patients_a_class_is_refused() -> None:
    with pytest.raises(CohortError, match="class 1 has 2"):
        patient_folds([0] * 10 + [1, 1], [str(i) for i in range(12)], folds=5, seed=0)


def test_a_split_is_named_by_its_cases_not_their_order() -> None:
    assert split_hash(["b", "a"]) == split_hash(["a", "b"]) != split_hash(["a", "c"])
