"""Held-out images with something taken out, to see whether the model reads it: the lesion, or what lies around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.training.data import CohortArrays

#: Part of each side of the picture that `borders_masked` blanks: where scales, text and machine marks stand.
BORDER = 0.08
#: The lesion's outline is grown by this part of its own diameter before it is blanked, so that its rim goes too.
RIM = 0.15
#: A bright spot stands out by this many grey levels from its surroundings (a median over `_WINDOW` pixels).
_SPOT, _WINDOW = 60, 9


def altered_inputs(data: CohortArrays) -> dict[str, CohortArrays]:
    """The cases with each thing taken out; lesion tests only where lesions are outlined.

    Returns:
        "borders_masked": the outer 8 % of each side set to the image's mean;
        "markers_masked": small bright spots (callipers, dots, text) replaced by the median around them;
        "lesion_blanked": the bounding box of the lesion with its rim, set to the mean of the ring around it: shape,
        margin and texture go, place and rough size stay;
        "only_lesion": everything but that box set to the image's mean.
    """
    out = {"borders_masked": _each(data, _borders), "markers_masked": _each(data, _markers)}
    if data.lesion.any(axis=(1, 2)).all():
        out |= {"lesion_blanked": _each(data, _lesion), "only_lesion": _each(data, _surroundings)}
    return out


def _each(data: CohortArrays, change: object) -> CohortArrays:
    grey = data.grey.copy()
    for i in range(len(data)):
        y, x, h, w = data.content[i].tolist()
        box = np.s_[y : y + h, x : x + w]
        grey[i][box] = change(data.grey[i][box], data.lesion[i][box] > 0)  # type: ignore[operator]
    return replace(data, grey=grey)


def _borders(grey: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    out = grey.copy()
    h, w = grey.shape
    dy, dx = round(h * BORDER), round(w * BORDER)
    middle = np.zeros(grey.shape, bool)
    middle[dy : h - dy, dx : w - dx] = True
    out[~middle] = round(float(grey.mean()))
    return out


def _markers(grey: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    smooth = ndimage.median_filter(grey, _WINDOW)
    spots = ndimage.binary_dilation(grey.astype(int) - smooth > _SPOT, iterations=1)
    return np.where(spots, smooth, grey).astype(np.uint8)


def _box(lesion: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rim = max(2, round(RIM * 2 * float(np.sqrt(lesion.sum() / np.pi))))
    rows, cols = np.nonzero(ndimage.binary_dilation(lesion, iterations=rim))
    box = np.zeros(lesion.shape, bool)
    if len(rows):
        box[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1] = True
    return box


def _lesion(grey: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    gone = _box(lesion)
    ring = ndimage.binary_dilation(gone, iterations=5) & ~gone
    return np.where(gone, round(float(grey[ring].mean() if ring.any() else grey.mean())), grey).astype(np.uint8)


def _surroundings(grey: NDArray[np.uint8], lesion: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(_box(lesion), grey, round(float(grey.mean()))).astype(np.uint8)
