"""Logistic regression and gradient boosting on a table; the setting is chosen on validation cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.types import Json

Table = NDArray[np.float64]


def field_table(
    values: NDArray[np.float32], known: NDArray[np.bool_], schema: ClinicalSchema, *, like: Table | None = None
) -> tuple[Table, Table]:
    """Encoded fields as columns: numbers and ordinals as they are, categories one-hot; unknown = the training mean.

    An unknown value takes the training cases' mean of each of its columns, so that missingness by itself moves no
    score away from the mean.

    Args:
        values: (N, F) encoded.
        known: (N, F); fields outside a level are unknown for all.
        schema: The fields.
        like: (C,) column means of the training cases; None: these are the training cases.

    Returns:
        ((N, C) table, (C,) column means).
    """
    columns, missing = [], []
    for i, f in enumerate(schema.fields):
        v = values[:, i].astype(np.float64)
        parts = [(v == c).astype(np.float64) for c in range(len(f.category_ids))] if f.kind == "categorical" else [v]
        columns += parts
        missing += [~known[:, i]] * len(parts)
    table = np.stack(columns, 1) if columns else np.zeros((len(values), 0))
    gone = np.stack(missing, 1) if missing else np.zeros((len(values), 0), bool)
    if like is None:
        counts = (~gone).sum(0)
        like = np.where(counts > 0, np.where(gone, 0.0, table).sum(0) / np.maximum(counts, 1), 0.0)
    return np.where(gone, like, table), like


@dataclass(frozen=True, eq=False)
class Chosen:
    """A fitted estimator and the setting that validation chose.

    Attributes:
        validation: (V,) probability of the positive class before the refit.
        test: (N,) probability after the refit on training and validation cases.
        setting: What was chosen, with its validation loss.
    """

    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    setting: Json


def _logistic(seed: int, c: float) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000, random_state=seed))


def _boosting(seed: int, depth: int, trees: int) -> Any:
    return GradientBoostingClassifier(
        max_depth=depth, n_estimators=trees, learning_rate=0.05, subsample=0.7, max_features="sqrt",
        min_samples_leaf=5, random_state=seed,
    )  # fmt: skip


_GRIDS: dict[str, tuple[Callable[..., Any], tuple[dict[str, Any], ...]]] = {
    "logistic": (_logistic, tuple({"c": c} for c in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0))),
    "boosting": (_boosting, tuple({"depth": d, "trees": t} for d in (1, 2, 3) for t in (40, 100, 250))),
}


def choose(
    name: str, tables: tuple[Table, Table, Table], labels: tuple[NDArray[np.int64], NDArray[np.int64]], *, seed: int
) -> Chosen:
    """Fits each setting on training cases, keeps the lowest validation loss, refits on training + validation cases.

    Args:
        name: "logistic" or "boosting".
        tables: Of (train, validation, test).
        labels: Of (train, validation), 1 = positive.
        seed: Seed.
    """
    make, grid = _GRIDS[name]
    train, validation, test = tables
    best: tuple[float, NDArray[np.float64], dict[str, Any]] | None = None
    for setting in grid:
        p = make(seed, **setting).fit(train, labels[0]).predict_proba(validation)[:, 1]
        loss = float(log_loss(labels[1], p, labels=[0, 1]))
        if best is None or loss < best[0] - 1e-9:
            best = (loss, p, setting)
    assert best is not None
    final = make(seed, **best[2]).fit(np.concatenate([train, validation]), np.concatenate(labels))
    return Chosen(best[1], final.predict_proba(test)[:, 1], {**best[2], "validation_loss": round(best[0], 5)})
