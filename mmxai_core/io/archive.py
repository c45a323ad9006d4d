"""A zip of studies -> its files, within the limits. Names inside are never used as paths."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from zipfile import ZipFile, ZipInfo

from mmxai_core.errors import StudyReadError
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES
from mmxai_core.io.sniff import HEAD_BYTES
from mmxai_core.io.source import Source

_ENCRYPTED = 0x1  # general purpose bit 0, APPNOTE 4.4.4


def zip_sources(data: bytes, reading: Reading) -> list[Source]:
    """List a zip's files.

    Args:
        data: The whole zip.
        reading: Limits; the budget is charged with every byte the zip claims to inflate to.

    Returns:
        Its files, without folders and the hidden files that systems add.

    Raises:
        StudyReadError: It is damaged, encrypted, empty, or breaks a limit.
    """
    limits = reading.limits
    try:
        archive = ZipFile(BytesIO(data))
    except READ_FAILURES as error:
        raise StudyReadError("The zip is damaged or cut short: its table of contents cannot be read.") from error
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > limits.zip_entries:
        raise StudyReadError(f"The zip has {len(entries):,} files; the limit is {limits.zip_entries:,}.")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise StudyReadError("The zip is encrypted; unpack it with its password and upload the files.")
    for entry in entries:
        # Reading stops at the claimed size and then checks it (CRC), so the claim is what a bomb can cost.
        reading.budget.take_inflated(entry.file_size, entry.compress_size)
    kept = [entry for entry in entries if not _is_clutter(entry)]
    if not kept:
        raise StudyReadError("The zip holds no files.")
    return [_source(archive, entry) for entry in kept]


def _is_clutter(entry: ZipInfo) -> bool:
    parts = entry.filename.replace("\\", "/").split("/")
    return "__MACOSX" in parts or parts[-1].startswith(".") or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _source(archive: ZipFile, entry: ZipInfo) -> Source:
    return Source(
        name=entry.filename,
        size=entry.file_size,
        head=_read(archive, entry, HEAD_BYTES),
        load=partial(_read, archive, entry, entry.file_size),
    )


def _read(archive: ZipFile, entry: ZipInfo, count: int) -> bytes:
    try:
        with archive.open(entry) as stream:
            found = stream.read(count)
            if count == entry.file_size:
                stream.read(1)  # at the end the checksum is compared
            return found
    except READ_FAILURES as error:
        raise StudyReadError("A file in the zip is damaged, or packed by a method that is not supported.") from error
