"""Small generated DICOM files, and tables, in the layouts the collections are downloaded in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def uid(*words: object) -> str:
    return generate_uid(prefix="2.25.", entropy_srcs=[str(w) for w in words])


def write_dicom(path: Path, pixels: NDArray[Any], **tags: Any) -> Path:
    """One single-frame grey object; uint8 or uint16 pixels; tags by keyword."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = MRImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid(path)
    bits = pixels.dtype.itemsize * 8
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    ds.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path, *, patient: str, modality: str, description: str, slices: Sequence[NDArray[Any]], number: int = 1
) -> list[Path]:
    """A series as NBIA writes it: `1-001.dcm` ..., InstanceNumber running, positions 2 mm apart from foot to head."""
    tags = {
        "PatientID": patient, "Modality": modality, "SeriesDescription": description, "SeriesNumber": number,
        "StudyInstanceUID": uid(patient), "SeriesInstanceUID": uid(patient, description, number),
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "Manufacturer": "MAKER",
    }  # fmt: skip
    return [
        write_dicom(folder / f"1-{i:03d}.dcm", s, InstanceNumber=i, ImagePositionPatient=[0, 0, 2.0 * i], **tags)
        for i, s in enumerate(slices, start=1)
    ]


def flat(level: int, shape: tuple[int, int] = (24, 20)) -> NDArray[np.uint16]:
    """A gradient on a level, so that no image is constant."""
    return (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) + level).astype(np.uint16)


def write_table(path: Path, rows: Sequence[Sequence[object]], delimiter: str = "\t") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)
    return path
