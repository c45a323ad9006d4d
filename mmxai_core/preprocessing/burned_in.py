"""Ultrasound: burned-in callipers and text taken out, so that no model reads what the operator thought.

Conservative: a mark is taken for one only where nothing in tissue looks like it. Inside the scan area that is a "+"
with four bright arms and four darker quadrants, or at least four upright strokes that share top and baseline, as the
letters of a line do. Outside of it, it is anything bright. A picture without marks comes back unchanged, to the bit.
Single digits, rulers' dots and dotted lines inside the scan area stay: they cannot be told from bright specks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from skimage.transform import resize

from mmxai_core.explain.marks import cross_centres, stroke_map
from mmxai_core.preprocessing.foreground import LIT, scan_area
from mmxai_core.types import FloatMap, Mask

#: Longer side at which marks have the sizes that `explain.marks` expects. A smaller picture is taken as it is: marks
#: are drawn in the pixels of the screen.
_SIDE = 448
#: A calliper's arms reach this far from its centre and are this wide to either side.
_ARM, _ARM_HALF_WIDTH = 6, 1
#: Pixels of a mark stand out of a 7 x 7 opening by this much display grey.
_STANDS_OUT = 0.08
#: A line of text: so many strokes, tops and baselines within so many pixels, gaps of at most so many stroke heights.
_LETTERS, _ALIGNED, _GAP = 4, 2, 2.0
#: Strokes of a line are about equally bright, and bright.
_BRIGHT, _EVEN = 0.55, 0.12
#: Tallest stroke of a letter.
_TALLEST = 24
#: Outside the scan area a lit region counts as a mark where its brightest pixel is above this: not JPEG's ringing.
_OUTSIDE_PEAK = 0.3
#: Letters stand out of an 11 x 11 opening by this much, are this bright, and, where they touch, this wide together.
_LETTER_CONTRAST, _LETTER_GREY, _WIDEST = 0.25, 0.45, 80
#: Smoothing behind the filling, pixels of the source.
_FILL_SIGMA = 3.0


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A picture without its marks, and what was taken out.

    Attributes:
        grey: (H, W) float32 in [0, 1]; the very input where nothing was found.
        callipers: Crosses found.
        lines: Lines of text found inside the scan area.
        inside: Pixels filled inside the scan area.
        outside: Pixels set to black outside of it.
    """

    grey: FloatMap
    callipers: int
    lines: int
    inside: int
    outside: int


def remove_marks(grey: FloatMap) -> Cleaned:
    """Fills marks inside the scan area from around them, and blackens bright things outside of it.

    Args:
        grey: (H, W) display grey in [0, 1].
    """
    beyond = _outside_marks(grey)
    inner = np.where(beyond, np.float32(0.0), grey) if beyond.any() else grey
    small = _fitted(inner)
    shape = small.shape
    crosses = cross_centres(small)
    texts = text_lines(small)
    raised = small - ndimage.grey_opening(small, size=(7, 7)) > _STANDS_OUT
    mark = np.zeros(shape, bool)
    for y, x in crosses.tolist():
        arms = np.zeros(shape, bool)
        arms[max(y - _ARM, 0) : y + _ARM + 1, max(x - _ARM_HALF_WIDTH, 0) : x + _ARM_HALF_WIDTH + 1] = True
        arms[max(y - _ARM_HALF_WIDTH, 0) : y + _ARM_HALF_WIDTH + 1, max(x - _ARM, 0) : x + _ARM + 1] = True
        mark |= arms & raised
    mark |= _letters(small, texts)
    inside = np.zeros(grey.shape, bool)
    if mark.any():
        mark = ndimage.binary_dilation(mark, iterations=1)
        if shape != grey.shape:
            mark = resize(mark.astype(np.float32), grey.shape, order=1, mode="edge", anti_aliasing=False) > 0.25
        inside = mark & ~beyond
    if not inside.any() and not beyond.any():
        return Cleaned(grey, 0, 0, 0, 0)
    out = np.where(inside, _filled(inner, inside), inner) if inside.any() else inner
    return Cleaned(out.astype(np.float32), len(crosses), len(texts), int(inside.sum()), int(beyond.sum()))


def text_lines(grey: FloatMap) -> tuple[tuple[int, int, int, int], ...]:
    """Boxes (top, left, bottom, right) around lines of at least four upright strokes of one height.

    Args:
        grey: (h, w) display grey in [0, 1], longer side about 448 pixels.
    """
    labels, n = ndimage.label(stroke_map(grey), np.ones((3, 3)))
    if n < _LETTERS:
        return ()
    found = ndimage.find_objects(labels)
    peak = ndimage.maximum(grey, labels, range(1, n + 1))
    rows = np.array([(s[0].start, s[0].stop, s[1].start, s[1].stop) for s in found])
    keep = (rows[:, 1] - rows[:, 0] <= _TALLEST) & (np.asarray(peak) >= _BRIGHT)
    rows, bright = rows[keep], np.asarray(peak)[keep]
    if len(rows) < _LETTERS:
        return ()
    count, group = connected_components(_same_line(rows, bright), directed=False)
    out = []
    for k in range(count):
        line = rows[group == k]
        if len(line) < _LETTERS:
            continue
        top, bottom = int(line[:, 0].min()), int(line[:, 1].max())
        height = bottom - top
        # Letters without an upright stroke at either end, such as S, reach over the outermost strokes.
        left, right = int(line[:, 2].min()) - height, int(line[:, 3].max()) + height
        out.append((max(top - 2, 0), max(left, 0), min(bottom + 2, grey.shape[0]), min(right, grey.shape[1])))
    return tuple(out)


def _same_line(rows: NDArray[np.int64], bright: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, n) bool: two strokes are neighbours in one line of text."""
    top, bottom, left, right = rows.T
    aligned = (np.abs(top[:, None] - top) <= _ALIGNED) & (np.abs(bottom[:, None] - bottom) <= _ALIGNED)
    gap = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
    height = np.maximum((bottom - top)[:, None], bottom - top)
    near: NDArray[np.bool_] = aligned & (gap <= _GAP * height) & (np.abs(bright[:, None] - bright) <= _EVEN)
    return near


def _fitted(grey: FloatMap) -> FloatMap:
    """The picture at the size marks are looked for at."""
    scale = _SIDE / max(grey.shape)
    if scale >= 1:
        return grey
    shape = (max(1, round(grey.shape[0] * scale)), max(1, round(grey.shape[1] * scale)))
    small: FloatMap = resize(grey, shape, order=1, mode="edge", anti_aliasing=True, preserve_range=True)
    return small.astype(np.float32)


def _letters(grey: FloatMap, lines: Sequence[tuple[int, int, int, int]]) -> Mask:
    """(h, w) bool: the letters of lines of text, whole, and those that go on beside them at the same height.

    A line is found by its upright strokes, which may be halves of letters and leave out round ones. From there it grows
    over bright, small, sharp things as tall as its letters and no further off than letters are.
    """
    mark = np.zeros(grey.shape, bool)
    if not lines:
        return mark
    sharp = (grey - ndimage.grey_opening(grey, size=(11, 11)) > _LETTER_CONTRAST) & (grey > _LETTER_GREY)
    labels, n = ndimage.label(sharp, np.ones((3, 3)))
    boxes = np.array([(s[0].start, s[0].stop, s[1].start, s[1].stop) for s in ndimage.find_objects(labels)])
    if not n:
        return mark
    small = (boxes[:, 1] - boxes[:, 0] <= _TALLEST) & (boxes[:, 3] - boxes[:, 2] <= _WIDEST)
    for top, left, bottom, right in lines:
        taken = small & (boxes[:, 0] < bottom) & (boxes[:, 1] > top) & (boxes[:, 2] < right) & (boxes[:, 3] > left)
        if not taken.any():
            continue
        high = float(np.median((boxes[:, 1] - boxes[:, 0])[taken]))
        y0, y1 = np.median(boxes[taken, 0]), np.median(boxes[taken, 1])
        level = (np.abs(boxes[:, 0] - y0) <= 0.4 * high) & (np.abs(boxes[:, 1] - y1) <= 0.4 * high) & small
        grown = True
        while grown:
            reach = _GAP * high
            near = (boxes[:, 2] < boxes[taken, 3].max() + reach) & (boxes[:, 3] > boxes[taken, 2].min() - reach)
            more = level & near & ~taken
            grown = bool(more.any())
            taken |= more
        mark |= np.array([False, *taken])[labels]
    return mark


def _outside_marks(grey: FloatMap) -> Mask:
    """(H, W) bool: lit regions outside the scan area that hold something bright."""
    outside = ~ndimage.binary_dilation(scan_area(grey), iterations=3) & (grey > LIT)
    labels, n = ndimage.label(outside, np.ones((3, 3)))
    if n == 0:
        return np.zeros(grey.shape, bool)
    bright = np.array([False, *(np.asarray(ndimage.maximum(grey, labels, range(1, n + 1))) > _OUTSIDE_PEAK)])
    marks: Mask = bright[labels]
    return marks


def _filled(grey: FloatMap, mark: Mask) -> FloatMap:
    """(H, W): the mean of the pixels around that are no mark, weighted by nearness."""
    known = (~mark).astype(np.float32)
    for sigma in (_FILL_SIGMA, 4 * _FILL_SIGMA, 16 * _FILL_SIGMA):
        weight = ndimage.gaussian_filter(known, sigma)
        if float(weight[mark].min()) > 1e-2:
            break
    smooth = ndimage.gaussian_filter(grey * known, sigma) / np.maximum(weight, 1e-6)
    filled: FloatMap = np.clip(smooth, 0.0, 1.0).astype(np.float32)
    return filled
