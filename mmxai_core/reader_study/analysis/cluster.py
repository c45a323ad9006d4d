"""Means and differences of means over readings, with a bootstrap that draws readers and cases."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmxai_core.reader_study.resampling import REPLICATES, Estimate, draws, interval

#: Estimates by condition, and by pair "B against A" as (B, A).
Means = tuple[dict[str, Estimate], dict[tuple[str, str], Estimate]]


def cluster_means(
    frame: pd.DataFrame, column: str, conditions: Sequence[str], *, replicates: int = REPLICATES, seed: int = 0
) -> Means:
    """Mean of a column in each condition, and the difference of every pair of conditions from the same draws.

    Readers and cases are drawn with replacement together (Owen 2007), which errs to the wide side. Blank values are
    left out, never imputed.

    Args:
        frame: With `reader`, `case`, `condition` and the column.
        column: Numbers, NaN where blank.
        conditions: To report, in order; pairs are later minus earlier.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """
    used = frame[frame["condition"].isin(conditions) & frame[column].notna()]
    if used.empty:
        none = Estimate(None, None, None, 0, "There is no such value in the readings.")
        return dict.fromkeys(conditions, none), {(b, a): none for a, b in combinations(conditions, 2)}
    values = used[column].to_numpy(np.float64)
    codes = [np.asarray(pd.factorize(used[c])[0], np.intp) for c in ("reader", "case")]
    inside = np.stack([(used["condition"] == c).to_numpy(np.float64) for c in conditions], axis=1)
    point = _means(np.ones((1, len(used))), values, inside)[0]
    drawn = np.concatenate([_means(w, values, inside) for w in draws(codes, replicates=replicates, seed=seed)])
    counts = inside.sum(axis=0).astype(int)
    single = "" if min(int(c.max()) for c in codes) >= 1 else _only_one(codes)
    by_condition = {
        c: _estimate(point[i], drawn[:, i], int(counts[i]), single, f"No reading in {c} has this value.")
        for i, c in enumerate(conditions)
    }
    pairs = {
        (conditions[j], conditions[i]): _estimate(
            point[j] - point[i], drawn[:, j] - drawn[:, i], int(min(counts[i], counts[j])), single,
            f"{conditions[i] if not counts[i] else conditions[j]} has no reading with this value.",
        )
        for i, j in combinations(range(len(conditions)), 2)
    }  # fmt: skip
    return by_condition, pairs


def _only_one(codes: Sequence[NDArray[np.intp]]) -> str:
    who = [w for w, c in zip(("reader", "case"), codes, strict=True) if int(c.max()) < 1]
    return f"No interval: there is only 1 {' and 1 '.join(who)} to draw from."


def _means(w: NDArray[np.float64], values: NDArray[np.float64], inside: NDArray[Any]) -> NDArray[np.float64]:
    top, bottom = (w * values) @ inside, w @ inside
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)


def _estimate(value: float, drawn: NDArray[np.float64], n: int, single: str, why: str) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, None, None, n, why)
    if single:
        return Estimate(float(value), None, None, n, single)
    low, high, reason = interval(drawn)
    return Estimate(float(value), low, high, n, reason)


def estimate_row(e: Estimate, **names: object) -> dict[str, object]:
    """One row of a table of estimates."""
    return {**names, "value": e.value, "low": e.low, "high": e.high, "n": e.n, "reason": e.reason}
