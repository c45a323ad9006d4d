"""Finds the files of a CBIS-DDSM lesion, and tells close-up from mask by what they hold.

The published paths cannot be trusted: file names changed (000000.dcm became 1-1.dcm), the descriptive directory style
drops the UIDs, and close-up and mask are swapped in some rows. Stable are the folder names that join type, part,
patient, side, view and abnormality, and, in conversions that keep only those, the series UIDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmxai_core.cohorts.case import is_raster
from mmxai_core.cohorts.cbis_tables import LesionRow
from mmxai_core.cohorts.dicom_pixels import read_header, stored_values
from mmxai_core.cohorts.dicom_tree import folders_named
from mmxai_core.errors import CohortError
from mmxai_core.io.header import numbers

_FOLDER = re.compile(r"(Mass|Calc)-(Training|Test)_P_\d+_(LEFT|RIGHT)_(CC|MLO)(_\d+)?")
_SERIES_UID = re.compile(r"1\.3\.6\.1\.4\.1\.9590\.[\d.]+")
#: Share of a lossy mask's pixels that may be neither black nor white.
_RINGING_SHARE = 0.02
_RINGING_LEVELS = 40


@dataclass(frozen=True)
class LesionFiles:
    """What was found of one lesion.

    Attributes:
        image: Full mammogram, or None.
        mask: ROI mask of the full mammogram's size, or None.
        crop: Close-up, or None.
        swapped: The mask lay where the table says that the close-up is, or the other way round.
        odd_mask: A mask was found, but is not of the mammogram's size, and so was not taken.
    """

    image: Path | None
    mask: Path | None = None
    crop: Path | None = None
    swapped: bool = False
    odd_mask: bool = False


def index_folders(root: Path) -> Mapping[str, Path]:
    """Folders by the names a row is found by."""
    return folders_named(root, lambda n: bool(_FOLDER.fullmatch(n) or _SERIES_UID.fullmatch(n)))


def find_files(row: LesionRow, folders: Mapping[str, Path]) -> LesionFiles:
    """The files of one row.

    Raises:
        CohortError: A file that must be looked into cannot be read.
    """
    full = _pictures(folders.get(row.image_folder) or folders.get(row.image_series))
    if not full:
        return LesionFiles(None)
    image = max(full, key=lambda f: f.stat().st_size)
    parts = _pictures(folders.get(row.lesion_folder) or folders.get(row.lesion_series))
    sizes = {f: _size(f) for f in parts}
    parts.sort(key=lambda f: sizes[f][0] * sizes[f][1])
    mask = _mask_among(parts, sizes, _size(image))
    crop = next((f for f in parts if f != mask), None)
    odd = mask is not None and sizes[mask] != _size(image)
    return LesionFiles(image, None if odd else mask, crop, swapped=_swapped(row, mask, crop), odd_mask=odd)


def _mask_among(parts: list[Path], sizes: Mapping[Path, tuple[int, int]], full: tuple[int, int]) -> Path | None:
    """The ROI mask among a lesion's files, smallest first.

    The smallest is quick to decode and mostly settles it: where it is not black and white it is the close-up, and a
    file of the mammogram's own size beside it is the mask.
    """
    for part in parts:
        if (part is not parts[0] and sizes[part] == full) or _is_mask(part):
            return part
    return None


def _swapped(row: LesionRow, mask: Path | None, crop: Path | None) -> bool:
    """Whether the two lie in the other order than the table's names: 000000 the first file, 000001 the second."""
    stated_mask, stated_crop = (row.cells.get(c, "") for c in ("ROI mask file path", "cropped image file path"))
    if mask is None or crop is None or mask.parent != crop.parent or _series(stated_mask) != _series(stated_crop):
        return False
    return (stated_mask < stated_crop) != (mask.name < crop.name)


def _series(path: str) -> str:
    return path.rpartition("/")[0]


def _pictures(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(f for f in folder.rglob("*") if f.is_file() and (f.suffix.lower() == ".dcm" or is_raster(f)))


def _size(path: Path) -> tuple[int, int]:
    """(rows, columns) from the header."""
    if not is_raster(path):
        header = read_header(path, ("Rows", "Columns"))
        rows, columns = numbers(header, "Rows"), numbers(header, "Columns")
        if not rows or not columns:
            raise CohortError(f"{path.name} states no Rows (0028,0010) or Columns (0028,0011).")
        return int(rows[0]), int(columns[0])
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except OSError as error:
        raise CohortError(f"Cannot read image {path.name}: {error}.") from error


def _is_mask(path: Path) -> bool:
    """Whether the pixels are two values, or, after lossy compression, close to black and white."""
    if not is_raster(path):
        return _values_of(stored_values(path)) <= 2
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"), np.int16)
    except OSError as error:
        raise CohortError(f"Cannot read image {path.name}: {error}.") from error
    between = (pixels > _RINGING_LEVELS) & (pixels < 255 - _RINGING_LEVELS)
    return _values_of(pixels) <= 2 or (
        float(between.mean()) < _RINGING_SHARE and bool((pixels >= 255 - _RINGING_LEVELS).any())
    )


def _values_of(pixels: NDArray[np.generic]) -> int:
    """Number of different values, 3 standing for more."""
    low, high = pixels.min(), pixels.max()
    return 3 if bool(((pixels != low) & (pixels != high)).any()) else 1 + int(low != high)
