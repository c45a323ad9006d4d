"""Reading a capsule's zip: nothing is unpacked to disk, no name is used as a path, every size is bounded first."""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import CapsuleError

MIB = 1024 * 1024
#: Most bytes of the zip, most bytes it may inflate to, most entries, and most inflated for a packed byte above 64 MiB.
MAX_PACKED, MAX_INFLATED, MAX_ENTRIES, MAX_RATIO = 1024 * MIB, 2048 * MIB, 4096, 200
_RATIO_FLOOR = 64 * MIB
_ENCRYPTED = 0x1  # general purpose bit 0, APPNOTE 4.4.4
#: Every name a capsule may hold.
_NAME = re.compile(
    r"capsule\.json|results\.json|NOTICE\.txt|inputs/clinical\.json|inputs/image_[0-9]{4}\.npy"
    r"|maps/[a-z_]{1,40}\.npy|pictures/[a-z_]{1,40}\.png"
)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def open_zip(data: bytes) -> dict[str, bytes]:
    """A capsule's entries by name.

    Args:
        data: The whole zip.

    Raises:
        CapsuleError: It is no zip, damaged, encrypted, too large, or holds a name that no capsule has.
    """
    if len(data) > MAX_PACKED:
        raise CapsuleError(f"The capsule has {len(data) // MIB:,} MiB; the limit is {MAX_PACKED // MIB:,} MiB.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except _BROKEN as error:
        raise CapsuleError("This is not a case capsule: it is no zip, or it is cut short.") from error
    if len(entries) > MAX_ENTRIES:
        raise CapsuleError(f"The capsule has {len(entries):,} entries; the limit is {MAX_ENTRIES:,}.")
    if len({e.filename for e in entries}) != len(entries):
        raise CapsuleError("The capsule holds one name twice; it was changed after it was written.")
    for entry in entries:
        if not _NAME.fullmatch(entry.filename):
            raise CapsuleError(f"The capsule holds {entry.filename[:80]!r}, which no capsule has.")
        if entry.flag_bits & _ENCRYPTED:
            raise CapsuleError("The capsule is encrypted; a case capsule never is.")
    inflated, packed = sum(e.file_size for e in entries), max(sum(e.compress_size for e in entries), 1)
    if inflated > MAX_INFLATED or (inflated > _RATIO_FLOOR and inflated / packed > MAX_RATIO):
        raise CapsuleError(
            f"The capsule claims to inflate {packed // MIB:,} MiB to {inflated // MIB:,} MiB; the limits are "
            f"{MAX_INFLATED // MIB:,} MiB and {MAX_RATIO} to 1."
        )
    return {e.filename: _read(archive, e) for e in entries}


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """One entry; reading stops at the size it claims, and its checksum is compared there."""
    try:
        with archive.open(entry) as stream:
            found = stream.read(entry.file_size)
            more = stream.read(1)
    except _BROKEN as error:
        raise CapsuleError(f"The capsule's {entry.filename} is damaged: its checksum does not match.") from error
    if len(found) != entry.file_size or more:
        raise CapsuleError(f"The capsule's {entry.filename} is not of the size that it claims.")
    return found


def write_zip(entries: Mapping[str, bytes]) -> bytes:
    """Entries as a zip whose bytes depend on nothing but them: fixed dates, fixed order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in entries.items():
            if not _NAME.fullmatch(name):
                raise CapsuleError(f"A capsule cannot hold {name!r}.")
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def pack_array(values: NDArray[Any]) -> bytes:
    """An array as .npy."""
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(values), allow_pickle=False)
    return out.getvalue()


def unpack_array(data: bytes, name: str) -> NDArray[Any]:
    """A .npy of numbers whose header claims exactly the bytes that follow it.

    Raises:
        CapsuleError: It is something else.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        claimed = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "fiub" or claimed != len(data) - stream.tell():
            raise ValueError("shape, type and length do not fit")
        stream.seek(0)
        found: NDArray[Any] = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise CapsuleError(f"The capsule's {name} is not an array of numbers ({error}).") from error
    return found


def sha256(data: bytes) -> str:
    """Hex sha256."""
    return hashlib.sha256(data).hexdigest()
