"""Intensities on a scale that pictures of one modality share: z-scores, and the grey that stands for them.

The network standardises each canvas by its own content, so a z-score alone would change nothing it sees. What counts is
what goes with it: the foreground that mean and SD are taken from, the ends beyond which values are cut, and one shared
scale for the planes of a contrast series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mmxai_core.types import FloatMap, Mask

#: Values beyond these percentiles of the foreground do not count for mean and SD: vessels, ghosts, a clip.
PERCENTILES = (1.0, 99.0)
#: Pixels of the foreground's rim that do not count either: half of what they show is air.
RIM = 2
#: z-scores that grey 0 and grey 1 stand for.
Z_ENDS = (-3.0, 5.0)


@dataclass(frozen=True)
class Scale:
    """z = (value - mean) / sd; grey = (z - low) / (high - low), cut at 0 and 1.

    Attributes:
        mean: Of the foreground.
        sd: Of the foreground, above 0.
        low: z-score of grey 0.
        high: z-score of grey 1.
    """

    mean: float
    sd: float
    low: float = Z_ENDS[0]
    high: float = Z_ENDS[1]

    def grey(self, values: FloatMap) -> FloatMap:
        """(H, W) values -> (H, W) float32 in [0, 1]."""
        z = (values - np.float32(self.mean)) / np.float32(self.sd)
        share = (z - np.float32(self.low)) / np.float32(self.high - self.low)
        grey: FloatMap = np.clip(share, 0.0, 1.0).astype(np.float32)
        return grey


def robust_scale(planes: Sequence[FloatMap], mask: Mask) -> Scale:
    """The scale of planes that share one, from their foreground without its rim and its extremes.

    Args:
        planes: (H, W) each.
        mask: (H, W) bool, not empty.
    """
    core = ndimage.binary_erosion(mask, iterations=RIM, border_value=1)
    inside = np.concatenate([p[core if core.any() else mask] for p in planes])
    low, high = np.percentile(inside, PERCENTILES)
    kept = inside[(inside >= low) & (inside <= high)]
    sd = float(kept.std())
    # A flat picture has no spread to divide by: all of it is then z = 0.
    return Scale(float(kept.mean()), sd if sd > 1e-6 * max(1.0, abs(float(kept.mean()))) else 1.0)


def window_scale(low: float, high: float, mean: float, sd: float) -> Scale:
    """The scale of a fixed window, with a cohort's constants: grey 0 and 1 are the window's ends."""
    return Scale(mean, sd, (low - mean) / sd, (high - mean) / sd)
