"""Download a public cohort's originals, checked file by file.

Where the files come from, and what of it was confirmed (none of the addresses could be opened while this was written;
each was read in several independent public projects that download from it):

- ``breast_lesions_usg``: TCIA collection BREAST-LESIONS-USG, DOI 10.7937/9WKK-Q141, CC BY 4.0; a zip of images and
  masks and an xlsx, both under ``cancerimagingarchive.net/wp-content/uploads``.
- ``bus_bra``: Zenodo record 8231412, DOI 10.5281/zenodo.8231412; ``BUSBRA.zip``.

``sources/<cohort>.csv`` holds path, size and SHA-256 (base64, unpadded) of each file of a public copy of the
originals. For the xlsx it holds two hashes: that copy's, and the one that other projects pin for TCIA's own file.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from tqdm import tqdm

from mmxai_core.cohorts.download import Progress, download
from mmxai_core.errors import CohortError

_MANIFESTS = Path(__file__).parent / "sources"
_MAX_MEMBER_BYTES = 64 * 1024 * 1024
_TEXT = frozenset({".csv", ".txt"})


@dataclass(frozen=True)
class Remote:
    """A file the publisher offers.

    Attributes:
        name: File name, also below another base address.
        url: The publisher's address.
        is_archive: True for a zip of the cohort's files, False for one of the files itself.
    """

    name: str
    url: str
    is_archive: bool


_TCIA = "https://www.cancerimagingarchive.net/wp-content/uploads/"
_BREAST_ZIP = "BrEaST-Lesions_USG-images_and_masks-Dec-15-2023.zip"
_BREAST_XLSX = "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx"

#: What to download for each cohort.
SOURCES: Mapping[str, tuple[Remote, ...]] = MappingProxyType(
    {
        "breast_lesions_usg": (
            Remote(_BREAST_XLSX, _TCIA + _BREAST_XLSX, False),
            Remote(_BREAST_ZIP, _TCIA + _BREAST_ZIP, True),
        ),
        "bus_bra": (Remote("BUSBRA.zip", "https://zenodo.org/records/8231412/files/BUSBRA.zip?download=1", True),),
    }
)


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes:
        root: Folder in the upstream layout, ready for ``--root``.
        files: How many files the cohort has, all present and checked.
        kept: How many of them were there already.
        downloaded_bytes: Size of what was downloaded, bytes.
    """

    root: Path
    files: int
    kept: int
    downloaded_bytes: int


def read_manifest(path: Path) -> dict[str, frozenset[str]]:
    """Read a cohort's list of files.

    Args:
        path: CSV with path, bytes and sha256; a path on two rows has two accepted contents.

    Returns:
        Accepted SHA-256 values (hex) by path relative to the cohort's root.

    Raises:
        CohortError: The list is missing or malformed, or a path leaves the root.
    """
    accepted: dict[str, frozenset[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                name = row["path"]
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise CohortError(f"{path.name}: a path must stay below the cohort's folder; got {name}.")
                digest = base64.b64decode(row["sha256"] + "=", validate=True).hex()
                accepted[name] = accepted.get(name, frozenset()) | {digest}
    except OSError as error:
        raise CohortError(f"The list of files {path.name} cannot be read ({error.strerror}).") from error
    except (KeyError, ValueError, TypeError) as error:
        raise CohortError(f"The list of files {path.name} is malformed: {error}.") from error
    return accepted


def _matches(content: bytes, name: str, accepted: frozenset[str]) -> bool:
    """Whether content is one of the accepted ones; text files may differ in their line ends."""
    if hashlib.sha256(content).hexdigest() in accepted:
        return True
    if PurePosixPath(name).suffix not in _TEXT:
        return False
    unix = content.replace(b"\r\n", b"\n")
    return any(hashlib.sha256(v).hexdigest() in accepted for v in (unix, unix.replace(b"\n", b"\r\n")))


def _mismatch(name: str, content: bytes, accepted: frozenset[str], origin: str) -> CohortError:
    return CohortError(
        f"{name} from {origin}: SHA-256 is {hashlib.sha256(content).hexdigest()}, expected "
        f"{' or '.join(sorted(accepted))}. The download was discarded: run the command again. "
        "If this repeats, the publisher changed the file."
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _missing(out: Path, files: Mapping[str, frozenset[str]], progress: Progress | None) -> dict[str, frozenset[str]]:
    """The files that are not on disk, or not as they should be."""
    missing = {}
    for done, (name, accepted) in enumerate(files.items(), start=1):
        path = out / name
        if not (path.is_file() and _matches(path.read_bytes(), name, accepted)):
            missing[name] = accepted
        if progress is not None:
            progress("Checking files", done, len(files))
    return missing


def _unpack(archive: Path, out: Path, wanted: Mapping[str, frozenset[str]], progress: Progress | None) -> None:
    """Take the wanted files out of the archive, each checked before it gets its name. Others stay inside."""
    with zipfile.ZipFile(archive) as opened:
        # The archive may or may not have a folder of its own around the cohort's files.
        members: dict[str, zipfile.ZipInfo] = {}
        for info in opened.infolist():
            parts = PurePosixPath(info.filename).parts
            for name in ("/".join(parts), "/".join(parts[1:])):
                if name in wanted:
                    members.setdefault(name, info)
        for done, (name, accepted) in enumerate(wanted.items(), start=1):
            if name not in members:
                raise CohortError(f"{archive.name} has no file {name}. The publisher changed the archive's layout.")
            if members[name].file_size > _MAX_MEMBER_BYTES:
                raise CohortError(
                    f"{name} in {archive.name} is {members[name].file_size:,} bytes; the limit is 64 MiB."
                )
            content = opened.read(members[name])
            if not _matches(content, name, accepted):
                raise _mismatch(name, content, accepted, archive.name)
            _write(out / name, content)
            if progress is not None:
                progress("Unpacking", done, len(wanted))


def _take(
    remote: Remote, local: Path, out: Path, wanted: Mapping[str, frozenset[str]], progress: Progress | None
) -> None:
    """Check what was downloaded and put the wanted files in place; a bad download is discarded."""
    keep = False
    try:
        if remote.is_archive:
            _unpack(local, out, wanted, progress)
        else:
            content = local.read_bytes()
            if not _matches(content, remote.name, wanted[remote.name]):
                raise _mismatch(remote.name, content, wanted[remote.name], "the download")
            _write(out / remote.name, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CohortError(
            f"{remote.name} is not a whole zip archive ({error}). The download was discarded: run the command again."
        ) from error
    except OSError:
        keep = True  # The disk, not the download, is at fault.
        raise
    finally:
        if not keep:
            local.unlink(missing_ok=True)


def fetch(
    cohort: str,
    out: Path,
    *,
    progress: Progress | None = None,
    base_url: str | None = None,
    timeout_s: float = 30.0,
    attempts: int = 4,
    wait_s: float = 1.0,
    manifest: Path | None = None,
) -> Fetched:
    """Download a public cohort into its upstream layout; files that are there and right are kept.

    Args:
        cohort: "breast_lesions_usg" or "bus_bra".
        out: Folder for the cohort; made where it is missing. Usable as ``--root`` afterwards.
        progress: Called with (what, done, total or None), bytes while downloading and files otherwise.
        base_url: Take the same file names from this address instead of the publisher's, e.g. a hospital's mirror.
        timeout_s: Longest silence of the server, seconds.
        attempts: How often to try each download.
        wait_s: Pause before the second try, seconds; doubled before each further one.
        manifest: List of files to check against; the shipped one where None.

    Returns:
        What was done. Every file's SHA-256 is as listed.

    Raises:
        CohortError: Unknown cohort, no connection, an HTTP error, a wrong hash, a changed layout, or no room on disk.
    """
    if cohort not in SOURCES:
        raise CohortError(f"Only {' and '.join(SOURCES)} can be fetched; got {cohort}.")
    files = read_manifest(manifest or _MANIFESTS / f"{cohort}.csv")
    singles = {r.name for r in SOURCES[cohort] if not r.is_archive}
    received = 0
    try:
        missing = _missing(out, files, progress)
        for remote in SOURCES[cohort]:
            wanted = {
                name: accepted
                for name, accepted in missing.items()
                if (name not in singles if remote.is_archive else name == remote.name)
            }
            if not wanted:
                continue
            url = remote.url if base_url is None else f"{base_url.rstrip('/')}/{remote.name}"
            local = out / ".download" / remote.name
            if not local.is_file():
                received += download(
                    url, local, progress=progress, timeout_s=timeout_s, attempts=attempts, wait_s=wait_s
                )
            _take(remote, local, out, wanted, progress)
        folder = out / ".download"
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise CohortError(f"Cannot write to {out} ({error.strerror or error}).") from error
    return Fetched(root=out, files=len(files), kept=len(files) - len(missing), downloaded_bytes=received)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on stderr, one line a step, for ``fetch(progress=...)``.

    Yields:
        The callback.
    """
    bar: tqdm[None] | None = None
    step = ""

    def show(what: str, done: int, total: int | None) -> None:
        nonlocal bar, step
        if bar is None or what != step:
            if bar is not None:
                bar.close()
            counts_bytes = what not in ("Checking files", "Unpacking")
            bar = tqdm(total=total, desc=what, unit="B" if counts_bytes else "file", unit_scale=counts_bytes)
            step = what
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
