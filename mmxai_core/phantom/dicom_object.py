"""A phantom as a DICOM Ultrasound Image Storage object (PS3.3 A.6.4), marked as synthetic in its tags."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UltrasoundImageStorage

from mmxai_core.phantom.build import Phantom
from mmxai_core.phantom.marks import Marks, file_bytes, marked_object

_CENTIMETRES, _TISSUE, _TWO_D = 3, 1, 1  # PS3.3 C.8.5.5.1


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
    marks = Marks(
        sop_class=UltrasoundImageStorage,
        pixels=phantom.pixels,
        seed=phantom.seed,
        number=number,
        computed="B-mode phantom",
        study="SYNTHETIC breast ultrasound phantom",
        sex="F",
        age=phantom.clinical.get("age"),
    )
    ds = marked_object(marks)
    ds.Modality = "US"
    ds.BodyPartExamined, ds.Laterality = "BREAST", phantom.spec.laterality
    ds.PatientOrientation = ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.UltrasoundColorDataPresent = 0
    ds.SequenceOfUltrasoundRegions = Sequence([_region(phantom)])
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
    return file_bytes(phantom_dataset(phantom, number=number))
