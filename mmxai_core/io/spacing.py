"""Pixel spacing in millimetres, and the tag that states it."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from mmxai_core.io.header import functional_group, items, numbers
from mmxai_core.io.reading import Reading
from mmxai_core.study import PixelGeometry

_CENTIMETRES = 3  # PhysicalUnitsXDirection (0018,6024), PS3.3 C.8.5.5.1.15
_TISSUE = 1  # RegionDataType (0018,6014)

#: Tags of the whole object, the most trustworthy first (PS3.3 10.7.1.3 ranks calibrated above detector spacing).
_TAGS = (
    ("PixelSpacing", "PixelSpacing (0028,0030)"),
    ("ImagerPixelSpacing", "ImagerPixelSpacing (0018,1164), at the detector"),
    ("NominalScannedPixelSpacing", "NominalScannedPixelSpacing (0018,2010)"),
)


def geometry(dataset: Dataset, shape: tuple[int, int], frame: int, reading: Reading) -> PixelGeometry:
    """Find a frame's spacing.

    The frame's or shared PixelMeasuresSequence comes first, then PixelSpacing, the ultrasound region calibration,
    ImagerPixelSpacing (stated to be at the detector: the anatomy is smaller) and NominalScannedPixelSpacing.

    Args:
        dataset: The object.
        shape: (rows, columns), pixels.
        frame: Index from 0.
        reading: Gets a note where a stated spacing is impossible, or pixels are not square.

    Returns:
        The geometry; spacing None where nothing usable is stated.
    """
    measures = functional_group(dataset, "PixelMeasuresSequence", frame)
    candidates = [(numbers(measures, "PixelSpacing"), "PixelSpacing (0028,0030), frame")] if measures else []
    candidates.append((numbers(dataset, _TAGS[0][0]), _TAGS[0][1]))
    candidates.append((_ultrasound(dataset, reading), "SequenceOfUltrasoundRegions (0018,6011)"))
    candidates += [(numbers(dataset, keyword), source) for keyword, source in _TAGS[1:]]
    for spacing, source in candidates:
        if not spacing:
            continue
        if len(spacing) == 2 and all(math.isfinite(s) and s > 0 for s in spacing):
            return PixelGeometry(shape, (spacing[0], spacing[1]), source)
        reading.note(f"{source} is not two positive numbers; it was ignored.")
    aspect = numbers(dataset, "PixelAspectRatio")
    if len(aspect) == 2 and aspect[0] != aspect[1]:
        reading.note(
            f"Pixels are not square: PixelAspectRatio (0028,0034) is {aspect[0]:g}:{aspect[1]:g}; mm are not stated."
        )
    return PixelGeometry(shape)


def _ultrasound(dataset: Dataset, reading: Reading) -> tuple[float, ...]:
    """Spacing of the largest 2D tissue region calibrated in centimetres (PS3.3 C.8.5.5), in mm."""
    found: list[tuple[float, tuple[float, float]]] = []
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        units = numbers(region, "PhysicalUnitsXDirection") + numbers(region, "PhysicalUnitsYDirection")
        deltas = numbers(region, "PhysicalDeltaY") + numbers(region, "PhysicalDeltaX")
        if list(units) != [_CENTIMETRES, _CENTIMETRES] or len(deltas) != 2 or 0 in deltas:
            continue
        if (numbers(region, "RegionDataType") or (_TISSUE,))[0] != _TISSUE:
            continue
        x0, x1, y0, y1 = (
            (numbers(region, k) or (0.0,))[0]
            for k in ("RegionLocationMinX0", "RegionLocationMaxX1", "RegionLocationMinY0", "RegionLocationMaxY1")
        )
        # Deltas may be negative where an axis points the other way; centimetres -> millimetres.
        found.append(((x1 - x0) * (y1 - y0), (abs(deltas[0]) * 10.0, abs(deltas[1]) * 10.0)))
    if len({spacing for _, spacing in found}) > 1:
        reading.note("The ultrasound regions have different scales; the largest tissue region's spacing is used.")
    return max(found)[1] if found else ()
