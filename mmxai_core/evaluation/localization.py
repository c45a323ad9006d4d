"""Does the evidence lie in the lesion? Three numbers of one saliency map against one lesion mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmxai_core.errors import CohortError
from mmxai_core.types import FloatMap, Mask


@dataclass(frozen=True)
class Localization:
    """One case's map against its mask.

    Attributes:
        hit: The pointing game (Zhang et al. 2018), without tolerance: the map's strongest pixel lies in the lesion.
        iou: Intersection over union of the lesion and the map's strongest pixels, as many as the lesion has.
        energy: Share of the map's positive evidence inside the lesion (Wang et al. 2020), in [0, 1].
        lesion_share: Share of the image that the lesion covers: what a map without knowledge would score.
    """

    hit: bool
    iou: float
    energy: float
    lesion_share: float


def localize(saliency: FloatMap, mask: Mask) -> Localization:
    """Compares a map with a mask on the source's pixels.

    A map without any positive evidence, or without contrast, points nowhere: it misses, with IoU and energy 0. Where
    several pixels tie for the strongest, most of them must lie in the lesion.

    Args:
        saliency: (H, W) raw map; not normalised.
        mask: (H, W) bool, True = lesion.

    Raises:
        CohortError: Shapes differ, or the mask is empty.
    """
    if saliency.shape != mask.shape:
        raise CohortError(f"The saliency map is {saliency.shape}, the lesion mask {mask.shape}.")
    area = int(mask.sum())
    if not area:
        raise CohortError("The lesion mask is empty.")
    share = area / mask.size
    peak = float(saliency.max())
    if peak <= 0 or peak == float(saliency.min()):
        return Localization(False, 0.0, 0.0, share)
    hit = bool(mask[saliency == peak].mean() > 0.5)
    top = np.zeros(mask.size, bool)
    top[np.argpartition(saliency, mask.size - area, axis=None)[mask.size - area :]] = True
    shared = int((top & mask.ravel()).sum())
    positive = np.maximum(saliency, 0).astype(np.float64)
    return Localization(hit, shared / (2 * area - shared), float(positive[mask].sum() / positive.sum()), share)
