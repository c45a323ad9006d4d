"""A study: the images a file held, ready for display, and what its header said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import StudyReadError
from mmxai_core.types import DisplayImage, GreyImage

Laterality = Literal["L", "R", "B"]
SourceFormat = Literal["dicom", "nifti", "metaimage", "nrrd", "png", "jpeg", "tiff", "bmp", "zip"]

#: ITU-R BT.601 luma weights, the ones DICOM's YBR_FULL uses (PS3.3 C.7.6.3.1.2).
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class PixelGeometry:
    """Where pixels lie.

    Attributes:
        shape: (rows, columns), pixels.
        spacing_mm: (row spacing, column spacing) in millimetres, or None where the file does not say.
        spacing_source: The tag or header field the spacing came from, e.g. "PixelSpacing (0028,0030)".
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise StudyReadError(
                f"An image needs at least 1 x 1 pixels; this one has {self.shape[0]} x {self.shape[1]}."
            )
        if self.spacing_mm is not None and not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise StudyReadError(
                f"Pixel spacing must be positive and finite; {self.spacing_source or 'header'} says {self.spacing_mm}."
            )


@dataclass(frozen=True, eq=False)
class GreyLevels:
    """The values behind the display grey, at full depth, so that a viewer can choose another window.

    Attributes:
        stored: (H, W) uint16; value = slope x stored + intercept.
        slope: Modality units a step, not 0.
        intercept: Modality units.
        unit: Unit of the values ("HU"), or "" where the file does not say.
        inverted: True where the lowest value is white (MONOCHROME1).
        padding: Inclusive range of `stored` that stands for no pixel, or None.
    """

    stored: NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    inverted: bool = False
    padding: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.stored.dtype != np.uint16 or self.stored.ndim != 2:
            raise StudyReadError(f"Grey levels must be uint16 (H, W); got {self.stored.dtype} {self.stored.shape}.")
        if not (np.isfinite(self.slope) and self.slope != 0.0 and np.isfinite(self.intercept)):
            raise StudyReadError(
                f"Rescale Slope (0028,1053) must be finite and not 0, Intercept (0028,1052) finite; "
                f"got {self.slope:g} and {self.intercept:g}."
            )
        self.stored.setflags(write=False)


@dataclass(frozen=True, eq=False)
class StudyImage:
    """One image (a view, a slice or a frame), after the grayscale pipeline.

    Attributes:
        pixels: (H, W) grey or (H, W, 3) colour, float32 in [0, 1]; 0 is black.
        geometry: Shape and spacing.
        label: Short name for a list, e.g. "Frame 3" or a file's stem; never a patient identifier.
        view: View position code (DICOM CodeMeaning or ViewPosition, e.g. "CC"), or None.
        laterality: "L", "R", "B" as stated by the file, or None. Never guessed.
        value_range: The modality values (e.g. HU) that display 0 and 1 stand for, or None.
        display: How stored values became display values, in words, one step an entry, in order.
        levels: The values before the window, same shape; None for colour, for 8 bits (`pixels` holds them all), and
            where a curve (LUT, SIGMOID) leads to the display.
    """

    pixels: DisplayImage
    geometry: PixelGeometry
    label: str = "Image"
    view: str | None = None
    laterality: Laterality | None = None
    value_range: tuple[float, float] | None = None
    display: tuple[str, ...] = ()
    levels: GreyLevels | None = None

    def __post_init__(self) -> None:
        p = self.pixels
        if p.dtype != np.float32 or p.ndim not in (2, 3) or (p.ndim == 3 and p.shape[2] != 3):
            raise StudyReadError(f"Pixels must be float32 (H, W) or (H, W, 3); got {p.dtype} {p.shape}.")
        if p.shape[:2] != self.geometry.shape:
            raise StudyReadError(f"Pixels are {p.shape[:2]} but the geometry says {self.geometry.shape}.")
        lo, hi = float(p.min()), float(p.max())
        if not (np.isfinite(lo) and np.isfinite(hi) and lo >= 0.0 and hi <= 1.0):
            raise StudyReadError(f"Display values must lie in [0, 1]; these span [{lo:g}, {hi:g}].")
        if self.levels is not None and self.levels.stored.shape != p.shape:
            raise StudyReadError(f"Grey levels are {self.levels.stored.shape}; the pixels are {p.shape}.")
        p.setflags(write=False)

    @property
    def grey(self) -> GreyImage:
        """(H, W) float32 luma in [0, 1]."""
        if self.pixels.ndim == 2:
            return self.pixels
        grey: GreyImage = np.clip(self.pixels @ _LUMA, 0.0, 1.0).astype(np.float32)
        return grey


@dataclass(frozen=True, eq=False)
class Study:
    """What was uploaded: one or more images and the header facts that prefill the clinical form.

    Attributes:
        images: At least one image, in reading order (position along the slice normal, frame, or name).
        source_format: What the bytes were.
        modality: DICOM Modality code ("US", "MG", "MR", "CT" ...), or None.
        patient_age_years: From PatientAge or PatientBirthDate and StudyDate, or None.
        patient_sex: "F", "M", "O", or None.
        sha256: Hash of the uploaded bytes, hex.
        notes: Plain sentences for the reader: duplicates dropped, uneven spacing, tags repaired ...
        synthetic: True where the file says that it holds a phantom.
        transfer_syntax: Name of the DICOM transfer syntax, or None.
    """

    images: tuple[StudyImage, ...]
    source_format: SourceFormat
    sha256: str
    modality: str | None = None
    patient_age_years: float | None = None
    patient_sex: Literal["F", "M", "O"] | None = None
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    transfer_syntax: str | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise StudyReadError("A study needs at least one image; this file holds none.")

    @property
    def laterality(self) -> Laterality | None:
        """The side all images agree on, or None."""
        sides = {i.laterality for i in self.images}
        return sides.pop() if len(sides) == 1 else None
