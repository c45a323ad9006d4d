"""Oriented gradients of the lesion's crop and logistic regression: the field's plain rival of a network that looks.

Histograms of oriented gradients (Dalal and Triggs 2005) by scikit-image. The crop lies around the expert's outline,
which no other model of the comparison is given: this rival never looks in the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog
from skimage.transform import resize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmxai_core.comparison.tabular import Table
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.split import patient_folds

#: The crop's side over the outline's longer side.
CONTEXT = 1.3
#: Side of the crop that is read, pixels; a cell has 16, a block 2 x 2 cells, a cell 9 orientations.
SIDE = 128
#: Inverse strengths of the ridge penalty that validation chooses among; there are more features than cases.
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)
_FOLDS = 5


def crop(grey: NDArray[np.uint8], lesion: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(SIDE, SIDE) in [0, 1]: the square around an outline, black beyond the canvas; without one, the whole canvas.

    Args:
        grey: (S, S) display grey.
        lesion: (S, S), 1 in the lesion.
    """
    rows, cols = np.nonzero(lesion)
    if not len(rows):
        whole: NDArray[np.float64] = resize(grey / 255.0, (SIDE, SIDE), anti_aliasing=True)
        return whole
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, cols.min(), cols.max() + 1
    half = int(np.ceil(max(y1 - y0, x1 - x0) * CONTEXT / 2))
    cy, cx = (y0 + y1) // 2 + half, (x0 + x1) // 2 + half
    padded = np.pad(grey / 255.0, half)
    cut: NDArray[np.float64] = resize(
        padded[cy - half : cy + half, cx - half : cx + half], (SIDE, SIDE), anti_aliasing=True
    )
    return cut


def gradients(data: CohortArrays) -> Table:
    """(N, 1764) oriented gradients of each case's crop."""
    rows = [
        hog(crop(g, m), orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2), block_norm="L2-Hys")
        for g, m in zip(data.grey, data.lesion, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(data), -1)


@dataclass(frozen=True, eq=False)
class Seen:
    """Cases as this rival sees them.

    Attributes:
        features: (N, P).
        labels: (N,) 1 = positive.
        patients: N ids.
    """

    features: Table
    labels: NDArray[np.int64]
    patients: tuple[str, ...]

    @classmethod
    def of(cls, data: CohortArrays) -> Seen:
        """The cases of a cohort."""
        return cls(gradients(data), data.labels, data.patients)

    def take(self, index: NDArray[np.int64]) -> Seen:
        """Some of the cases."""
        return Seen(self.features[index], self.labels[index], tuple(self.patients[i] for i in index))

    def join(self, other: Seen | None) -> Seen:
        """With the cases of another, whose patients are others."""
        if other is None:
            return self
        return Seen(
            np.concatenate([self.features, other.features]), np.concatenate([self.labels, other.labels]),
            (*self.patients, *other.patients),
        )  # fmt: skip


def fitted(seen: Seen, strength: float) -> Any:
    """Ridge logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(
        seen.features, seen.labels
    )


def score(model: Any, seen: Seen) -> NDArray[np.float64]:
    """(N,) log-odds of the positive class."""
    out: NDArray[np.float64] = model.decision_function(seen.features)
    return out


def strength_of(train: Seen, validation: Seen, more: Seen | None) -> tuple[float, float]:
    """(the penalty with the lowest validation loss, that loss)."""
    found = []
    for c in STRENGTHS:
        margin = score(fitted(train.join(more), c), validation)
        found.append((float(log_loss(validation.labels, 1 / (1 + np.exp(-margin)), labels=[0, 1])), c))
    loss, strength = min(found)
    return strength, loss


def scores_without(seen: Seen, strength: float, more: Seen | None, *, seed: int) -> NDArray[np.float64]:
    """(N,) log-odds of each case by a fit that saw none of its patient: what a second stage may be trained on."""
    smallest = min(len({p for p, y in zip(seen.patients, seen.labels, strict=True) if y == c}) for c in (0, 1))
    out = np.zeros(len(seen.labels))
    for rest, held in patient_folds(seen.labels, seen.patients, folds=min(_FOLDS, smallest), seed=seed):
        out[held] = score(fitted(seen.take(rest).join(more), strength), seen.take(held))
    return out
