"""Prepared cases on disk, each under the hash of what it was made from: file bytes, settings and version.

A file is the magic word, the SHA-256 of what follows, and an npz archive. It is written under another name and moved
into place, so that a killed run leaves whole files and, at worst, one `.part` that the next run sweeps away.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np

from mmxai_core.cohorts.case import Case
from mmxai_core.errors import CohortError
from mmxai_core.preprocessing.prepared import Prepared
from mmxai_core.preprocessing.settings import VERSION, Modality, PreprocessSettings
from mmxai_core.preprocessing.source import files_of
from mmxai_core.types import Json

SUFFIX = ".prepared"
_MAGIC = b"mmxaiprep1\n"
_DIGEST = hashlib.sha256().digest_size
#: A partial file older than this belongs to no run that is still alive.
_STALE_S = 3600.0


class DamagedCacheError(CohortError):
    """A cached file is not what was written."""


def content_key(case: Case, modality: Modality, settings: PreprocessSettings) -> str:
    """Hash of everything a prepared case depends on. Files are read as bytes; no pixel is decoded.

    Raises:
        CohortError: A file cannot be opened.
    """
    depends: Json = {
        "version": VERSION, "modality": modality, "settings": settings.read_by(modality),
        "files": [_digest(path) for path in files_of(case)], "masks": len(case.masks),
        "planes": [[c.name, c.band] for c in case.channels], "boxes": [list(b) for b in case.boxes],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CohortError(f"Cannot read image {path.name}: {error.strerror or error}.") from error


def cached_path(folder: Path, key: str) -> Path:
    """Where a prepared case lies."""
    return folder / key[:2] / f"{key}{SUFFIX}"


def write_prepared(folder: Path, key: str, prepared: Prepared) -> None:
    """Writes a prepared case at once and whole."""
    packed = np.zeros(0, np.uint8) if prepared.lesion is None else np.packbits(prepared.lesion)
    words = {"account": prepared.account, "lesion": prepared.lesion is not None, "boxes": prepared.boxes}
    archive = io.BytesIO()
    np.savez_compressed(
        archive, levels=prepared.levels, lesion=packed, words=np.frombuffer(json.dumps(words).encode(), np.uint8)
    )
    payload = archive.getvalue()
    path = cached_path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process's own name: two runs may make the same file, and the later one replaces an equal one.
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(_MAGIC + hashlib.sha256(payload).digest() + payload)
    partial.replace(path)


def read_prepared(folder: Path, key: str) -> Prepared | None:
    """A prepared case from the cache; None where it is not there.

    Raises:
        DamagedCacheError: The file is cut off or changed.
    """
    path = cached_path(folder, key)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head = len(_MAGIC) + _DIGEST
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(data[head:]).digest() != data[len(_MAGIC) : head]:
        raise DamagedCacheError(f"Cached file {path.name} is damaged: its content is not what its hash says.")
    try:
        with np.load(io.BytesIO(data[head:]), allow_pickle=False) as archive:
            levels, packed = archive["levels"], archive["lesion"]
            words = json.loads(archive["words"].tobytes())
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DamagedCacheError(f"Cached file {path.name} is damaged: {type(error).__name__}.") from error
    h, w = levels.shape[1:]
    lesion = np.unpackbits(packed, count=h * w).reshape(h, w).astype(bool) if words["lesion"] else None
    return Prepared(levels, lesion, tuple((b[0], b[1], b[2], b[3]) for b in words["boxes"]), words["account"])


def sweep(folder: Path) -> int:
    """Removes what killed runs left half written, and says how many files that were."""
    stale = [p for p in folder.glob("*/*.part") if time.time() - p.stat().st_mtime > _STALE_S]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)
