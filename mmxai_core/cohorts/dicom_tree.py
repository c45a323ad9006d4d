"""A folder of DICOM files as TCIA delivers it: one series a folder, or loose files, found without reading every header.

Both directory styles of the NBIA Data Retriever end in patient / study / series / file ("classic" names folders by UID,
"descriptive" by date and description), so in a folder three or more levels down one header speaks for all files. Files
higher up are read one by one and grouped by SeriesInstanceUID (0020,000E).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmxai_core.cohorts.dicom_pixels import read_header
from mmxai_core.io.header import numbers, text
from mmxai_core.io.series import Slice, order_slices

_TAGS = (
    "PatientID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber",
    "Manufacturer", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient",
)  # fmt: skip
_NBIA_NAME = re.compile(r"\d+-(\d+)\.dcm", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True)
class Series:
    """One series on disk.

    Attributes:
        patient_id: PatientID (0010,0020); TCIA's own pseudonym, a barcode in TCGA.
        modality: DICOM code, e.g. "MR".
        description: SeriesDescription (0008,103E), or its folder's name where the tag is blank.
        manufacturer: Manufacturer (0008,0070), or "".
        study: StudyInstanceUID (0020,000D).
        number: SeriesNumber (0020,0011), or 0.
        files: Its files, by name.
    """

    patient_id: str
    modality: str
    description: str
    manufacturer: str
    study: str
    number: float
    files: tuple[Path, ...]


def read_series(root: Path, *, own_folder_depth: int = 3) -> tuple[Series, ...]:
    """The series under `root`, by patient and series number.

    Args:
        root: Searched at any depth.
        own_folder_depth: From so many folders below `root` on, each folder holds one series: 3 where `root` holds
            patients, 2 where it is one patient's.

    Raises:
        CohortError: A file named .dcm is not DICOM.
    """
    found: list[Series] = []
    for folder, files in _dicom_folders(root):
        if len(folder.relative_to(root).parts) >= own_folder_depth:
            found.append(_series(files)[1])
            continue
        loose: dict[str, list[Path]] = {}
        for file in files:
            loose.setdefault(_series((file,))[0], []).append(file)
        found.extend(_series(tuple(group))[1] for group in loose.values())
    return tuple(sorted(found, key=lambda s: (s.patient_id, s.study, s.number, s.description)))


def in_order(series: Series) -> tuple[Path, ...]:
    """The files along the slice normal, or by instance number where positions are missing; copies left out."""
    slices = []
    for place, file in enumerate(series.files):
        header = read_header(file, _TAGS)
        slices.append(
            Slice(
                position=numbers(header, "ImagePositionPatient") or None,
                orientation=numbers(header, "ImageOrientationPatient") or None,
                number=(numbers(header, "InstanceNumber") or (float(place),))[0],
            )
        )
    return tuple(series.files[i] for i in order_slices(slices).indices)


def by_instance(series: Series) -> tuple[Path, ...]:
    """The files by InstanceNumber (0020,0013), which NBIA also writes into the names as `1-NNN.dcm`.

    Names that count 1 to n are believed; others make it read every header.
    """
    named = [_NBIA_NAME.fullmatch(f.name) for f in series.files]
    order = [int(m.group(1)) for m in named if m]
    if sorted(order) == list(range(1, len(series.files) + 1)):
        return tuple(f for _, f in sorted(zip(order, series.files, strict=True)))
    place = [(numbers(read_header(f, _TAGS), "InstanceNumber") or (0.0,))[0] for f in series.files]
    return tuple(f for _, f in sorted(zip(place, series.files, strict=True)))


def at_depths(items: Sequence[T], depths: Sequence[float]) -> tuple[T, ...]:
    """The items at shares of the depth, 0 the first and 1 the last; each once.

    A share between two items takes the nearer one, the later where both are as near.
    """
    places = {int(depth * (len(items) - 1) + 0.5) for depth in depths} if items else set()
    return tuple(items[i] for i in sorted(places))


def folders_named(root: Path, wanted: Callable[[str], bool]) -> dict[str, Path]:
    """Folders under `root` by name, the first of each name; a folder that is wanted is not searched further."""
    found: dict[str, Path] = {}
    for parent, names, _ in os.walk(root):
        names.sort()
        for name in [n for n in names if wanted(n)]:
            found.setdefault(name, Path(parent) / name)
            names.remove(name)
    return found


def _dicom_folders(root: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for parent, names, files in os.walk(root):
        names.sort()
        dicom = tuple(Path(parent) / f for f in sorted(files) if f.lower().endswith(".dcm"))
        if dicom:
            yield Path(parent), dicom


def _series(files: tuple[Path, ...]) -> tuple[str, Series]:
    header = read_header(files[0], _TAGS)
    series = Series(
        patient_id=text(header, "PatientID"),
        modality=text(header, "Modality", 16),
        description=text(header, "SeriesDescription") or files[0].parent.name,
        manufacturer=text(header, "Manufacturer"),
        study=text(header, "StudyInstanceUID"),
        number=(numbers(header, "SeriesNumber") or (0.0,))[0],
        files=files,
    )
    return text(header, "SeriesInstanceUID"), series
