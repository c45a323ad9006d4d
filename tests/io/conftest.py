"""Factories: small DICOM objects with chosen tags, and readers that stay in this process."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from mmxai_core.io.limits import ReadLimits
from mmxai_core.io.reader import read_upload
from mmxai_core.io.reading import Reading
from mmxai_core.io.source import loose
from mmxai_core.study import Study

CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT_NAME = "Secretname^Anna"
PATIENT_ID = "MRN-4711-XYZ"

DicomFactory = Callable[..., bytes]
Reader = Callable[..., Study]


def dataset(pixels: np.ndarray | None, **tags: Any) -> FileDataset:
    """A single-frame object of the array's depth; tags override or (None) remove what is set by default."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(tags.get("SOPClassUID", CT))
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID = "1.2.3.4"
    ds.Modality = "CT"
    ds.PatientName = PATIENT_NAME
    ds.PatientID = PATIENT_ID
    if pixels is not None:
        frames = pixels.ndim - (3 if pixels.shape[-1] == 3 and pixels.ndim > 2 else 2)
        rows, columns = pixels.shape[frames : frames + 2]
        ds.Rows, ds.Columns = rows, columns
        if frames:
            ds.NumberOfFrames = pixels.shape[0]
        colour = pixels.ndim - frames == 3
        ds.SamplesPerPixel = 3 if colour else 1
        if colour:
            ds.PlanarConfiguration = 0
        ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, wanted in tags.items():
        if wanted is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, wanted)
    return ds


def encode(ds: FileDataset, **options: Any) -> bytes:
    """The object as a file."""
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True, **options)
    return out.getvalue()


@pytest.fixture
def make_dataset() -> Callable[..., FileDataset]:
    return dataset


@pytest.fixture
def encode_dataset() -> Callable[..., bytes]:
    return encode


@pytest.fixture
def make_dicom() -> DicomFactory:
    """(pixels, **tags) -> bytes of a DICOM file."""
    return lambda pixels, **tags: encode(dataset(pixels, **tags))


@pytest.fixture
def make_zip() -> Callable[[Mapping[str, bytes]], bytes]:
    def build(files: Mapping[str, bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return out.getvalue()

    return build


@pytest.fixture
def read_here(tmp_path: Path) -> Reader:
    """(bytes, or several (name, bytes), name=, **limits) -> Study, parsed in this process, which is fast."""

    def read(data: bytes | Sequence[tuple[str, bytes]], name: str = "upload.bin", **limits: Any) -> Study:
        reading = Reading(ReadLimits(**limits))
        files = [(name, data)] if isinstance(data, bytes) else data
        scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        images = tuple(read_upload([loose(*file) for file in files], scratch, reading))
        return Study(
            images=images,
            source_format=reading.source_format,
            sha256="",
            modality=reading.modality,
            patient_age_years=reading.age_years,
            patient_sex=reading.sex,
            notes=tuple(reading.notes),
            synthetic=reading.synthetic,
            transfer_syntax=reading.transfer_syntax,
        )

    return read


@pytest.fixture
def ramp16() -> np.ndarray:
    """(16, 16) int16, -400 to 1130 in steps of 6."""
    return (np.arange(256, dtype=np.int16) * 6 - 400).reshape(16, 16)


@pytest.fixture
def ramp8() -> np.ndarray:
    """(16, 16) uint8, every value once."""
    return np.arange(256, dtype=np.uint8).reshape(16, 16)
