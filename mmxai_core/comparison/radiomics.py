"""Radiomics-style features of the lesion that the model's own lesion map finds; the expert's mask is never read.

First-order statistics, grey-level co-occurrence (Haralick et al. 1973), local binary patterns (Ojala et al. 2002) and
shape, by scikit-image, on the canvas; after Zwanenburg et al. 2020 (IBSI) in kind, not in every detail.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.measure import regionprops
from torch.nn import functional as F

from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases
from mmxai_core.types import Mask

_LEVELS = 32
_DISTANCES, _ANGLES = (1, 3, 6), (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")
_SHAPE = ("area", "eccentricity", "solidity", "extent", "orientation", "axis_ratio", "compactness", "height_width")
_FIRST = ("mean", "sd", "skewness", "kurtosis", "entropy", "p10", "p90")
NAMES: tuple[str, ...] = (
    *(f"first_{n}" for n in _FIRST), "contrast_ring", "contrast_below", "sd_ring", "edge_mean", "edge_sd",
    *(f"glcm_{p}_{d}_{how}" for p in _PROPERTIES for d in _DISTANCES for how in ("mean", "range")),
    *(f"lbp_{i}" for i in range(10)), *(f"shape_{n}" for n in _SHAPE), "map_peak",
)  # fmt: skip


def found_lesion(probability: NDArray[np.float32]) -> Mask:
    """(S, S) lesion probability -> the component with most mass among pixels above half of the maximum."""
    labels, n = ndimage.label(probability > 0.5 * probability.max())
    if n == 0:
        return np.ones(probability.shape, bool)
    mass = ndimage.sum_labels(probability, labels, range(1, n + 1))
    kept: Mask = labels == int(np.argmax(mass)) + 1
    return kept


def features(grey: NDArray[np.uint8], lesion: Mask, content: Mask, peak: float) -> NDArray[np.float64]:
    """One case.

    Args:
        grey: (S, S) display grey.
        lesion: (S, S) bool, where the model sees the lesion.
        content: (S, S) bool, the image on the canvas.
        peak: Maximum of the lesion map, in [0, 1].

    Returns:
        (len(NAMES),) finite.
    """
    x = grey.astype(np.float64)
    x = (x - x[content].mean()) / max(float(x[content].std()), 1e-6)
    inside = x[lesion & content] if (lesion & content).any() else x[content]
    reach = max(3, int(np.sqrt(lesion.sum()) / 6))
    ring = ndimage.binary_dilation(lesion, iterations=reach) & ~lesion & content
    around = x[ring] if ring.any() else x[content]
    rows, cols = np.nonzero(lesion)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, cols.min(), cols.max() + 1
    below = x[y1 : y1 + max((y1 - y0) // 2, 2), x0:x1]
    edge = ndimage.gaussian_gradient_magnitude(x, 1.0)[lesion ^ ndimage.binary_erosion(lesion, iterations=2)]
    low, high = np.percentile(x[content], [1, 99])
    quantised = np.clip((x - low) / max(high - low, 1e-6) * (_LEVELS - 1), 0, _LEVELS - 1).astype(np.uint8)
    counts = np.bincount(quantised[lesion], minlength=_LEVELS) / max(int(lesion.sum()), 1)
    first = [
        inside.mean(), inside.std(), stats.skew(inside), stats.kurtosis(inside), stats.entropy(counts + 1e-12),
        *np.percentile(inside, [10, 90]), inside.mean() - around.mean(),
        (below.mean() if below.size else 0.0) - inside.mean(), around.std(), edge.mean() if edge.size else 0.0,
        edge.std() if edge.size else 0.0,
    ]  # fmt: skip
    glcm = graycomatrix(quantised[y0:y1, x0:x1], _DISTANCES, _ANGLES, levels=_LEVELS, symmetric=True, normed=True)
    texture = []
    for name in _PROPERTIES:
        table = graycoprops(glcm, name)
        for row in table:
            texture += [row.mean(), np.ptp(row)]
    pattern = local_binary_pattern(grey, 8, 1, method="uniform")[lesion]
    patterns = np.bincount(pattern.astype(int), minlength=10)[:10] / max(len(pattern), 1)
    (region,) = regionprops(lesion.astype(np.uint8))
    minor = max(float(region.axis_minor_length), 1e-6)
    shape = [
        region.area / max(int(content.sum()), 1), region.eccentricity, region.solidity, region.extent,
        abs(region.orientation), region.axis_major_length / minor, region.perimeter**2 / max(region.area, 1),
        (y1 - y0) / (x1 - x0),
    ]  # fmt: skip
    return np.nan_to_num(np.array([*first, *texture, *patterns, *shape, peak], np.float64))


def radiomics(encoder: ImageEncoder, data: CohortArrays) -> NDArray[np.float64]:
    """(N, len(NAMES)) features of each case's found lesion."""
    size = data.grey.shape[-1]
    maps = torch.cat([s.lesion_logits for s in encode_cases(encoder, data)])
    out = np.zeros((len(data), len(NAMES)))
    for i in range(len(data)):
        fine = F.interpolate(maps[i][None], size=(size, size), mode="bilinear", align_corners=False)
        p = torch.sigmoid(fine)[0, 0].numpy()
        y, x, rows, cols = data.content[i].tolist()
        content = np.zeros((size, size), bool)
        content[y : y + rows, x : x + cols] = True
        out[i] = features(
            data.grey[i], found_lesion(np.where(content, p, 0.0).astype(np.float32)), content, float(p.max())
        )
    return out
