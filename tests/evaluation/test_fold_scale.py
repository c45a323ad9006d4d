from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.calibration import fit_temperature
from mmxai_core.evaluation.fold_scale import EDGE, ValidationScores, fold_temperatures, margin_of, probability_of
from mmxai_core.evaluation.metrics import auc

FOLDS, TESTED, SEEN = 5, 40, 32


def cases(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Margins of a model that is twice as sure as it should be, and labels."""
    z = rng.normal(0, 1.5, n)
    return 2 * z, rng.random(n) < 1 / (1 + np.exp(-z))


def seen(rng: np.random.Generator, k: int, n: int = SEEN) -> ValidationScores:
    """Validation cases of fold k, who are the first that the next fold is tested on."""
    margin, labels = cases(rng, n)
    return ValidationScores(margin[None], labels, tuple(f"{(k + 1) % FOLDS}-{i}" for i in range(n)))


def held_out_of(k: int) -> set[str]:
    return {f"{k}-{i}" for i in range(TESTED)}


def test_a_temperature_comes_from_all_folds_but_the_cases_tested_on() -> None:
    rng = np.random.default_rng(3)
    folds = [seen(rng, k, 400) for k in range(FOLDS)]
    found = fold_temperatures(folds, [{f"{k}-{i}" for i in range(400)} for k in range(FOLDS)])
    assert found == pytest.approx([2.0] * FOLDS, rel=0.08)
    # fold 1 is tested on those whom fold 0 saw in validation: their labels bear on every temperature but its own
    turned = [replace(folds[0], labels=~folds[0].labels), *folds[1:]]
    again = fold_temperatures(turned, [{f"{k}-{i}" for i in range(400)} for k in range(FOLDS)])
    assert again[1] == found[1]
    assert all(abs(again[k] / found[k] - 1) > 0.05 for k in (0, 2, 3, 4))


def test_pooled_scores_lose_what_the_folds_own_temperatures_cost() -> None:
    """Of one and the same model in every fold: what a fold's own 32 cases say of the temperature is noise."""
    lost, kept, worse = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        folds = [seen(rng, k) for k in range(FOLDS)]
        held = [cases(rng, TESTED) for _ in range(FOLDS)]
        own = [fit_temperature(np.stack([0 * f.margin[0], f.margin[0]], 1), f.labels.astype(int)) for f in folds]
        common = fold_temperatures(folds, [held_out_of(k) for k in range(FOLDS)])
        labels = np.concatenate([y for _, y in held])

        def pooled(
            temperatures: list[float], held: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = held
        ) -> NDArray[np.float64]:
            return np.concatenate([probability_of(m, t) for (m, _), t in zip(held, temperatures, strict=True)])

        ideal, a, b = (
            pooled([2.0] * FOLDS), pooled(own), pooled(list(common)),
        )  # fmt: skip
        best = auc(labels, ideal)
        assert best is not None
        lost.append(best - (auc(labels, a) or 0.0))
        kept.append(best - (auc(labels, b) or 0.0))
        worse.append(float(np.mean((a - labels) ** 2) - np.mean((b - labels) ** 2)))
    assert np.mean(lost) > 3 * abs(np.mean(kept)) and np.mean(worse) > 0


def test_margins_and_probabilities_are_inverse_and_keep_their_order() -> None:
    p = np.array([0.0, 1e-6, 0.2, 0.5, 0.731, 1.0])
    margin = margin_of(p, 1.7)
    assert np.all(np.diff(margin) > 0) and np.all(np.isfinite(margin))
    assert probability_of(margin, 1.7)[1:-1] == pytest.approx(p[1:-1]) and probability_of(margin, 1.7)[
        0
    ] == pytest.approx(EDGE)
    assert np.all(np.diff(probability_of(margin, 0.4)) > 0)


def test_each_fold_has_its_held_out_patients_and_cases_are_left() -> None:
    rng = np.random.default_rng(0)
    folds = [seen(rng, k) for k in range(2)]
    with pytest.raises(CohortError, match="2 folds, 1 lists"):
        fold_temperatures(folds, [held_out_of(0)])
    with pytest.raises(CohortError):
        fold_temperatures(folds, [held_out_of(1) | held_out_of(2), set()])
