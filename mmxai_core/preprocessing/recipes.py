"""The steps of each modality, in order: source planes -> grey planes on one scale, and where they lie on the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmxai_core.preprocessing.bias_field import SMALLEST_SIDE, fit_bias_field
from mmxai_core.preprocessing.breast import breast_mask, chest_wall
from mmxai_core.preprocessing.burned_in import remove_marks
from mmxai_core.preprocessing.foreground import body, head_or_breast, scan_area, window_around
from mmxai_core.preprocessing.intensity import Scale, robust_scale, window_scale
from mmxai_core.preprocessing.placement import Placement
from mmxai_core.preprocessing.settings import Modality, PreprocessSettings
from mmxai_core.preprocessing.source import Source
from mmxai_core.types import FloatMap, Json, Mask


@dataclass(frozen=True, eq=False)
class Cooked:
    """What a recipe gives.

    Attributes:
        planes: (C, h, w) float32 grey in [0, 1].
        placement: How they lie on the source.
        steps: What was done, in words, in order.
        numbers: What was measured on the way, by name.
    """

    planes: NDArray[np.float32]
    placement: Placement
    steps: tuple[str, ...]
    numbers: Mapping[str, Json] = field(default_factory=dict)


def cook(source: Source, modality: Modality, settings: PreprocessSettings) -> Cooked:
    """Runs the recipe of a modality."""
    return _RECIPES[modality](source, settings)


def _mr(source: Source, settings: PreprocessSettings) -> Cooked:
    """N4, then z-score within the head or breast; phases of a contrast series share field and scale."""
    planes = [p.astype(np.float32) for p in source.planes]
    steps: list[str] = []
    groups = [list(range(len(planes)))] if source.shared else [[i] for i in range(len(planes))]
    means = [_mean([planes[i] for i in group]) for group in groups]
    masks = [head_or_breast(mean) for mean in means]
    spreads: list[float] = []
    if settings.n4 and min(planes[0].shape) < SMALLEST_SIDE:
        steps.append(f"N4 left out: a side is below {SMALLEST_SIDE} pixels")
    elif settings.n4:
        for group, mean, mask in zip(groups, means, masks, strict=True):
            if not float(np.percentile(mean[mask], 98)) > 0:
                steps.append("N4 left out: the plane is empty")
                continue
            found = fit_bias_field(mean, mask, shrink=settings.n4_shrink, iterations=settings.n4_iterations)
            spreads.append(round(found.spread, 5))
            for i in group:
                planes[i] = planes[i] / found.field
        steps.append(f"N4 bias field divided out ({'one for all planes' if source.shared else 'one a plane'})")
    grey: list[FloatMap] = [np.zeros_like(p) for p in planes]
    scales: list[Scale] = []
    for group, mask in zip(groups, masks, strict=True):
        scale = robust_scale([planes[i] for i in group], mask)
        scales.append(scale)
        for i in group:
            grey[i] = scale.grey(planes[i])
    steps.append("z-score within the foreground")
    everywhere = np.any(masks, axis=0)
    return _placed(grey, everywhere, source, settings, steps, {
        "bias_spread": spreads, "z_of_grey": [scales[0].low, scales[0].high],
        "mean": [round(s.mean, 6) for s in scales], "sd": [round(s.sd, 6) for s in scales],
    }, blank=False)  # fmt: skip


def _mean(planes: list[FloatMap]) -> FloatMap:
    mean: FloatMap = np.stack(planes).mean(0).astype(np.float32)
    return mean


def _ct(source: Source, settings: PreprocessSettings) -> Cooked:
    """Window, z-score with the cohort's constants, body only. A raster has no HU: its grey is taken for the window."""
    scale = window_scale(settings.ct_low, settings.ct_high, settings.ct_mean, settings.ct_sd)
    span = settings.ct_high - settings.ct_low
    hu = source.planes if source.hounsfield else source.planes * np.float32(span) + np.float32(settings.ct_low)
    stated = "HU" if source.hounsfield else "display grey taken for HU over the window"
    mask = body(hu[0])
    steps = [
        f"{stated}, window {settings.ct_low:g} to {settings.ct_high:g}",
        f"z-score with mean {settings.ct_mean:g} and SD {settings.ct_sd:g} HU",
    ]
    grey = [scale.grey(p) for p in hu]
    return _placed(grey, mask, source, settings, steps, {"z_of_grey": [scale.low, scale.high]}, blank=True)


def _mg(source: Source, settings: PreprocessSettings) -> Cooked:
    """Chest wall to the left, breast mask, everything else black, z-score within the breast."""
    grey = source.planes[0]
    side = chest_wall(breast_mask(grey))
    mirrored = settings.chest_wall_left and side == "right"
    # Mirrored first and measured again, so that both breasts go through the very same arithmetic.
    shown = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
    mask = breast_mask(shown)
    scale = robust_scale([shown], mask)
    steps = ["breast mask, the rest black", "z-score within the breast"]
    if mirrored:
        steps.insert(0, "mirrored: the chest wall is on the left")
    elif settings.chest_wall_left and side is None:
        steps.insert(0, "not mirrored: the side of the chest wall is not clear")
    outside = int((~mask & (shown > 0.5)).sum())
    numbers = {
        "chest_wall": side, "mirrored": mirrored, "bright_pixels_outside": outside,
        "z_of_grey": [scale.low, scale.high],
    }  # fmt: skip
    return _placed([scale.grey(shown)], mask, source, settings, steps, numbers, blank=True, mirrored=mirrored)


def _us(source: Source, settings: PreprocessSettings) -> Cooked:
    """Marks out; the echoes' grey stays as it is."""
    planes = [p.astype(np.float32) for p in source.planes]
    steps: list[str] = []
    numbers = {"mark_pixels_inside": 0, "mark_pixels_outside": 0, "callipers": 0, "text_lines": 0}
    if settings.marks:
        cleaned = [remove_marks(p) for p in planes]
        planes = [c.grey for c in cleaned]
        numbers = {
            "mark_pixels_inside": sum(c.inside for c in cleaned),
            "mark_pixels_outside": sum(c.outside for c in cleaned),
            "callipers": sum(c.callipers for c in cleaned), "text_lines": sum(c.lines for c in cleaned),
        }  # fmt: skip
        changed = numbers["mark_pixels_inside"] + numbers["mark_pixels_outside"]
        steps.append(f"burned-in marks: {changed} pixels changed" if changed else "no burned-in marks found")
    return _placed(planes, scan_area(planes[0]), source, settings, steps, numbers, blank=False)


def _placed(
    grey: list[FloatMap], mask: Mask, source: Source, settings: PreprocessSettings, steps: list[str],
    numbers: Mapping[str, Json], *, blank: bool, mirrored: bool = False,
) -> Cooked:  # fmt: skip
    """Blackens what is not the patient where asked, cuts to the foreground, makes pixels square.

    Args:
        grey: Planes, mirrored already.
        mask: Foreground of the mirrored planes.
        source: Where they come from.
        settings: See `PreprocessSettings`.
        steps: Done so far.
        numbers: Measured so far.
        blank: Whether pixels outside the mask become black.
        mirrored: Whether the planes were mirrored.
    """
    rows, cols = mask.shape
    if blank:
        grey = [np.where(mask, p, np.float32(0.0)) for p in grey]
    upright = Placement.whole((rows, cols))
    if settings.crop:
        upright = upright.cut(window_around(mask, settings.margin))
        if upright.window != (0, 0, rows, cols):
            steps.append("cut to the foreground")
    spacing = source.spacing_mm
    if spacing and (settings.spacing_mm or (settings.isotropic and spacing[0] != spacing[1])):
        upright = upright.square_pixels(spacing, settings.spacing_mm)
        steps.append(f"resampled to {settings.spacing_mm or min(spacing):g} mm square pixels")
    moved = np.stack([upright.move(p) for p in grey])
    share = round(float(mask.mean()), 4)
    placement = Placement(upright.source, upright.window, upright.shape, mirrored)
    return Cooked(moved, placement, tuple(steps), {**numbers, "foreground_share": share})


_RECIPES: Mapping[Modality, Callable[[Source, PreprocessSettings], Cooked]] = {
    "MR": _mr, "CT": _ct, "MG": _mg, "US": _us,
}  # fmt: skip
