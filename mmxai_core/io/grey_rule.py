"""What a DICOM header says about the display of a grey frame: modality, values of interest, inversion, padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset

from mmxai_core.io.header import functional_group, items, numbers, text
from mmxai_core.io.lut import LookupTable, lookup_table


@dataclass(frozen=True)
class Window:
    """A window (0028,1050), (0028,1051) and its function (0028,1056).

    Attributes:
        centre: Window centre, modality units.
        width: Window width, modality units, > 0.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID".
    """

    centre: float
    width: float
    function: str

    @property
    def ends(self) -> tuple[float, float]:
        """The modality values that become 0 and 1 (PS3.3 C.11.2.1.2, C.11.2.1.3.2). A sigmoid has none."""
        if self.function == "LINEAR":
            low = self.centre - 0.5 - (self.width - 1.0) / 2.0
            return low, low + self.width - 1.0
        return self.centre - self.width / 2.0, self.centre + self.width / 2.0


@dataclass(frozen=True, kw_only=True)
class GreyRule:
    """What a header says about the display of one frame.

    Attributes:
        slope: Rescale slope, modality units a stored unit.
        intercept: Rescale intercept, modality units.
        unit: RescaleType such as "HU", or "".
        modality_lut: Replaces slope and intercept where present.
        voi_lut: Replaces the window where present.
        window: Used where there is no VOI LUT.
        inverted: MONOCHROME1, or a Presentation LUT Shape of INVERSE: the lowest value is white.
        stored_range: Smallest and largest stored value the header allows.
        bits: Bits stored; 0 for floating-point pixels.
        padding: Inclusive range of stored values that stand for no pixel, or None.
        remarks: What was odd, in words.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    modality_lut: LookupTable | None = None
    voi_lut: LookupTable | None = None
    window: Window | None = None
    inverted: bool = False
    stored_range: tuple[float, float] = (0.0, 255.0)
    bits: int = 8
    padding: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()

    @property
    def needs_range(self) -> bool:
        """Whether black and white must be taken from the pixels: no window, no VOI LUT, more than 8 bits."""
        depth = self.modality_lut.bits if self.modality_lut else self.bits
        return self.voi_lut is None and self.window is None and (depth == 0 or depth > 8)

    @property
    def full_range(self) -> tuple[float, float]:
        """All modality values the stored bits can take."""
        if self.modality_lut:
            return 0.0, self.modality_lut.full_scale
        ends = sorted(s * self.slope + self.intercept for s in self.stored_range)
        return ends[0], ends[1]


def grey_rule(dataset: Dataset, frame: int = 0) -> GreyRule:
    """Read the display rule of one frame.

    Args:
        dataset: The object.
        frame: Index from 0; its functional groups come before the object's own tags.

    Returns:
        The rule.
    """
    rescale = functional_group(dataset, "PixelValueTransformationSequence", frame) or dataset
    slope, intercept = numbers(rescale, "RescaleSlope"), numbers(rescale, "RescaleIntercept")
    dose = numbers(dataset, "DoseGridScaling")
    floating = "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
    bits = 0 if floating else int((numbers(dataset, "BitsStored") or (0.0,))[0])
    signed = (numbers(dataset, "PixelRepresentation") or (0.0,))[0] == 1.0
    rule = GreyRule(
        slope=_finite(slope or dose, 1.0) or 1.0,
        intercept=_finite(intercept, 0.0),
        unit=text(rescale, "RescaleType", 16) or text(dataset, "DoseUnits", 8),
        modality_lut=next((lookup_table(item, dataset) for item in items(dataset, "ModalityLUTSequence")), None),
        inverted=text(dataset, "PhotometricInterpretation", 16) == "MONOCHROME1"
        or text(dataset, "PresentationLUTShape", 16) == "INVERSE",
        stored_range=(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed and bits else (0.0, 2.0**bits - 1),
        bits=bits,
        padding=_padding(dataset),
    )
    voi = functional_group(dataset, "FrameVOILUTSequence", frame) or dataset
    tables = items(voi, "VOILUTSequence")
    if tables and (table := lookup_table(tables[0], dataset)):
        return replace(rule, voi_lut=table)
    return _with_window(rule, voi)


def _finite(stated: tuple[float, ...], default: float) -> float:
    return stated[0] if stated and np.isfinite(stated[0]) else default


def _padding(dataset: Dataset) -> tuple[float, float] | None:
    """Pixel Padding Value (0028,0120), with Range Limit (0028,0121) (PS3.3 C.7.5.1.1.2)."""
    first = numbers(dataset, "PixelPaddingValue")
    if not first:
        return None
    last = numbers(dataset, "PixelPaddingRangeLimit") or first
    return min(first[0], last[0]), max(first[0], last[0])


def _with_window(rule: GreyRule, voi: Dataset) -> GreyRule:
    centres, widths = numbers(voi, "WindowCenter"), numbers(voi, "WindowWidth")
    if not centres or not widths:
        return rule
    function = text(voi, "VOILUTFunction", 16).upper() or "LINEAR"
    remarks = [f"first of {len(centres)} stated windows"] if len(centres) > 1 else []
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        remarks.append(f"unknown VOILUTFunction (0028,1056) {function}, LINEAR used")
        function = "LINEAR"
    centre, width = centres[0], widths[0]
    if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
        return replace(rule, remarks=(f"WindowWidth (0028,1051) is {width:g}, not above 0: window ignored",))
    if function == "LINEAR" and width < 1:
        # PS3.3 C.11.2.1.2.1 allows no LINEAR width below 1; writers of small float ranges mean the exact form.
        remarks.append("width below 1, read as LINEAR_EXACT")
        function = "LINEAR_EXACT"
    return replace(rule, window=Window(centre, width, function), remarks=tuple(remarks))
