"""Where the patient is: head or breast in MR, body in CT, scan area in ultrasound. The lesion is never looked at."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import convex_hull_image

from mmxai_core.preprocessing.placement import Window
from mmxai_core.types import FloatMap, Mask

#: Air has a few parts in a hundred of the tissue's MR signal; fat-suppressed fat and gland have more than a tenth.
_AIR_SIGNAL = 0.1
#: HU between air and the skin.
_SKIN_HU = -500.0
#: At or below this display grey (20 of 255) nothing is shown: JPEG's ringing around a scan area reaches 10.
LIT = 20 / 255
#: Lit regions from this share of the picture on belong to the scan area; labels and grey bars beside it are smaller.
_PART = 0.02
#: Outside a scan area the screen is black: at or below this grey, but for this share of its pixels. A shadow is not.
_BLACK, _SPECKS, _RINGING_REACH = 3 / 255, 0.02, 8
#: A foreground outside these shares of the picture is taken for a mistake, and the whole picture is used.
_SMALLEST, _LARGEST = 0.02, 0.995


def head_or_breast(values: FloatMap) -> Mask:
    """(H, W) bool: the largest region above the air's signal, holes filled.

    The threshold is Otsu's (1979), but at most a tenth of the 99th percentile: in a crop that is all tissue Otsu would
    part bright tissue from dark.

    Args:
        values: (H, W) MR signal, not negative but for noise.
    """
    smooth = ndimage.gaussian_filter(values, 1.0)
    top = float(np.percentile(smooth, 99))
    if not top > float(smooth.min()):
        return np.ones(values.shape, bool)
    return usable(largest(smooth > min(float(threshold_otsu(smooth)), _AIR_SIGNAL * top)))


def body(hu: FloatMap) -> Mask:
    """(H, W) bool: the largest region above -500 HU with the lungs inside it; the table is cut off.

    Args:
        hu: (H, W) HU.
    """
    solid = ndimage.gaussian_filter(hu, 1.0) > _SKIN_HU
    reach = max(1, min(hu.shape) // 100)
    return usable(largest(ndimage.binary_opening(solid, iterations=reach)))


def scan_area(grey: FloatMap) -> Mask:
    """(H, W) bool: the convex hull of the large lit regions, a fan or a rectangle, with its shadows.

    The whole picture where what lies outside is not black: then it is a shadow or a dark corner, not the screen.

    Args:
        grey: (H, W) display grey in [0, 1].
    """
    whole = np.ones(grey.shape, bool)
    lit = ndimage.binary_closing(np.pad(grey > LIT, 4), iterations=4)[4:-4, 4:-4]
    labels, n = ndimage.label(ndimage.binary_opening(lit, iterations=2))
    if n == 0:
        return whole
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    parts = sizes >= _PART * grey.size
    parts[int(np.argmax(sizes))] = True
    hull = np.asarray(convex_hull_image(parts[labels]), bool)
    quiet = ~(hull | ndimage.binary_dilation(lit, iterations=_RINGING_REACH))
    if not quiet.any() or float((grey[quiet] > _BLACK).mean()) > _SPECKS:
        return whole
    return usable(hull)


def largest(mask: Mask) -> Mask:
    """The largest connected region, its holes filled; empty where the mask is."""
    labels, n = ndimage.label(mask)
    if n == 0:
        return np.zeros(mask.shape, bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    filled: Mask = ndimage.binary_fill_holes(labels == int(np.argmax(sizes)))
    return filled


def usable(mask: Mask) -> Mask:
    """The mask, or the whole picture where it covers hardly any or nearly all of it."""
    return mask if _SMALLEST <= float(mask.mean()) <= _LARGEST else np.ones(mask.shape, bool)


def window_around(mask: Mask, margin: float) -> Window:
    """The smallest window around a mask, with a margin.

    The margin may reach over the picture's edge, which is then padded, but for sides where the mask itself ends at the
    edge: a black rim there would look like the end of the patient.

    Args:
        mask: (H, W) bool, not empty.
        margin: Part of the window's longer side that is added on each side.
    """
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, x0, y1, x1 = int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1
    add = round(margin * max(y1 - y0, x1 - x0))
    height, width = mask.shape
    return (
        y0 - add if y0 > 0 else 0, x0 - add if x0 > 0 else 0,
        y1 + add if y1 < height else height, x1 + add if x1 < width else width,
    )  # fmt: skip
