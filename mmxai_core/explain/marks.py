"""Burned-in callipers and text: bright, thin, sharp strokes that no echo makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.types import FloatMap, Mask

#: A calliper's arms must stand out of its four quadrants by this much display grey.
CROSS_CONTRAST = 0.1
#: An upright stroke must stand out to both sides by this much display grey, be this bright and this many pixels tall.
STROKE_CONTRAST, STROKE_GREY, STROKE_PIXELS = 0.25, 0.45, 5
_REACH = 3


def cross_centres(grey: FloatMap) -> NDArray[np.int64]:
    """Centres of "+" callipers: four bright arms of 3 pixels, four darker quadrants between them.

    Args:
        grey: (h, w) display grey in [0, 1], longer side about 448 pixels, where callipers are 7 to 11 pixels wide.

    Returns:
        (n, 2) rows and columns.
    """
    g = np.asarray(grey, np.float32)
    padded = np.pad(g, _REACH, mode="edge")

    def at(dy: int, dx: int) -> FloatMap:
        y, x = _REACH + dy, _REACH + dx
        return padded[y : y + g.shape[0], x : x + g.shape[1]]

    steps = range(1, _REACH + 1)
    arms = [sum((at(s * dy, s * dx) for s in steps), np.zeros_like(g)) / _REACH
            for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]  # fmt: skip
    quadrants = np.max([at(dy, dx) for dy in (-3, 3, -2, 2) for dx in (-3, 3, -2, 2)], 0)
    response = np.minimum(np.min(arms, 0), g) - quadrants
    peaks = (response > CROSS_CONTRAST) & (response == ndimage.maximum_filter(response, 7))
    return np.argwhere(peaks)


def stroke_map(grey: FloatMap) -> Mask:
    """(h, w) bool: upright bright strokes at most 4 pixels wide, as letters have; echoes of layers lie flat.

    Args:
        grey: As for `cross_centres`.
    """
    g = np.asarray(grey, np.float32)
    thin = (g - ndimage.grey_opening(g, size=(1, 5)) > STROKE_CONTRAST) & (g > STROKE_GREY)
    labels, n = ndimage.label(thin, np.ones((3, 3)))
    if not n:
        return np.zeros(g.shape, np.bool_)
    tall = np.array([False, *(s[0].stop - s[0].start >= STROKE_PIXELS for s in ndimage.find_objects(labels))])
    strokes: Mask = tall[labels]
    return strokes
