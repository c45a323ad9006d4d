"""What every phantom's DICOM object states in the same way: that it is synthetic, whose it is not, and its UIDs."""

from __future__ import annotations

import hashlib
import io
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.cases import ClinicalValue

#: Fixed, so that the bytes do not change with the version of the library that writes them.
_IMPLEMENTATION_UID = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'mmxai-phantom').int}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Marks:
    """What tells one phantom's object from another's.

    Attributes:
        sop_class: Storage class.
        pixels: The stored pixels; the UIDs follow them.
        seed: Of the phantom.
        number: Running number for PatientID "SYNTH-0001", 1 to 9999.
        computed: What was computed, for DerivationDescription.
        study: Study description.
        sex: PatientSex.
        age: Years, or None where unknown.
    """

    sop_class: UID
    pixels: NDArray[np.uint8]
    seed: int
    number: int
    computed: str
    study: str
    sex: str
    age: ClinicalValue | None

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 9999:
            raise ClinicalValueError(f"A phantom's running number must lie in 1 to 9999; got {self.number}.")


def _uid(marks: Marks, kind: str) -> UID:
    """A UID under the UUID root 2.25 (PS3.5 B.2), the same for the same phantom."""
    digest = hashlib.sha256(f"{kind}:{marks.seed}:".encode() + marks.pixels.tobytes()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def marked_object(marks: Marks) -> Dataset:
    """An object without its image modules.

    Args:
        marks: Its own facts.

    Returns:
        A data set with file meta information and the modules of patient, study, series, equipment and general image;
        unknown Type 2 attributes are empty.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    ds.file_meta.ImplementationVersionName = "MMXAI_PHANTOM"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    ds.SOPClassUID = marks.sop_class
    ds.SOPInstanceUID = _uid(marks, "instance")
    ds.SyntheticData = "YES"
    ds.QualityControlImage = "YES"
    ds.ImageComments = "SYNTHETIC phantom, not a patient"
    ds.DerivationDescription = f"Computed {marks.computed}, seed {marks.seed}"

    ds.PatientName, ds.PatientID = "SYNTHETIC^PHANTOM", f"SYNTH-{marks.number:04d}"
    ds.PatientBirthDate, ds.PatientSex = "", marks.sex
    if isinstance(marks.age, int | float):
        ds.PatientAge = f"{int(marks.age):03d}Y"

    ds.StudyInstanceUID, ds.SeriesInstanceUID = _uid(marks, "study"), _uid(marks, "series")
    ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.AccessionNumber = ""
    ds.StudyID, ds.StudyDescription = f"SYNTH{marks.number:04d}", marks.study
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.Manufacturer, ds.ManufacturerModelName = "mmxai", "phantom"
    ds.Rows, ds.Columns = marks.pixels.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.LossyImageCompression, ds.BurnedInAnnotation = "00", "NO"
    ds.PixelData = marks.pixels.tobytes()
    return ds


def file_bytes(dataset: Dataset) -> bytes:
    """The object as the bytes of a DICOM Part 10 file."""
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
