"""The reading child: waits for one upload, reads it under its limits, answers, ends.

Started by sandbox.py, never imported by the server. One process serves one upload, so nothing of a patient's study,
and nothing a hostile file did, can reach the next.
"""

from __future__ import annotations

import os
import resource
import sys
import warnings
from pathlib import Path
from typing import BinaryIO, NoReturn

from mmxai_core.errors import StudyReadError
from mmxai_core.io import wire
from mmxai_core.io.limits import MIB, ReadLimits
from mmxai_core.io.reader import read_upload
from mmxai_core.io.reading import Reading
from mmxai_core.io.source import loose

_MAY_HOLD_VOLUME = ("nifti", "metaimage", "nrrd", "gzip", "zip")


def main() -> None:
    """Serve one upload over standard input and output."""
    # Libraries may print: only the kept copy of standard output reaches the server.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    _warm_up()
    try:
        job = wire.receive(sys.stdin.buffer)
    except EOFError:
        return  # the server ended, or had no more use for this spare
    limits = ReadLimits(**job["limits"])
    sources = [loose(file["name"], sys.stdin.buffer.read(file["size"])) for file in job["files"]]
    if any(source.kind in _MAY_HOLD_VOLUME for source in sources):
        import SimpleITK  # noqa: F401  # mapped before memory is limited, so that the limit is the file's alone
    _confine(limits)
    reading = Reading(limits)
    try:
        for image in read_upload(sources, Path(job["scratch"]), reading):
            wire.send_image(answers, image)
        _finish(answers, {"study": _facts(reading)})
    except StudyReadError as error:
        _finish(answers, {"refused": str(error)})
    except MemoryError:
        _finish(answers, {"refused": memory_sentence(limits)})


def memory_sentence(limits: ReadLimits) -> str:
    """What is said where a file needs more memory than it may have."""
    return f"Reading this file needs more than {limits.memory_bytes // MIB:,} MiB of memory, the limit."


def _warm_up() -> None:
    """Load, before any upload is there, what most uploads need. SimpleITK is left to the volumes that need it."""
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin  # noqa: F401  # imported for the effect

    import mmxai_core.io.dicom
    import mmxai_core.io.dicom_set
    import mmxai_core.io.raster  # noqa: F401  # imported for the effect


def _confine(limits: ReadLimits) -> None:
    """Limit memory, processor time and core dumps of this process, from here on and for good."""
    in_use = _status_bytes("VmSize")
    # The upload itself is already held; the libraries are mapped, not used up.
    ceiling = in_use + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold a patient's images


def _status_bytes(field: str) -> int:
    """A field of /proc/self/status, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _facts(reading: Reading) -> dict[str, object]:
    return {
        "source_format": reading.source_format,
        "modality": reading.modality,
        "patient_age_years": reading.age_years,
        "patient_sex": reading.sex,
        "notes": reading.notes,
        "synthetic": reading.synthetic,
        "transfer_syntax": reading.transfer_syntax,
    }


def _finish(answers: BinaryIO, header: dict[str, object]) -> NoReturn:
    # VmHWM, not getrusage: the latter's peak is inherited from the server that started this process.
    wire.send(answers, {**header, "peak_bytes": _status_bytes("VmHWM")})
    answers.close()
    # The server waits for the end: skip the interpreter's clean-up (tens of milliseconds), nothing is left to save.
    os._exit(0)


if __name__ == "__main__":
    main()
