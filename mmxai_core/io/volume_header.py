"""Headers of volumes, written anew from known fields before SimpleITK sees them.

A MetaImage or NRRD header may name other files of the machine as its voxels. None of those names is followed: the
header handed on is ours, and its data is in the file itself or in a companion of the same upload. Fields that may
hold a patient's name (Comment, content, key:=value pairs) are dropped.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmxai_core.errors import StudyReadError
from mmxai_core.io.sniff import Kind

Companions = Mapping[str, Callable[[], bytes]]

_HEADER_LIMIT = 64 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")
_META_FIELD = re.compile(r"\s*(\w+)\s*[=:]\s*([\x20-\x7e]*?)\s*")
_META_KNOWN = frozenset(
    {"ObjectType", "NDims", "BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData",
     "CompressedDataSize", "TransformMatrix", "Rotation", "Orientation", "Offset", "Position", "Origin",
     "CenterOfRotation", "AnatomicalOrientation", "ElementSpacing", "ElementSize", "DimSize", "HeaderSize",
     "ElementNumberOfChannels", "ElementType"}
)  # fmt: skip
_NRRD_FIELD = re.compile(r"([a-z ]+): ?([\x20-\x7e]*?)\s*", re.IGNORECASE)
_NRRD_KNOWN = frozenset(
    {"type", "dimension", "space", "space dimension", "sizes", "spacings", "space directions", "space origin", "kinds",
     "endian", "encoding", "units", "space units", "axis mins", "axis maxs", "centers", "centerings", "line skip",
     "lineskip", "byte skip", "byteskip", "measurement frame"}
)  # fmt: skip


@dataclass(frozen=True)
class VolumeFiles:
    """What SimpleITK is given.

    Attributes:
        name: The format, in words.
        image_io: SimpleITK's name of its reader.
        main: Name of the file to open, ours.
        contents: Our file names and their bytes.
        spacing_source: The header field that states the spacing, or None where the header states none.
    """

    name: str
    image_io: str
    main: str
    contents: Mapping[str, bytes]
    spacing_source: str | None


def volume_files(data: bytes, kind: Kind, companions: Companions) -> VolumeFiles:
    """Prepare one volume for reading.

    Args:
        data: The whole file, not gzipped.
        kind: "nifti", "metaimage" or "nrrd".
        companions: Loaders of the upload's other files by last path component, for headers whose data is separate.

    Returns:
        The files to hand over.

    Raises:
        StudyReadError: The header names a data file that is not in the upload, or is not complete.
    """
    if kind == "nifti":
        return _nifti(data)
    return _metaimage(data, companions) if kind == "metaimage" else _nrrd(data, companions)


def _nifti(data: bytes) -> VolumeFiles:
    second = data[4:8] in (b"n+2\0", b"ni2\0")
    magic = data[4:8] if second else data[344:348]
    if magic.startswith(b"ni"):
        raise StudyReadError("This NIfTI header keeps its voxels in a separate .img file; save it as one .nii file.")
    if len(data) < (540 if second else 348):
        raise StudyReadError("The NIfTI header is cut short.")
    order = "<" if struct.unpack_from("<i", data)[0] in (348, 540) else ">"
    sizes_at, sizes_as, bits_at, offset_at, offset_as = (16, "8q", 14, 168, "q") if second else (40, "8h", 72, 108, "f")
    sizes = struct.unpack_from(order + sizes_as, data, sizes_at)
    (bits,) = struct.unpack_from(order + "h", data, bits_at)
    (offset,) = struct.unpack_from(order + offset_as, data, offset_at)
    # SimpleITK reads a file that is cut short without a word, as zeros.
    voxels = math.prod(max(1, n) for n in sizes[1 : 1 + min(max(sizes[0], 0), 7)])
    needed = (int(offset) if math.isfinite(offset) else 0) + voxels * bits // 8
    if needed > len(data):
        raise StudyReadError(f"The NIfTI file is cut short: {needed:,} bytes are needed, {len(data):,} are there.")
    units = struct.unpack_from(order + "i", data, 500)[0] if second else data[123]
    stated = "NIfTI pixdim" if units & 7 else "NIfTI pixdim, unit not stated and taken as mm"
    return VolumeFiles("NIfTI", "NiftiImageIO", "volume.nii", {"volume.nii": data}, stated)


def _metaimage(data: bytes, companions: Companions) -> VolumeFiles:
    fields: dict[str, str] = {}
    at = 0
    for end in _LINE_END.finditer(data, 0, _HEADER_LIMIT):
        found = _META_FIELD.fullmatch(data[at : end.start()].decode("latin-1"))
        at = end.end()
        if found and found[1] == "ElementDataFile":
            break
        if found and found[1] in _META_KNOWN:
            fields[found[1]] = found[2]
    else:
        raise StudyReadError("The MetaImage header has no ElementDataFile field.")
    # Dimensions come first: MetaIO needs them to read the fields that follow.
    lines = [f"{key} = {fields[key]}" for key in sorted(fields, key=lambda k: k not in ("ObjectType", "NDims"))]
    source = "MetaImage ElementSpacing" if {"ElementSpacing", "ElementSize"} & fields.keys() else None
    if found[2].upper() == "LOCAL":
        whole = "\n".join([*lines, "ElementDataFile = LOCAL\n"]).encode() + data[at:]
        return VolumeFiles("MetaImage", "MetaImageIO", "volume.mha", {"volume.mha": whole}, source)
    contents = {
        "volume.mhd": "\n".join([*lines, "ElementDataFile = volume.raw\n"]).encode(),
        "volume.raw": _companion(found[2], companions, "MetaImage ElementDataFile"),
    }
    return VolumeFiles("MetaImage", "MetaImageIO", "volume.mhd", contents, source)


def _nrrd(data: bytes, companions: Companions) -> VolumeFiles:
    lines: list[str] = []
    fields: set[str] = set()
    named: str | None = None
    body: int | None = None
    at = 0
    for end in _LINE_END.finditer(data, 0, _HEADER_LIMIT):
        line = data[at : end.start()].decode("latin-1")
        at = end.end()
        if not line:
            body = at
            break
        if not lines:
            lines.append(line[:8])  # NRRD000x
            continue
        found = _NRRD_FIELD.fullmatch(line)
        field = found[1].lower() if found else ""
        if found and field in ("data file", "datafile"):
            named = found[2]
        elif found and field in _NRRD_KNOWN and not line.startswith(f"{found[1]}:="):
            fields.add(field)
            lines.append(f"{field}: {found[2]}")
    source = "NRRD space directions" if fields & {"spacings", "space directions"} else None
    if named is not None:
        contents = {
            "volume.nhdr": "\n".join([*lines, "data file: volume.raw", "", ""]).encode(),
            "volume.raw": _companion(named, companions, "NRRD data file"),
        }
        return VolumeFiles("NRRD", "NrrdImageIO", "volume.nhdr", contents, source)
    if body is None:
        raise StudyReadError("The NRRD header does not end in a blank line; the file is cut short.")
    whole = "\n".join([*lines, "", ""]).encode() + data[body:]
    return VolumeFiles("NRRD", "NrrdImageIO", "volume.nrrd", {"volume.nrrd": whole}, source)


def _companion(named: str, companions: Companions, field: str) -> bytes:
    """The companion whose last path component the header names; the path before it is ignored."""
    last = named.replace("\\", "/").rsplit("/", 1)[-1]
    if last in companions:
        return companions[last]()
    raise StudyReadError(f"{field} names a file that is not in the upload; put header and data in one zip.")
