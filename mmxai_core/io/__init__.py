"""Reading studies: bytes of an upload -> Study. DICOM, NIfTI, MetaImage, NRRD, PNG, JPEG, TIFF, BMP, and zips of them.

Untrusted bytes are parsed in a child process with limits on memory and time (sandbox.py, worker.py); this package's
import loads neither pydicom nor SimpleITK nor Pillow into the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mmxai_core.io.limits import ReadLimits
from mmxai_core.io.sandbox import read_in_child, warm_up
from mmxai_core.study import Study

__all__ = ["DEFAULT_LIMITS", "SUPPORTED_EXTENSIONS", "ReadLimits", "read_files", "read_study", "warm_up"]

DEFAULT_LIMITS: Final = ReadLimits()

#: For a file chooser only: what a file is, is judged by its content. DICOM files often have no extension at all.
SUPPORTED_EXTENSIONS: Final = (
    "dcm", "dicom", "ima", "nii", "nii.gz", "mha", "mhd", "nrrd", "nhdr", "raw", "gz",
    "png", "jpg", "jpeg", "tif", "tiff", "bmp", "zip",
)  # fmt: skip


def read_study(data: bytes, name: str, *, limits: ReadLimits = DEFAULT_LIMITS) -> Study:
    """Read one uploaded file. Safe to call from any thread.

    Args:
        data: The file's bytes.
        name: Its name, for the image's label only.
        limits: What the read may use.

    Returns:
        The study: images in [0, 1] float32, in reading order, and the header's facts.

    Raises:
        StudyReadError: The file is refused; the message is one clear sentence without patient identifiers.
    """
    return read_in_child([(name, data)], limits)


def read_files(files: Sequence[tuple[str, bytes]], *, limits: ReadLimits = DEFAULT_LIMITS) -> Study:
    """Read several loose files of one study (the slices of a series, the views of a mammogram, a header and its data).

    Args:
        files: (name, bytes) of each.
        limits: What the read may use, all files together.

    Returns:
        The study. Its sha256 is that of the file, or of the sorted hex digests of several.

    Raises:
        StudyReadError: As for read_study.
    """
    return read_in_child(files, limits)
