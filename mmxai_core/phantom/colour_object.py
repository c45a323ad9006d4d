"""An MR phantom as a DICOM Secondary Capture Image Storage object (PS3.3 A.8.1), marked as the other phantoms are.

MR Image Storage allows one grey sample a pixel only (PS3.3 C.8.3.1), so three sequences in one colour picture are a
secondary capture. Its Modality is that of the picture's source (PS3.3 C.8.6.1): MR, which is what a bundle for MR asks
for; its Conversion Type SYN says that the picture is a synthetic one.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from mmxai_core.phantom.marks import Marks, file_bytes, marked_object
from mmxai_core.phantom.mri_picture import MriPicture

_SEXES = {"female": "F", "male": "M"}


def colour_dataset(picture: MriPicture, *, number: int = 1) -> Dataset:
    """Build the object. Every Type 1 and Type 2 attribute of the SC Image IOD is there; unknown Type 2 ones are empty.

    Args:
        picture: What to write.
        number: Running number for PatientID "SYNTH-0001", 1 to 9999.

    Returns:
        A data set with file meta information, native (uncompressed) Explicit VR Little Endian pixels, RGB.

    Raises:
        ClinicalValueError: The number is out of range.
    """
    organ = picture.region.lower()
    planes = ", ".join(f"{c} {name}" for c, name in zip(("red", "green", "blue"), picture.planes, strict=True))
    # Nobody's breast MRI in the Duke cohort is a man's; of a brain the values say it.
    sex = _SEXES.get(str(picture.clinical.get("sex")), "") if picture.region == "BRAIN" else "F"
    ds = marked_object(
        Marks(
            sop_class=SecondaryCaptureImageStorage,
            pixels=picture.pixels,
            seed=picture.seed,
            number=number,
            computed=f"{organ} MR phantom ({planes})",
            study=f"SYNTHETIC {organ} MRI phantom",
            sex=sex,
            age=picture.clinical.get("age"),
        )
    )
    ds.Modality, ds.ConversionType = "MR", "SYN"
    ds.BodyPartExamined = picture.region
    if picture.laterality:
        ds.Laterality = picture.laterality
    # An axial slice seen from the feet: columns run to the patient's left, rows to the back.
    ds.PatientOrientation = ["L", "P"]
    ds.PixelSpacing = [round(picture.spacing_mm, 6)] * 2
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    return ds


def colour_dicom(picture: MriPicture, *, number: int = 1) -> bytes:
    """The object as the bytes of a DICOM file: the same picture gives the same bytes.

    Args:
        picture: What to write.
        number: Running number for PatientID, 1 to 9999.

    Returns:
        A DICOM Part 10 file below 200 kB.

    Raises:
        ClinicalValueError: The number is out of range.
    """
    return file_bytes(colour_dataset(picture, number=number))
