"""How foreign libraries' failures and a file's own words become one safe, clear sentence."""

from __future__ import annotations

import struct
import zlib
from zipfile import BadZipFile

from pydicom.errors import BytesLengthException, InvalidDicomError

#: What pydicom, its decoders, Pillow and zipfile were seen to raise on damaged bytes. MemoryError is not among them:
#: the worker answers that one itself. RuntimeError includes RecursionError and NotImplementedError, ArithmeticError
#: includes OverflowError, LookupError includes KeyError and IndexError; Pillow raises SyntaxError for a broken PNG.
READ_FAILURES: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    OSError,
    SyntaxError,
    struct.error,
    zlib.error,
    BadZipFile,
    BytesLengthException,
    InvalidDicomError,
)


def printable(text: object, limit: int = 40) -> str:
    """Make a word from a file safe to show: printable ASCII, one line, cut to length.

    Args:
        text: Any value.
        limit: Characters kept.

    Returns:
        At most `limit` characters.
    """
    kept = "".join(c if " " <= c <= "~" else " " for c in str(text))
    return " ".join(kept.split())[:limit]


def cause(error: Exception) -> str:
    """Say why a pixel decoder failed. Only for errors about pixel data: others may quote patient fields.

    Args:
        error: What the decoder raised.

    Returns:
        One line: pydicom lists each decoder's reason on its own, and pylibjpeg's is the one that knows the syntax best.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    best = next((line for line in lines if line.startswith("pylibjpeg: ")), lines[-1] if lines else "")
    for decoder in ("pylibjpeg: ", "pydicom: ", "pillow: "):
        best = best.removeprefix(decoder)
    return printable(best, 160).rstrip(".") or type(error).__name__
