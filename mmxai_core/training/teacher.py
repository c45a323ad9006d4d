"""Targets of the image branch that a reader's own category has a say in.

Pathology says what a lesion is; the category a reader gave says how it looked. A malignant lesion that looked harmless,
or the reverse, can only be learned by heart; told how it looked, the branch learns appearance instead. The category is
an input of training alone ("privileged information": Vapnik & Vashist 2009; as soft targets: Lopez-Paz et al. 2016):
no model reads it where it is put to use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Cases that the share of each class among all cases counts for in each category's share.
_PRIOR_CASES = 2.0


def taught_targets(
    labels: NDArray[np.int64], assessed: Sequence[str], *, classes: int, weight: float
) -> NDArray[np.float32]:
    """(N, K) targets: the class, mixed with how often cases of the same category are of each class.

    Args:
        labels: (N,) class indices of the training cases.
        assessed: N categories, "" where none is known: such a case keeps its class alone; empty: none is known.
        classes: K.
        weight: Of the category's say, 0 to 1.
    """
    given = np.eye(classes)[labels]
    out = given.copy()
    names = np.array(assessed) if len(assessed) else np.full(len(labels), "")
    for name in set(names.tolist()) - {""}:
        same = names == name
        share = (given[same].sum(0) + _PRIOR_CASES * given.mean(0)) / (same.sum() + _PRIOR_CASES)
        out[same] = (1 - weight) * given[same] + weight * share
    return out.astype(np.float32)
