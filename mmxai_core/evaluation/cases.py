"""A cohort's case -> the study, record and lesion mask that an evaluation needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema
from mmxai_core.cohorts import manifest
from mmxai_core.cohorts.case import Case, Cohort, read_grey, read_masks
from mmxai_core.errors import CohortError, StudyReadError
from mmxai_core.preprocess import MIN_SIDE
from mmxai_core.study import PixelGeometry, SourceFormat, Study, StudyImage
from mmxai_core.types import Mask

_FORMATS: dict[str, SourceFormat] = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OpenCase:
    """A case that was read.

    Attributes:
        case: Where it came from.
        study: Its image, or images.
        record: Its clinical values, restricted to the groups that count as known.
        mask: (H, W) bool on the image's pixels; None without a mask, with an empty one, or with several images.
    """

    case: Case
    study: Study
    record: ClinicalRecord
    mask: Mask | None


def open_case(case: Case, cohort: Cohort, *, schema: ClinicalSchema, known: tuple[str, ...] | None = None) -> OpenCase:
    """Reads one case.

    A manifest's images go through `mmxai_core.io`, as an upload does: DICOM and volumes included. A public cohort's own
    rasters are read directly, which gives the same grey and is faster.

    Args:
        case: One of the cohort's cases.
        cohort: The cohort.
        schema: The bundle's schema; fields it does not have are left out.
        known: Field groups that count as known; None: all.

    Raises:
        CohortError: An image or mask cannot be read, is too small, or they differ in shape; the file is named.
        ClinicalValueError: A value breaks its field's rule.
    """
    study = _upload(case) if cohort.name == manifest.NAME else _raster(case)
    for image in study.images:  # checked here, where the file's name is still known
        rows, columns = image.geometry.shape
        if min(rows, columns) < MIN_SIDE:
            raise CohortError(
                f"Image {case.image.name} needs at least {MIN_SIDE} pixels a side; it is {columns} x {rows}."
            )
    used = {f.id for f in schema.fields if known is None or f.group in known}
    record = schema.record({k: v for k, v in case.clinical.items() if k in used})
    mask = None
    if case.masks and len(study.images) == 1:
        drawn = read_masks(case.masks, study.images[0].geometry.shape)
        mask = drawn if drawn.any() else None
    return OpenCase(case, study, record, mask)


def _raster(case: Case) -> Study:
    grey = read_grey(case.image)
    image = StudyImage(grey, PixelGeometry((grey.shape[0], grey.shape[1])), label=case.image.stem)
    return Study(
        (image,), _FORMATS.get(case.image.suffix.lower(), "dicom"), hashlib.sha256(case.image.read_bytes()).hexdigest()
    )


def _upload(case: Case) -> Study:
    from mmxai_core.io import read_study  # starts a child process: only where a manifest needs it

    try:
        return read_study(case.image.read_bytes(), case.image.name)
    except OSError as error:
        raise CohortError(f"Cannot read image {case.image.name}: {error.strerror}.") from error
    except StudyReadError as error:
        raise CohortError(f"Image {case.image.name}: {error}") from error
