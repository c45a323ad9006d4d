"""A phantom as a DICOM Ultrasound Image Storage object (PS3.3 A.6.4), marked as synthetic in its tags."""

from __future__ import annotations

import hashlib
import io
import uuid

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundImageStorage

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom.build import Phantom

#: Fixed, so that the bytes do not change with the version of the library that writes them.
_IMPLEMENTATION_UID = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'mmxai-phantom').int}")
_CENTIMETRES, _TISSUE, _TWO_D = 3, 1, 1  # PS3.3 C.8.5.5.1


def _uid(phantom: Phantom, kind: str) -> UID:
    """A UID under the UUID root 2.25 (PS3.5 B.2), the same for the same phantom."""
    digest = hashlib.sha256(f"{kind}:{phantom.seed}:".encode() + phantom.pixels.tobytes()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def _region(phantom: Phantom) -> Dataset:
    """The calibrated field of view (US Region Calibration Module, PS3.3 C.8.5.5)."""
    x0, y0, x1, y1 = phantom.field_box
    region = Dataset()
    region.RegionSpatialFormat = _TWO_D
    region.RegionDataType = _TISSUE
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = x0, y0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = x1 - 1, y1 - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CENTIMETRES
    region.PhysicalDeltaX = phantom.spacing_mm[1] / 10
    region.PhysicalDeltaY = phantom.spacing_mm[0] / 10
    return region


def phantom_dataset(phantom: Phantom, *, number: int = 1) -> Dataset:
    """Build the object. Every Type 1 and Type 2 attribute of the US Image IOD is there; unknown Type 2 ones are empty.

    Args:
        phantom: What to write.
        number: Running number for PatientID "SYNTH-0001", 1 to 9999.

    Returns:
        A data set with file meta information, native (uncompressed) Explicit VR Little Endian pixels.

    Raises:
        ClinicalValueError: The number is out of range.
    """
    if not 1 <= number <= 9999:
        raise ClinicalValueError(f"A phantom's running number must lie in 1 to 9999; got {number}.")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = _IMPLEMENTATION_UID
    ds.file_meta.ImplementationVersionName = "MMXAI_PHANTOM"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    ds.SOPClassUID = UltrasoundImageStorage
    ds.SOPInstanceUID = _uid(phantom, "instance")
    ds.SyntheticData = "YES"
    ds.QualityControlImage = "YES"
    ds.ImageComments = "SYNTHETIC phantom, not a patient"
    ds.DerivationDescription = f"Computed B-mode phantom, seed {phantom.seed}"

    ds.PatientName, ds.PatientID = "SYNTHETIC^PHANTOM", f"SYNTH-{number:04d}"
    ds.PatientBirthDate, ds.PatientSex = "", "F"
    age = phantom.clinical.get("age")
    if isinstance(age, int | float):
        ds.PatientAge = f"{int(age):03d}Y"

    ds.StudyInstanceUID, ds.SeriesInstanceUID = _uid(phantom, "study"), _uid(phantom, "series")
    ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.AccessionNumber = ""
    ds.StudyID, ds.StudyDescription = f"SYNTH{number:04d}", "SYNTHETIC breast ultrasound phantom"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "US", 1, 1
    ds.BodyPartExamined, ds.Laterality = "BREAST", phantom.spec.laterality
    ds.Manufacturer, ds.ManufacturerModelName = "mmxai", "phantom"
    ds.PatientOrientation = ""

    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = phantom.pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.LossyImageCompression, ds.BurnedInAnnotation = "00", "NO"
    ds.UltrasoundColorDataPresent = 0
    ds.SequenceOfUltrasoundRegions = Sequence([_region(phantom)])
    ds.PixelData = phantom.pixels.tobytes()
    return ds


def phantom_dicom(phantom: Phantom, *, number: int = 1) -> bytes:
    """The object as the bytes of a DICOM file: the same phantom gives the same bytes.

    Args:
        phantom: What to write.
        number: Running number for PatientID, 1 to 9999.

    Returns:
        A DICOM Part 10 file of about 270 kB.

    Raises:
        ClinicalValueError: The number is out of range.
    """
    out = io.BytesIO()
    phantom_dataset(phantom, number=number).save_as(out, enforce_file_format=True)
    return out.getvalue()
