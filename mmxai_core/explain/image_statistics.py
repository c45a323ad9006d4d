"""Plain numbers about a picture, network aside: brightness, frame, texture, symmetry. They tell B-mode from CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from mmxai_core.types import FloatMap

#: Names of the numbers, in the order of `image_statistics`.
STATISTICS = (
    "mean", "sd", "black share", "white share", "dark border share", "black corners", "grey 10th percentile",
    "grey median", "grey 90th percentile", "histogram entropy", "brightness by depth", "top to middle",
    "bottom to middle", "left-right symmetry", "top-bottom symmetry", "aspect", "texture strength",
    "texture to brightness", "texture skewness", "texture tails", "across lag 1", "across lag 3", "across lag 6",
    "down lag 1", "down lag 3",
    "down lag 6", "fine to coarse", "edge direction", "flat share",
)  # fmt: skip
#: At or below this display grey a pixel counts as black: two of 255 levels, for JPEG's sake.
BLACK = 2.5 / 255
WHITE = 250.5 / 255
_EPS = 1e-3


def image_statistics(grey: FloatMap) -> NDArray[np.float64]:
    """The numbers named in `STATISTICS`. No forward pass; about 15 ms for a 448-pixel image.

    Args:
        grey: (h, w) display grey in [0, 1], at least 32 pixels a side, letterboxed scale (longer side = canvas), no
            padding, so that lags mean the same in every image.

    Returns:
        (len(STATISTICS),) float64, finite; shares and correlations are spread out by arctanh, ratios by log.
    """
    g = np.asarray(grey, np.float64)
    rows, cols = g.shape
    black = g <= BLACK
    edge = max(2, min(rows, cols) // 30)
    inner = np.zeros_like(black)
    inner[edge:-edge, edge:-edge] = True
    corner = max(4, min(rows, cols) // 10)
    ends = (slice(corner), slice(-corner, None))
    corners = [black[y, x] for y in ends for x in ends]
    low, middle, high = np.percentile(g, [10, 50, 90])
    histogram = np.histogram(g, 64, (0, 1))[0] / g.size
    depth = g.mean(1)
    third = rows // 3
    coarse = _resized(g, 24)
    rough = g - ndimage.gaussian_filter(g, 4)
    lit = ~ndimage.binary_dilation(black, iterations=3)
    if lit.sum() < 100:
        lit = np.ones_like(black)
    inside = rough[lit]
    strength = float(inside.std())
    fine = g - ndimage.gaussian_filter(g, 1)
    dy, dx = np.abs(np.diff(g, axis=0)).mean(), np.abs(np.diff(g, axis=1)).mean()
    middle_mean = depth[third : 2 * third].mean() + 0.02
    numbers = [
        g.mean(), g.std(), _spread(black.mean()), _spread((g >= WHITE).mean()), _spread(black[~inner].mean()),
        _spread(np.mean([c.mean() for c in corners])), low, middle, high,
        float(-(histogram[histogram > 0] * np.log(histogram[histogram > 0])).sum()),
        np.arctanh(0.99 * _correlation(depth, np.arange(rows, dtype=np.float64))),
        np.log((depth[:third].mean() + 0.02) / middle_mean), np.log((depth[-third:].mean() + 0.02) / middle_mean),
        np.arctanh(0.99 * _correlation(coarse, coarse[:, ::-1])),
        np.arctanh(0.99 * _correlation(coarse, coarse[::-1])), np.log(rows / cols),
        np.log(strength + _EPS), np.log((strength + _EPS) / (g[lit].mean() + 0.02)),
        np.arcsinh(_moment(inside, 3)), np.arcsinh(_moment(inside, 4)),
        *(np.arctanh(0.99 * _correlation(rough[:, k:], rough[:, :-k])) for k in (1, 3, 6)),
        *(np.arctanh(0.99 * _correlation(rough[k:], rough[:-k])) for k in (1, 3, 6)),
        np.log((fine[lit].std() + _EPS) / (strength + _EPS)), np.log((dy + _EPS) / (dx + _EPS)),
        _spread(float((ndimage.uniform_filter(np.abs(fine), 9)[lit] < 1e-3).mean())),
    ]  # fmt: skip
    return np.asarray(numbers, np.float64)


def _spread(share: float | np.floating) -> float:
    """A share in [0, 1] on the log-odds scale, floored at 1 in 1,000."""
    p = 0.001 + 0.998 * float(share)
    return float(np.log(p / (1 - p)))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's; 0 where either is constant."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / scale) if scale > 1e-9 else 0.0


def _moment(values: NDArray[np.float64], order: int) -> float:
    """Skewness (3) or excess kurtosis (4); 0 where the values are constant."""
    if values.std() < 1e-6:
        return 0.0
    return float(stats.skew(values) if order == 3 else stats.kurtosis(values))


def _resized(g: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Block means on a side x side grid."""
    rows = np.linspace(0, g.shape[0], side + 1).astype(int)
    cols = np.linspace(0, g.shape[1], side + 1).astype(int)
    summed = np.add.reduceat(np.add.reduceat(g, rows[:-1], 0), cols[:-1], 1)
    return np.asarray(summed / np.outer(np.diff(rows), np.diff(cols)))
