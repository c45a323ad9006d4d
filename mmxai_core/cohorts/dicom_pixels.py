"""Pixels and headers of a cohort's own DICOM files, one frame a file, by the same rules as an upload's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from mmxai_core.errors import CohortError, StudyReadError
from mmxai_core.io.dicom import read_dicom
from mmxai_core.io.grey_rule import grey_rule
from mmxai_core.io.limits import ReadLimits
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES
from mmxai_core.types import FloatArray, GreyImage

#: A digitised film has up to 39 million pixels; the upload's limit of 40 is meant for strangers' files.
_LIMITS = ReadLimits(image_pixels=100_000_000)


def display_grey(path: Path) -> GreyImage:
    """(H, W) float32 in [0, 1]: modality LUT, window or VOI LUT, inversion, as an upload would be shown.

    Raises:
        CohortError: The file is missing, is no DICOM image, or holds several frames.
    """
    try:
        images = list(read_dicom(_bytes(path), Reading(_LIMITS)))
    except StudyReadError as error:
        raise CohortError(f"Cannot read image {path.name}: {error}") from error
    if len(images) != 1:
        raise CohortError(f"Image {path.name} must hold one frame; it holds {len(images)}.")
    return images[0].grey


def stored_values(path: Path) -> NDArray[np.generic]:
    """(H, W) stored values, untouched: for masks.

    Raises:
        CohortError: The file is missing, is no DICOM image, or is not one grey frame.
    """
    return _pixels(path)[1]


def modality_values(path: Path) -> FloatArray:
    """(H, W) float32 after rescale slope and intercept (PS3.3 C.11.1): HU for CT, arbitrary units for MR.

    Raises:
        CohortError: The file is missing, is no DICOM image, or is not one grey frame.
    """
    dataset, stored = _pixels(path)
    rule = grey_rule(dataset)
    return (stored.astype(np.float32) * np.float32(rule.slope) + np.float32(rule.intercept)).astype(np.float32)


def read_header(path: Path, keywords: Sequence[str]) -> FileDataset:
    """The named tags of a file; its pixels are not read.

    Raises:
        CohortError: The file is missing or is no DICOM object.
    """
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=list(keywords))
    except InvalidDicomError as error:
        raise CohortError(f"{path.name} is not a DICOM file.") from error
    except READ_FAILURES as error:
        # pydicom's messages may quote a patient's tags, so only the kind of failure is passed on.
        raise CohortError(f"Cannot read the DICOM header of {path.name} ({type(error).__name__}).") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CohortError(f"Cannot read image {path.name}: {error.strerror}.") from error


def _pixels(path: Path) -> tuple[FileDataset, NDArray[np.generic]]:
    try:
        dataset = dcmread(path)
        stored = dataset.pixel_array
    except InvalidDicomError as error:
        raise CohortError(f"{path.name} is not a DICOM file.") from error
    except READ_FAILURES as error:
        raise CohortError(f"Cannot decode the pixels of {path.name} ({type(error).__name__}).") from error
    if stored.ndim != 2:
        raise CohortError(f"{path.name} must be one grey frame, rows by columns; its pixels are {stored.shape}.")
    return dataset, stored
