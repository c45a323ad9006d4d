"""Mammograms: where the breast is, and on which side of the picture the chest wall lies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_triangle

from mmxai_core.preprocessing.foreground import largest, usable
from mmxai_core.types import FloatMap, Mask

Side = Literal["left", "right"]

#: The mask is found on block means of about this many pixels on the longer side; it is smooth, and films are large.
_COARSE = 512
#: Part of the picture's width that counts as its edge, and how many times more breast one edge must touch.
_EDGE, _CLEARLY = 0.03, 1.5
#: Cuts bridges of a few pixels between the breast and a label, in coarse pixels.
_OPENING = 3


def breast_mask(grey: FloatMap) -> Mask:
    """(H, W) bool: the largest region above the film's background, holes filled, labels and markers left out.

    The background's peak in the histogram is told from the tissue by the triangle method (Zack et al. 1977), which
    keeps the faint skin line that Otsu's threshold loses.

    Args:
        grey: (H, W) display grey in [0, 1], background dark.
    """
    step = max(1, min(max(grey.shape) // _COARSE, min(grey.shape)))
    coarse = ndimage.gaussian_filter(_block_means(grey, step), 1.0)
    if float(np.ptp(coarse)) < 1e-6:
        return np.ones(grey.shape, bool)
    lit = coarse > float(threshold_triangle(coarse))
    # Padded by its own edge: the breast goes on beyond the picture, and an opening must not round it off there.
    opened = ndimage.binary_opening(np.pad(lit, _OPENING, mode="edge"), iterations=_OPENING)
    found = usable(largest(opened[_OPENING:-_OPENING, _OPENING:-_OPENING]))
    fine = np.repeat(np.repeat(found, step, 0), step, 1)
    missing = [(0, max(0, n - m)) for n, m in zip(grey.shape, fine.shape, strict=True)]
    return np.pad(fine, missing, mode="edge")[: grey.shape[0], : grey.shape[1]].astype(bool)


def chest_wall(mask: Mask) -> Side | None:
    """The picture's edge that the breast touches; None where it is not clear.

    Read from the pixels, for digitised films were put in either way round; the patient's own side is not told by it.

    Args:
        mask: (H, W) bool: `breast_mask`.
    """
    width = max(1, round(_EDGE * mask.shape[1]))
    left, right = int(mask[:, :width].sum()), int(mask[:, -width:].sum())
    if left > _CLEARLY * right:
        return "left"
    return "right" if right > _CLEARLY * left else None


def _block_means(grey: FloatMap, step: int) -> FloatMap:
    rows, cols = (max(1, n // step) for n in grey.shape)
    cut = grey[: rows * step, : cols * step]
    means: FloatMap = cut.reshape(rows, step, cols, step).mean((1, 3)).astype(np.float32)
    return means
