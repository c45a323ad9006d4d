"""What every cohort adapter gives: cases, and an account of what was dropped and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import CohortError
from mmxai_core.types import Box, GreyImage, Mask

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
PublishedSplit = Literal["train", "test"]


@dataclass(frozen=True)
class Channel:
    """One plane of a case that has several: a contrast phase, an MR sequence. Read by `channels.read_channels`.

    Attributes:
        name: "pre", "early", "late", "flair" ...
        path: Image file.
        band: Colour band of a raster, 0 to 2; None where the file is this plane alone.
    """

    name: str
    path: Path
    band: int | None = None


@dataclass(frozen=True)
class Case:
    """One image with its patient's clinical values.

    Attributes:
        case_id: Unique in the cohort.
        patient_id: Splits never separate two cases of one patient.
        image: Image file, a raster or a DICOM object of one frame.
        masks: Lesion mask files (white = lesion, or-ed together); empty where the cohort has none.
        label: Class id, or None where unknown.
        clinical: Raw values by field id; an absent field is unknown.
        strata: Facts for subgroup tables (device, side ...), never an input of a model.
        split: The publisher's own part, or None where it published no split.
        crop: The publisher's close-up of the lesion, or None.
        boxes: Lesion boxes on `image` where the cohort has boxes, not outlines.
        channels: The planes of the same place, on one grid; empty where `image` is all there is.
    """

    case_id: str
    patient_id: str
    image: Path
    masks: tuple[Path, ...] = ()
    label: str | None = None
    clinical: Mapping[str, Any] = field(default_factory=dict)
    strata: Mapping[str, str] = field(default_factory=dict)
    split: PublishedSplit | None = None
    crop: Path | None = None
    boxes: tuple[Box, ...] = ()
    channels: tuple[Channel, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Cases of one cohort and what a model card must say of them.

    Attributes:
        name: Cohort name of the command line.
        cases: In a stable order.
        schema: Clinical fields with groups.
        classes: Class ids, negative first.
        positive_class: The class AUC and sensitivity are about.
        label: What the label is and how it was confirmed.
        leaks: Columns that tell the label, and are never read.
        dropped: (reason, how many cases), in words.
        licence: Licence, and what it forbids.
        citation: Source to name.
        download: Where to get it.
        task: Which of the adapter's tasks this is; "" where it has one only.
        notes: What a reader of results must know besides, in plain sentences.
    """

    name: str
    cases: tuple[Case, ...]
    schema: ClinicalSchema
    classes: tuple[str, ...]
    positive_class: str
    label: str
    leaks: tuple[str, ...]
    dropped: tuple[tuple[str, int], ...]
    licence: str
    citation: str
    download: str
    task: str = ""
    notes: tuple[str, ...] = ()

    @property
    def patients(self) -> int:
        """Number of patients among the cases."""
        return len({c.patient_id for c in self.cases})

    @property
    def images(self) -> int:
        """Number of different images among the cases: two lesions of one mammogram are two cases, one image."""
        return len({c.image for c in self.cases})

    def account(self) -> tuple[str, ...]:
        """What remains, what was dropped and why, one sentence each."""
        labels = [c.label for c in self.cases]
        classes = ", ".join(f"{labels.count(c)} {c}" for c in self.classes)
        remain = f"{len(self.cases)} cases remain: {self.images} images of {self.patients} patients ({classes})."
        lost = (f"{count} dropped: {reason}." for reason, count in self.dropped if count)
        return (remain, *lost, *self.notes)


def is_raster(path: Path) -> bool:
    """Whether the file is a picture by its extension; any other file of a cohort is read as DICOM."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def find_raster(folder: Path, stem: str) -> Path | None:
    """The image of that stem, whatever its extension, or None."""
    for suffix in IMAGE_SUFFIXES:
        if (path := folder / f"{stem}{suffix}").is_file():
            return path
    return None


def read_grey(path: Path) -> GreyImage:
    """A cohort's own image as (H, W) float32 display grey in [0, 1].

    An 8-bit raster is read as it is, alpha flattened on black; a DICOM object goes through the same grayscale pipeline
    as an upload. For files of a cohort on the user's own disk; untrusted uploads go through `mmxai_core.io.read_study`.

    Raises:
        CohortError: The file is missing or is no image.
    """
    if not is_raster(path):
        from mmxai_core.cohorts.dicom_pixels import display_grey  # most cohorts need no DICOM reader

        return display_grey(path)
    try:
        with Image.open(path) as image:
            rgba = image.convert("RGBA")
            flat = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("L")
    except OSError as error:
        raise CohortError(f"Cannot read image {path.name}: {error}.") from error
    return np.asarray(flat, np.float32) / 255.0


def read_masks(paths: Iterable[Path], shape: tuple[int, int]) -> Mask:
    """Lesion masks or-ed together -> (H, W) bool.

    Raises:
        CohortError: A mask is missing, or is not of the image's shape.
    """
    out = np.zeros(shape, bool)
    for path in paths:
        mask = read_mask(path)
        if mask.shape != shape:
            raise CohortError(f"Mask {path.name} is {mask.shape}, its image {shape}.")
        out |= mask
    return out


def read_mask(path: Path) -> Mask:
    """One mask file as (H, W) bool: brighter than half of full scale in a raster, of its own maximum in DICOM.

    Raises:
        CohortError: The file is missing or is no image.
    """
    if not is_raster(path):
        from mmxai_core.cohorts.dicom_pixels import stored_values

        values = stored_values(path)
        lit: Mask = values > values.max() / 2
        return lit
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 127
    except OSError as error:
        raise CohortError(f"Cannot read mask {path.name}: {error}.") from error
