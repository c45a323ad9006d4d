"""What every cohort adapter gives: cases, and an account of what was dropped and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import CohortError
from mmxai_core.types import GreyImage, Mask

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Case:
    """One image with its patient's clinical values.

    Attributes:
        case_id: Unique in the cohort.
        patient_id: Splits never separate two cases of one patient.
        image: Image file.
        masks: Lesion mask files (white = lesion, or-ed together); empty where the cohort has none.
        label: Class id, or None where unknown.
        clinical: Raw values by field id; an absent field is unknown.
        strata: Facts for subgroup tables (device, side ...), never fed to a model.
    """

    case_id: str
    patient_id: str
    image: Path
    masks: tuple[Path, ...] = ()
    label: str | None = None
    clinical: Mapping[str, Any] = field(default_factory=dict)
    strata: Mapping[str, str] = field(default_factory=dict)


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

    @property
    def patients(self) -> int:
        """Number of patients among the cases."""
        return len({c.patient_id for c in self.cases})


def find_raster(folder: Path, stem: str) -> Path | None:
    """The image of that stem, whatever its extension, or None."""
    for suffix in IMAGE_SUFFIXES:
        if (path := folder / f"{stem}{suffix}").is_file():
            return path
    return None


def read_grey(path: Path) -> GreyImage:
    """A cohort's own 8-bit raster as (H, W) float32 in [0, 1], alpha flattened on black.

    For files of a cohort on the user's own disk; untrusted uploads go through `mmxai_core.io`.

    Raises:
        CohortError: The file is missing or is no image.
    """
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
        try:
            with Image.open(path) as image:
                mask = np.asarray(image.convert("L")) > 127
        except OSError as error:
            raise CohortError(f"Cannot read mask {path.name}: {error}.") from error
        if mask.shape != shape:
            raise CohortError(f"Mask {path.name} is {mask.shape}, its image {shape}.")
        out |= mask
    return out
