"""Colour scales: perceptually uniform, readable with colour-vision deficiency, on an absolute scale."""

from __future__ import annotations

from typing import Literal, get_args

import matplotlib
import numpy as np
from numpy.typing import NDArray

from mmxai_core.types import FloatMap

#: inferno, cividis and viridis: perceptually uniform (van der Walt & Smith 2015; Nuñez et al. 2018).
ColourMap = Literal["inferno", "cividis", "viridis"]
COLOUR_MAPS: tuple[ColourMap, ...] = get_args(ColourMap)

#: Toward and away from the positive class: vermillion and blue of Okabe & Ito (2008).
TOWARD, AWAY = "#d55e00", "#4a9fd8"


def lookup_table(name: ColourMap) -> NDArray[np.uint8]:
    """(256, 3) uint8 RGB, dark to bright.

    Raises:
        ValueError: Not one of `COLOUR_MAPS`.
    """
    if name not in COLOUR_MAPS:
        raise ValueError(f"Colour map must be one of {', '.join(COLOUR_MAPS)}; got {name!r}.")
    table: NDArray[np.uint8] = (matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255 + 0.5).astype(np.uint8)
    return table


def scale_map(values: FloatMap, *, reference: float, floor: float = 0.0) -> FloatMap:
    """Values on the absolute scale: `floor` -> 0, `reference` -> 1, clipped to [0, 1]; never the map's own maximum.

    Raises:
        ValueError: The reference is not above the floor.
    """
    if not reference > floor:
        raise ValueError(f"The reference must lie above the floor {floor:g}; got {reference:g}.")
    scaled: FloatMap = np.clip((values - floor) / (reference - floor), 0.0, 1.0).astype(np.float32)
    return scaled


def opacity_of(scaled: FloatMap, *, opacity: float, threshold: float = 0.0) -> FloatMap:
    """Opacity of each pixel, [0, 1]: none without evidence, rising as its square root, none below the threshold.

    The viewer in the browser uses the same rule.

    Args:
        scaled: (H, W) in [0, 1], from `scale_map`.
        opacity: Opacity at full evidence, [0, 1].
        threshold: Share of the reference below which nothing is drawn, [0, 1].
    """
    alpha: FloatMap = np.where(scaled > max(threshold, 1e-6), opacity * np.sqrt(scaled), 0.0).astype(np.float32)
    return alpha
