"""A map that means nothing, drawn to look like one that does: the placebo arm of a reader study.

Readers rate placebo explanations nearly as high as real ones (Eiband et al., CHI 2019, "The impact of placebic
explanations on trust in intelligent systems"); without such an arm, agreement with a map says little about the map.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmxai_core.types import FloatMap


def placebo_map(real: FloatMap, *, seed: int, case: str) -> NDArray[np.float32]:
    """A map with the real one's values at other places.

    Smooth noise decides the order of the pixels, and the real map's values are dealt out in that order: the same
    histogram, so the same colours and the same area of each, without the same places.

    Args:
        real: (H, W) float, the map of the case.
        seed: The study's seed.
        case: Case id; with the seed it fixes the noise, so that a reload shows the same placebo.

    Returns:
        (H, W) float32.
    """
    rows, columns = real.shape
    digest = hashlib.sha256(f"{seed}|{case}|placebo".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    # As smooth as a map of the network's own grid: blobs of about a tenth of the image.
    noise = ndimage.gaussian_filter(rng.normal(size=(rows, columns)), max(rows, columns) / 12, mode="reflect")
    out = np.empty(rows * columns, np.float32)
    out[np.argsort(noise, axis=None)] = np.sort(np.asarray(real, np.float32), axis=None)
    return out.reshape(rows, columns)
