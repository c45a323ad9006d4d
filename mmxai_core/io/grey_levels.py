"""The full depth of a grey frame, for a viewer's own window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.io.grey_rule import GreyRule
from mmxai_core.study import GreyLevels

_STEPS = 65536


def grey_levels(stored: NDArray[Any], rule: GreyRule) -> GreyLevels | None:
    """Stored values as 16 bits without loss, with the scale that makes modality values of them (PS3.3 C.11.1).

    Args:
        stored: (H, W) stored values.
        rule: The frame's rule.

    Returns:
        The levels; None where 8 bits hold all, where a modality LUT bends the scale, or where the values are not whole
        or span more than 16 bits.
    """
    if stored.dtype.kind not in "ui" or stored.dtype.itemsize < 2 or rule.modality_lut is not None:
        return None
    low, high = int(stored.min()), int(stored.max())
    # An offset that all slices of a series share, where there is one: 0 or half the range, before the frame's own.
    offset = next((o for o in (0, -32768, low) if o <= low and high - o < _STEPS), None)
    if offset is None or not np.isfinite(rule.slope) or rule.slope == 0.0:
        return None
    padding = None
    if rule.padding is not None:
        first, last = (int(np.clip(p - offset, -1, _STEPS)) for p in rule.padding)
        padding = (max(first, 0), min(last, _STEPS - 1)) if last >= 0 and first < _STEPS else None
    return GreyLevels(
        (stored if offset == 0 else stored.astype(np.int32) - offset).astype(np.uint16),
        float(rule.slope), float(rule.slope * offset + rule.intercept), "" if rule.unit == "US" else rule.unit,
        rule.inverted, padding,
    )  # fmt: skip
