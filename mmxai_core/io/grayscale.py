"""From stored grey values to display grey, in the order of PS3.4 N.2: modality, values of interest, inversion last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.io.grey_rule import GreyRule
from mmxai_core.types import FloatArray, GreyImage

#: Where no window is stated above 8 bits: these percentiles of the pixels become black and white.
ROBUST_PERCENTILES = (0.5, 99.5)
_SAMPLE_VALUES = 4_000_000


def padding_mask(stored: NDArray[Any], rule: GreyRule) -> NDArray[np.bool_] | None:
    """Find pixels that stand for nothing: padding, or not finite.

    Args:
        stored: (H, W) stored values.
        rule: The frame's rule.

    Returns:
        (H, W) bool, True where there is no pixel; None where all are pixels.
    """
    mask: NDArray[np.bool_] | None = None
    if rule.padding is not None:
        mask = (stored >= rule.padding[0]) & (stored <= rule.padding[1])
    if stored.dtype.kind == "f":
        odd = ~np.isfinite(stored)
        mask = odd if mask is None else mask | odd
    return mask if mask is not None and bool(mask.any()) else None


def modality_values(stored: NDArray[Any], rule: GreyRule) -> FloatArray:
    """Apply the Modality LUT, or slope and intercept (PS3.3 C.11.1).

    Args:
        stored: (H, W) stored values.
        rule: The frame's rule.

    Returns:
        (H, W) modality values; float32 up to 16 bits, else float64.
    """
    wide = stored.dtype.itemsize > 2 and stored.dtype != np.float32
    if rule.modality_lut:
        return rule.modality_lut.apply(stored).astype(np.float32)
    values: FloatArray = stored.astype(np.float64) if wide else stored.astype(np.float32)
    if rule.slope != 1.0:
        values *= rule.slope
    if rule.intercept != 0.0:
        values += rule.intercept
    return values


def robust_range(values: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """Percentiles 0.5 and 99.5 over all images together, from at most four million evenly spaced values.

    Args:
        values: Arrays of modality values, padding removed.

    Returns:
        (low, high), high > low.
    """
    parts: list[NDArray[Any]] = []
    held = 0
    step = 1
    for array in values:
        parts.append(array.ravel()[::step].copy())
        held += parts[-1].size
        while held > 2 * _SAMPLE_VALUES:
            # Halve what is held and take half as much from here on: every image keeps its share.
            parts = [part[::2].copy() for part in parts]
            held = sum(part.size for part in parts)
            step *= 2
    pool = np.concatenate(parts) if parts else np.zeros(0)
    pool = pool[np.isfinite(pool)]
    if pool.size == 0:
        return 0.0, 1.0
    low, high = (float(p) for p in np.percentile(pool, ROBUST_PERCENTILES))
    if high <= low:
        low, high = float(pool.min()), float(pool.max())
    return (low, high) if high > low else (low, low + 1.0)


@dataclass(frozen=True, eq=False)
class Displayed:
    """A frame ready for display.

    Attributes:
        pixels: (H, W) float32 in [0, 1].
        value_range: Modality values that display 0 and 1 stand for; None for a curve.
        steps: What was done, in words, in order.
    """

    pixels: GreyImage
    value_range: tuple[float, float] | None
    steps: tuple[str, ...]


def display(
    stored: NDArray[Any], rule: GreyRule, *, pixel_range: tuple[float, float] | None = None, scope: str = "image"
) -> Displayed:
    """Run the whole pipeline on one frame.

    Args:
        stored: (H, W) stored values.
        rule: The frame's rule.
        pixel_range: Black and white from robust_range, needed where rule.needs_range.
        scope: What pixel_range was taken over, in words: "image", "series", "volume".

    Returns:
        The displayed frame; padding is black.
    """
    absent = padding_mask(stored, rule)
    values = modality_values(stored, rule)
    unit = f" {rule.unit}" if rule.unit and rule.unit != "US" else ""
    steps = []
    if rule.modality_lut:
        steps.append("Modality LUT (0028,3000) applied")
    elif (rule.slope, rule.intercept) != (1.0, 0.0):
        steps.append(f"Rescaled: {rule.slope:g} x stored {rule.intercept:+g}{unit}")
    ends: tuple[float, float] | None = None
    if rule.voi_lut:
        pixels = (rule.voi_lut.apply(values) / rule.voi_lut.full_scale).astype(np.float32)
        steps.append("VOI LUT (0028,3010) applied")
    elif rule.window and rule.window.function == "SIGMOID":
        # PS3.3 C.11.2.1.3.1; the exponent is clipped where float32 would overflow.
        slope = np.clip(-4.0 * (values - rule.window.centre) / rule.window.width, -80.0, 80.0)
        pixels = (1.0 / (1.0 + np.exp(slope))).astype(np.float32)
        steps.append(f"Window: centre {rule.window.centre:g}, width {rule.window.width:g}{unit} (SIGMOID)")
    else:
        ends, step = _ends(rule, pixel_range, unit, scope)
        steps.append(step)
        pixels = _ramp(values, *ends)
    steps.extend(rule.remarks)
    if rule.inverted:
        np.subtract(np.float32(1.0), pixels, out=pixels)
        ends = (ends[1], ends[0]) if ends else None
        steps.append("Inverted: the lowest value is white (MONOCHROME1)")
    if absent is not None:
        pixels[absent] = 0.0
        steps.append("Pixels without a value (padding) shown black")
    return Displayed(np.clip(pixels, 0.0, 1.0, out=pixels), ends, tuple(steps))


def _ends(
    rule: GreyRule, pixel_range: tuple[float, float] | None, unit: str, scope: str
) -> tuple[tuple[float, float], str]:
    if rule.window:
        window = rule.window
        return window.ends, f"Window: centre {window.centre:g}, width {window.width:g}{unit} ({window.function})"
    if rule.needs_range and pixel_range is not None:
        low, high = pixel_range
        return pixel_range, (
            f"No window stated: {low:g} to {high:g}{unit}, percentiles {ROBUST_PERCENTILES[0]} and "
            f"{ROBUST_PERCENTILES[1]} of the {scope}"
        )
    low, high = rule.full_range
    return (low, high), f"No window stated: full range {low:g} to {high:g}{unit}"


def _ramp(values: FloatArray, low: float, high: float) -> GreyImage:
    """0 at and below low, 1 at and above high, a straight line between; a step just above low where they are equal."""
    if high <= low:
        return (values > low).astype(np.float32)
    ramp = values - low
    ramp /= high - low
    np.clip(ramp, 0.0, 1.0, out=ramp)
    return ramp.astype(np.float32)
