"""What bytes are, judged by their content. The name's extension is never trusted."""

from __future__ import annotations

import struct
from typing import Literal

Kind = Literal["dicom", "nifti", "metaimage", "nrrd", "png", "jpeg", "tiff", "bmp", "zip", "gzip", "raw", "text"]

#: Bytes of a file's beginning that are enough to tell.
HEAD_BYTES = 2048

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"NRRD000", "nrrd"),
)

#: Lengths of the header that follows a BMP's first 14 bytes.
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)

#: Formats that are refused by name.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"GIF8", "a GIF image"),
    (b"\x00\x00\x00\x0cjP  ", "a bare JPEG 2000 image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
)


def sniff(head: bytes, size: int) -> Kind:
    """Tell a file's kind from its first bytes.

    Args:
        head: The first HEAD_BYTES bytes, or all of a shorter file.
        size: Length of the whole file, bytes.

    Returns:
        The kind; "raw" where nothing is recognised, "text" where it reads as text.
    """
    # A DICOM file's 128-byte preamble may hold anything, another format's magic included (PS3.10 7.1): DICM decides.
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if (
        head.startswith(b"BM")
        and size >= 26
        and struct.unpack_from("<I", head, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "bmp"
    if _is_nifti(head):
        return "nifti"
    if _is_metaimage(head):
        return "metaimage"
    if _is_bare_dicom(head):
        return "dicom"
    return "text" if _is_text(head) else "raw"


def foreign_name(head: bytes) -> str | None:
    """Name a well-known format that is not read here, or None."""
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[4:8] == b"ftyp":
        return "a video or HEIC file"
    return next((name for magic, name in _FOREIGN if head.startswith(magic)), None)


def _is_nifti(head: bytes) -> bool:
    # sizeof_hdr is 348 (NIfTI-1, magic at 344) or 540 (NIfTI-2, magic at 4), in either byte order.
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return head[:4] in (struct.pack("<i", 348), struct.pack(">i", 348))
    return head[4:8] in (b"n+2\0", b"ni2\0") and head[:4] in (struct.pack("<i", 540), struct.pack(">i", 540))


def _is_metaimage(head: bytes) -> bool:
    first = head.split(b"\n", 1)[0].partition(b"=")
    return bool(first[1]) and first[0].strip() in (b"ObjectType", b"NDims", b"Comment") and b"NDims" in head


def _is_bare_dicom(head: bytes) -> bool:
    """A data set without preamble: starts with a group 0002 or 0008 element whose length is plausible."""
    if len(head) < 16:
        return False
    for order in "<>":
        group, element = struct.unpack_from(order + "HH", head)
        if group not in (0x0002, 0x0008) or element > 0x2000:
            continue
        if head[4:6].isalpha() and head[4:6].isupper():
            return True
        if struct.unpack_from(order + "I", head, 4)[0] <= 1024:
            return True
    return False


def _is_text(head: bytes) -> bool:
    return bool(head) and sum(byte < 9 or 13 < byte < 32 for byte in head) == 0
