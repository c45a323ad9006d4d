"""Uploaded bytes -> images, by what the bytes are. Runs in the child process; see sandbox.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from mmxai_core.errors import StudyReadError
from mmxai_core.io.archive import zip_sources
from mmxai_core.io.inflate import gunzip
from mmxai_core.io.reading import Reading
from mmxai_core.io.sniff import Kind, foreign_name
from mmxai_core.io.source import Source, loose
from mmxai_core.study import SourceFormat, StudyImage

_RASTERS: tuple[Kind, ...] = ("png", "jpeg", "tiff", "bmp")
_VOLUMES: tuple[Kind, ...] = ("nifti", "metaimage", "nrrd")
_READABLE = "DICOM, NIfTI, MHA, NRRD, PNG, JPEG, TIFF, BMP or a zip of these"


def read_upload(sources: Sequence[Source], scratch: Path, reading: Reading) -> Iterator[StudyImage]:
    """Read what was uploaded.

    Args:
        sources: One file, or several of one study.
        scratch: An empty folder of this read.
        reading: Limits; filled with facts and notes.

    Yields:
        The images, in reading order.

    Raises:
        StudyReadError: Nothing in it can be shown; the sentence says why.
    """
    if len(sources) > 1:
        yield from _read_many(sources, scratch, reading)
        return
    source = _unpacked(sources[0], reading)
    if source.kind == "zip":
        yield from _read_many(zip_sources(source.load(), reading), scratch, reading)
        reading.source_format = "zip"
        return
    yield from _read_one(source, scratch, reading)


def _unpacked(source: Source, reading: Reading) -> Source:
    """The file inside a gzip, or the file itself."""
    if source.kind != "gzip":
        return source
    inner = loose(source.name.removesuffix(".gz"), gunzip(source.load(), reading.budget))
    if inner.kind in ("gzip", "zip"):
        raise StudyReadError("The gzip file holds another archive; unpack it first.")
    return inner


def _read_one(
    source: Source, scratch: Path, reading: Reading, companions: Sequence[Source] = ()
) -> Iterator[StudyImage]:
    # Imported where needed: a PNG should not wait for pydicom, nor a DICOM file for anything else.
    kind = source.kind
    _state_format(kind, reading)
    if kind == "dicom":
        from mmxai_core.io.dicom import read_dicom

        yield from read_dicom(source.load(), reading)
    elif kind in _RASTERS:
        from mmxai_core.io.raster import read_raster

        yield from read_raster(source.load(), kind, source.label, reading)
    elif kind in _VOLUMES:
        from mmxai_core.io.volume import read_volume
        from mmxai_core.io.volume_header import volume_files

        beside = {other.last: other.load for other in companions}
        yield from read_volume(volume_files(source.load(), kind, beside), scratch, reading)
    else:
        raise StudyReadError(_refusal(source))


def _refusal(source: Source) -> str:
    if source.size == 0:
        return "The file is empty (0 bytes)."
    if foreign := foreign_name(source.head):
        return f"The file is {foreign}; {_READABLE} can be read."
    if source.kind == "text":
        return f"The file is plain text, not an image; {_READABLE} can be read."
    return f"The file's content is not recognised; {_READABLE} can be read."


def _read_many(sources: Sequence[Source], scratch: Path, reading: Reading) -> Iterator[StudyImage]:
    if any(source.kind == "zip" for source in sources):
        raise StudyReadError("The upload holds a zip among other files; unpack it first.")
    files = [_unpacked(source, reading) for source in sources]
    if len(files) == 1:
        yield from _read_one(files[0], scratch, reading)
        return
    dicom = [file for file in files if file.kind == "dicom"]
    volumes = [file for file in files if file.kind in _VOLUMES]
    rasters = sorted((file for file in files if file.kind in _RASTERS), key=lambda file: file.order_key)
    if volumes and not any(file.head[128:132] == b"DICM" for file in dicom):
        dicom = []  # a volume's raw voxels may look like DICOM without a preamble
    shown: Sequence[Source] = dicom or volumes or rasters
    if not shown:
        raise StudyReadError(f"None of the {len(files)} files is an image. {_refusal(files[0])}")
    companions = [file for file in files if file not in volumes] if shown is volumes else []
    if left := len(files) - len(shown) - sum(file.kind in ("raw", "dicom") for file in companions):
        reading.note(f"Files left out, because they are not {_group(shown[0].kind)}: {left} of {len(files)}.")
    if dicom:
        from mmxai_core.io.dicom_set import read_dicom_set

        _state_format("dicom", reading)
        yield from read_dicom_set(dicom, reading)
    elif volumes:
        largest = max(volumes, key=lambda file: file.size)
        if len(volumes) > 1:
            reading.note(f"The upload holds {len(volumes)} volumes; the largest is shown.")
        yield from _read_one(largest, scratch, reading, companions=companions)
    else:
        for file in rasters:
            yield from _read_one(file, scratch, reading)


def _group(kind: Kind) -> str:
    return "DICOM" if kind == "dicom" else "volumes" if kind in _VOLUMES else "pictures"


def _state_format(kind: Kind, reading: Reading) -> None:
    if kind in get_args(SourceFormat):
        reading.source_format = kind  # type: ignore[assignment]  # narrowed by the test
