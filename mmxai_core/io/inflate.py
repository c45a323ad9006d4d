"""Inflating gzip and raw deflate streams, never past the budget."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO

from mmxai_core.errors import StudyReadError
from mmxai_core.io.limits import MIB, Budget


def gunzip(data: bytes, budget: Budget) -> bytes:
    """Inflate a gzip file (RFC 1952).

    Args:
        data: The whole gzip file.
        budget: Charged with every inflated byte, before it is kept.

    Returns:
        The inflated bytes.

    Raises:
        StudyReadError: The stream is damaged or cut short, or a limit is passed.
    """
    out = BytesIO()
    spent = 0
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
            while chunk := stream.read(MIB):
                spent += len(chunk)
                _charge(spent, len(chunk), len(data), budget)
                out.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise StudyReadError("The gzip file is damaged or cut short.") from error
    return out.getvalue()


def inflate_raw(data: bytes, budget: Budget) -> bytes:
    """Inflate a raw deflate stream, as Deflated Explicit VR Little Endian uses it (PS3.5 A.5).

    Args:
        data: The deflate stream.
        budget: Charged with every inflated byte, before it is kept.

    Returns:
        The inflated bytes.

    Raises:
        StudyReadError: The stream is damaged or cut short, or a limit is passed.
    """
    out = BytesIO()
    spent = 0
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = data
    try:
        while not machine.eof:
            chunk = machine.decompress(pending, MIB)
            if not chunk and not machine.eof:
                raise StudyReadError("The deflated DICOM data set is cut short.")
            spent += len(chunk)
            _charge(spent, len(chunk), len(data), budget)
            out.write(chunk)
            pending = machine.unconsumed_tail
    except zlib.error as error:
        raise StudyReadError("The deflated DICOM data set is damaged.") from error
    return out.getvalue()


def _charge(spent: int, step: int, compressed: int, budget: Budget) -> None:
    # The ratio is of the whole stream so far, the total grows by this step only.
    budget.take_inflated(step, step)
    if spent > 64 * MIB and spent > budget.limits.zip_ratio * compressed:
        raise StudyReadError(f"The file inflates more than {budget.limits.zip_ratio:g} to 1, the limit.")
