"""The server's side of a read: a child process, its deadline, and one clear sentence whatever happens to it.

The child is a fresh Python started by exec (never a fork of a threaded server). A spare one waits with its libraries
loaded, so that a clinician does not wait for imports; it serves one upload and is replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmxai_core.errors import StudyReadError
from mmxai_core.io import wire
from mmxai_core.io.limits import MIB, ReadLimits
from mmxai_core.study import Study, StudyImage

_COMMAND = (sys.executable, "-P", "-m", "mmxai_core.io.worker")
_ROOT = Path(__file__).resolve().parents[2]
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "HOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class ReadCost:
    """What one read took.

    Attributes:
        seconds: Wall-clock time, from the call to the study or the refusal.
        peak_bytes: Peak resident memory of the child, libraries included; None where it ended without saying.
    """

    seconds: float
    peak_bytes: int | None


def read_in_child(
    files: Sequence[tuple[str, bytes]],
    limits: ReadLimits,
    *,
    observe: Callable[[ReadCost], None] | None = None,
) -> Study:
    """Read one upload in a child process.

    Args:
        files: (name, bytes) of each file.
        limits: Limits of the read.
        observe: Called once with the cost, also before a refusal is raised.

    Returns:
        The study.

    Raises:
        StudyReadError: The upload is refused, breaks a limit, or brought the child down.
    """
    started = time.monotonic()
    _check_upload(files, limits)
    worker = _take_spare() or _start()
    peak: int | None = None
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        worker.kill()

    timer = threading.Timer(limits.seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mmxai-read-") as scratch:
            images, answer = _converse(worker, files, limits, scratch)
        peak = answer.get("peak_bytes")
        if "refused" in answer:
            raise StudyReadError(str(answer["refused"]))
        return Study(images=tuple(images), sha256=_digest(files), **_facts(answer["study"]))
    except (EOFError, BrokenPipeError, ConnectionResetError, LookupError, TypeError, ValueError) as error:
        # The pipe broke, or what came through it is no answer: the last three are a child that was led astray.
        raise StudyReadError(_ending(worker, limits, timed_out=expired.is_set())) from error
    finally:
        timer.cancel()
        _end(worker)
        _replace_spare()
        if observe is not None:
            observe(ReadCost(seconds=time.monotonic() - started, peak_bytes=peak))


def _check_upload(files: Sequence[tuple[str, bytes]], limits: ReadLimits) -> None:
    if not files:
        raise StudyReadError("No file was uploaded.")
    if len(files) > limits.zip_entries:
        raise StudyReadError(f"{len(files):,} files were uploaded; the limit is {limits.zip_entries:,}.")
    total = sum(len(data) for _, data in files)
    if total > limits.upload_bytes:
        raise StudyReadError(
            f"The upload has {total / MIB:,.1f} MiB; the limit is {limits.upload_bytes / MIB:,.1f} MiB."
        )
    if total == 0:
        raise StudyReadError("The file is empty (0 bytes)." if len(files) == 1 else "All files are empty (0 bytes).")


def _converse(
    worker: subprocess.Popen[bytes], files: Sequence[tuple[str, bytes]], limits: ReadLimits, scratch: str
) -> tuple[list[StudyImage], dict[str, Any]]:
    """Send the upload, then take images until the answer that ends the conversation."""
    assert worker.stdin is not None and worker.stdout is not None  # both are pipes, see _start
    job = {
        "limits": asdict(limits),
        "scratch": scratch,
        "files": [{"name": name, "size": len(data)} for name, data in files],
    }
    wire.send(worker.stdin, job)  # type: ignore[arg-type]  # Popen's pipes are binary
    for _, data in files:
        worker.stdin.write(data)
    worker.stdin.close()
    images: list[StudyImage] = []
    values = 0
    while True:
        answer = wire.receive(worker.stdout)  # type: ignore[arg-type]  # as above
        if "image" not in answer:
            return images, answer
        images.append(wire.receive_image(worker.stdout, answer["image"], limits))  # type: ignore[arg-type]
        values += images[-1].pixels.size
        if values > 3 * limits.total_values or len(images) > limits.frames:
            raise StudyReadError("The reader answered with more images than the limits allow.")


def _facts(stated: dict[str, Any]) -> dict[str, Any]:
    return {**stated, "notes": tuple(stated["notes"])}


def _digest(files: Sequence[tuple[str, bytes]]) -> str:
    """SHA-256 of one file's bytes; of several, of their sorted digests, so that their order does not matter."""
    digests = sorted(sha256(data).hexdigest() for _, data in files)
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def _ending(worker: subprocess.Popen[bytes], limits: ReadLimits, *, timed_out: bool) -> str:
    """Why a child ended without an answer, in one sentence."""
    if timed_out:
        return f"Reading took longer than {limits.seconds:g} seconds, the limit."
    _end(worker)
    code = worker.returncode
    if code == -signal.SIGXCPU:
        return f"Reading took longer than {limits.seconds:g} seconds, the limit."
    if code == -signal.SIGKILL:
        return "Reading was stopped by the system, most likely because the file needs too much memory."
    if code < 0:
        name = signal.Signals(-code).name
        return f"The file brought its reader down ({name}); it is damaged, or needs more memory than the limit."
    return "The file is damaged: its decoder stopped on it."


def _start() -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    environment |= {
        # The server may have found its packages by its own sys.path; the child must find the same ones, ours first.
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *(str(Path(entry).resolve()) for entry in sys.path if entry)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # One upload, one thread: pools of threads would only reserve address space.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
    return subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def _end(worker: subprocess.Popen[bytes]) -> None:
    """Let a finished child go, stop one that is not, and close its pipes."""
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # a dead child's pipe may refuse the last flush
                pipe.close()
    try:
        worker.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


# The spare ----------------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_spare: subprocess.Popen[bytes] | None = None
_closed = False


def warm_up() -> None:
    """Start the spare reader, so that the first upload does not wait about 0.3 s for imports. Returns at once."""
    _replace_spare()


def _take_spare() -> subprocess.Popen[bytes] | None:
    global _spare
    with _lock:
        taken, _spare = _spare, None
    if taken is not None and taken.poll() is not None:
        _end(taken)
        return None
    return taken


def _replace_spare() -> None:
    global _spare
    with _lock:
        if _spare is None and not _closed:
            _spare = _start()


def _close_spare() -> None:
    global _closed
    _closed = True
    if (spare := _take_spare()) is not None:
        _end(spare)


def _forget_spare() -> None:
    """A forked copy of the server shares the spare's pipes: it must leave it to the original."""
    global _spare, _lock
    _spare, _lock = None, threading.Lock()


atexit.register(_close_spare)
os.register_at_fork(after_in_child=_forget_spare)
