"""What a DICOM object is, in a clinician's words."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID

from mmxai_core.io.header import text, value
from mmxai_core.io.refusal import printable

#: Beginnings of SOP Class names (PS3.6 table A-1) and what they are called here; the first that fits is taken.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("Media Storage Directory", "a DICOMDIR, an index of other files (upload those files, or the folder as a zip)"),
    ("Encapsulated PDF", "a PDF document inside DICOM"),
    ("Encapsulated CDA", "a CDA document inside DICOM"),
    ("Encapsulated", "a document or 3D model inside DICOM"),
    ("RT Plan", "a radiotherapy plan"),
    ("RT Ion Plan", "a radiotherapy ion plan"),
    ("RT Structure Set", "a radiotherapy structure set (contours)"),
    ("RT Dose", "a radiotherapy dose grid"),
    ("RT ", "a radiotherapy record"),
    ("Key Object Selection", "a key object selection (a list of images)"),
    ("Segmentation", "a segmentation"),
    ("Surface Segmentation", "a surface segmentation"),
    ("Raw Data", "raw scanner data"),
    ("Spatial", "a spatial registration"),
    ("Deformable Spatial", "a spatial registration"),
    ("MR Spectroscopy", "MR spectroscopy data"),
)
_CONTAINED: tuple[tuple[str, str], ...] = (
    (" SR", "a structured report"),
    ("Waveform", "a waveform such as an ECG"),
    ("Presentation State", "a presentation state (display settings for other images)"),
    ("Parametric Map", "a parametric map"),
    ("Video", "a video"),
)


def object_name(dataset: Dataset) -> str:
    """Name an object by its SOP Class (0008,0016), else by Modality (0008,0060).

    Args:
        dataset: The object.

    Returns:
        Words that follow "it is", e.g. "a structured report".
    """
    uid = value(dataset, "SOPClassUID") or value(getattr(dataset, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    if uid is None:
        modality = text(dataset, "Modality", 16)
        return f"an object of modality {modality} without a SOP Class" if modality else "an object without a SOP Class"
    name = UID(str(uid)).name
    for start, words in _FAMILIES:
        if name.startswith(start):
            return words
    for part, words in _CONTAINED:
        if part in name:
            return words
    if name == str(uid):
        return "an object of an unknown SOP Class"
    return f'a "{printable(name.removesuffix(" Storage"), 80)}" object'


def caution(dataset: Dataset) -> str | None:
    """A sentence for an object that decodes to a picture but is no acquired image, or None."""
    name = object_name(dataset)
    if name.startswith(("a segmentation", "a radiotherapy dose", "a parametric map")):
        return f"This object is {name}, not an acquired image."
    return None
