"""Do image and clinical evidence agree: in what they say, and in where they look?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmxai_core.types import FloatArray, FloatMap, Mask


def agreement(players: Sequence[str], contributions: FloatArray, *, fields: Sequence[str]) -> float | None:
    """How far the image and the clinical fields together point the same way.

    With a the sum of the Shapley values of the image's players and c that of the fields, both in log-odds:
    2 a c / (a^2 + c^2): 1 where both say the same as strongly, -1 where they contradict each other as strongly, near 0
    where one of them is silent. Costs no forward pass.

    Args:
        players: Names of the account's players; those that are no field belong to the image.
        contributions: (P,) their Shapley values, log-odds.
        fields: Ids of the clinical fields.

    Returns:
        In [-1, 1]; None without both sides, or where both are 0.
    """
    clinical = np.array([p in set(fields) for p in players])
    if clinical.all() or not clinical.any():
        return None
    a, c = float(contributions[~clinical].sum()), float(contributions[clinical].sum())
    return None if a == c == 0 else 2 * a * c / (a * a + c * c)


def attention_overlap(grid: FloatMap, attention: FloatArray, weights: FloatArray, content: Mask) -> float | None:
    """Whether the fields look where the map finds evidence.

    The fields' attention, each weighted by the size of that field's contribution, against the Grad-CAM++ map: Pearson's
    correlation over the cells that hold image. Costs no forward pass.

    Args:
        grid: (c, c) Grad-CAM++ map on the canvas grid.
        attention: (F, c, c) attention of each known field on the same grid.
        weights: (F,) size of each field's Shapley value.
        content: (c, c) bool.

    Returns:
        In [-1, 1]; None where either is flat or no field contributes.
    """
    total = float(np.sum(weights))
    if not len(weights) or total <= 0:
        return None
    looked = np.tensordot(np.asarray(weights, np.float64) / total, np.asarray(attention, np.float64), 1)
    x, y = looked[content], np.asarray(grid, np.float64)[content]
    if min(x.std(), y.std()) < 1e-12:
        return None
    return float(np.corrcoef(x, y)[0, 1])
