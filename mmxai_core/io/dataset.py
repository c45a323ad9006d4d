"""Bytes -> a pydicom data set whose syntax, depth and kind were checked. No pixel is decoded here."""

from __future__ import annotations

import struct
from io import BytesIO

from pydicom import config, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from mmxai_core.errors import StudyReadError
from mmxai_core.io.header import text, value
from mmxai_core.io.inflate import inflate_raw
from mmxai_core.io.limits import Budget
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES, printable
from mmxai_core.io.sop import object_name

# A header is read for display, not judged: values that break a rule are kept as far as they can be read.
config.settings.reading_validation_mode = config.IGNORE

_PREAMBLE = 128
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dataset(data: bytes, reading: Reading, *, header_only: bool = False) -> FileDataset:
    """Parse one DICOM object.

    Args:
        data: The whole file, with or without preamble and file meta information.
        reading: Limits, budget and notes.
        header_only: Stop before the pixel data.

    Returns:
        The data set, with a transfer syntax.

    Raises:
        StudyReadError: It is not DICOM, is damaged, or nests sequences too deep.
    """
    limits = reading.limits
    try:
        dataset = dcmread(BytesIO(_plain(data, reading.budget)), stop_before_pixels=header_only, force=True)
        check_nesting(dataset, limits.nesting)
    except RecursionError as error:
        raise StudyReadError(_too_deep(limits.nesting)) from error
    except READ_FAILURES as error:
        # pydicom's messages may quote a patient's tags, so only the kind of failure is passed on.
        raise StudyReadError(f"The DICOM header is damaged or cut short ({type(error).__name__}).") from error
    if value(dataset, "SOPClassUID") is None and value(dataset, "Rows") is None and not _meta_class(dataset):
        raise StudyReadError(
            "This is not a DICOM image: it has neither SOP Class UID (0008,0016) nor Rows (0028,0010)."
        )
    _settle_syntax(dataset, reading)
    # The preamble may hold another file's header (PS3.10 7.1); nothing here may ever show or use it.
    dataset.preamble = bytes(_PREAMBLE)
    return dataset


def require_image(dataset: Dataset, *, header_only: bool = False) -> None:
    """Refuse an object that holds no image, saying what it is.

    Args:
        dataset: The object.
        header_only: The data set was read without its pixel data, which then cannot be looked for.

    Raises:
        StudyReadError: The object is a report, plan, directory ..., or its image is missing.
    """
    name = object_name(dataset)
    if value(dataset, "Rows") is None or value(dataset, "Columns") is None:
        where = " without Rows (0028,0010)" if name.endswith(("object", "Class")) else ""
        raise StudyReadError(f"This DICOM object holds no image: it is {name}{where}.")
    if not header_only and pixel_keyword(dataset) is None:
        raise StudyReadError(f"This DICOM object, {name}, has no Pixel Data (7FE0,0010); the file may be cut short.")


def pixel_keyword(dataset: Dataset) -> str | None:
    """The pixel element the object has: PixelData, FloatPixelData, DoubleFloatPixelData, or None."""
    return next((keyword for keyword in _PIXELS if keyword in dataset), None)


def check_nesting(dataset: Dataset, limit: int) -> None:
    """Refuse sequences nested deeper than the limit. Level by level, so that the check itself cannot recurse.

    Args:
        dataset: The object.
        limit: Deepest level allowed; 1 is a sequence of the object itself.

    Raises:
        StudyReadError: It nests deeper.
    """
    level: list[Dataset] = [dataset]
    for _ in range(limit + 1):
        level = [inner for outer in level for inner in _sequence_items(outer)]
        if not level:
            return
    raise StudyReadError(_too_deep(limit))


def _sequence_items(dataset: Dataset) -> list[Dataset]:
    found: list[Dataset] = []
    for tag in dataset.keys():  # noqa: SIM118  # iterating a Dataset itself converts every element
        element = dataset.get_item(tag)
        vr: str | None = element.VR if element is not None else None
        if vr is None and dictionary_has_tag(tag):
            vr = dictionary_VR(tag)
        if vr == "SQ":
            found.extend(dataset[tag].value or [])
    return found


def _too_deep(limit: int) -> str:
    return f"The DICOM header nests sequences more than {limit} deep, the limit."


def _meta_class(dataset: FileDataset) -> bool:
    return value(dataset.file_meta, "MediaStorageSOPClassUID") is not None


def _plain(data: bytes, budget: Budget) -> bytes:
    """Inflate a deflated data set within the budget, which pydicom would do without one."""
    if data[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
        return data
    at = _PREAMBLE + 4
    while at + 8 <= len(data):
        group, element, vr, length = struct.unpack_from("<HH2sH", data, at)
        if group != 0x0002:
            break
        start = at + 8
        if vr in _LONG_VRS:
            if at + 12 > len(data):
                break
            length = struct.unpack_from("<I", data, at + 8)[0]
            start = at + 12
        stated = data[start : start + length].rstrip(b"\0 ")
        if element == 0x0010 and stated == DeflatedExplicitVRLittleEndian.encode():
            # The same number of bytes names the inflated syntax, so no other length changes.
            plain = ExplicitVRLittleEndian.encode().ljust(length, b"\0")
            meta_end = _meta_end(data, start + length)
            return data[:start] + plain + data[start + length : meta_end] + inflate_raw(data[meta_end:], budget)
        at = start + length
    return data


def _meta_end(data: bytes, at: int) -> int:
    """Where group 0002 ends, from an element boundary inside it."""
    while at + 12 <= len(data):
        group, _, vr, length = struct.unpack_from("<HH2sH", data, at)
        if group != 0x0002:
            break
        at += 12 + struct.unpack_from("<I", data, at + 8)[0] if vr in _LONG_VRS else 8 + length
    return at


def _settle_syntax(dataset: FileDataset, reading: Reading) -> None:
    """Make sure there is a transfer syntax, from how the bytes were read where the file states none."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    stated = value(dataset.file_meta, "TransferSyntaxUID")
    if stated is not None:
        return
    implicit, little = dataset.original_encoding
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    reading.note(f"The file states no Transfer Syntax UID (0002,0010); it was read as {printable(syntax.name)}.")


def syntax_name(dataset: FileDataset) -> str:
    """Name of the transfer syntax, safe to show."""
    uid = dataset.file_meta.TransferSyntaxUID
    return printable(uid.name, 100) or text(dataset.file_meta, "TransferSyntaxUID")
