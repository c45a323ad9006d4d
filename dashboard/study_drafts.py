"""Protocols that a coordinator works on, kept beside the study store until they are locked or discarded.

A draft holds the truth. It lies in a folder of the server that only its own account may open, under the study's id; no
address of the program leads to it, and the pages that read it ask for the coordinator's code where the site set one.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.database import default_location
from mmxai_core.reader_study.protocol import Protocol, ProtocolError
from mmxai_core.reader_study.protocol_file import read_protocol, to_json

#: Beside the store. A store on a server of databases has none: then in the user's own data folder.
_FOLDER = "drafts"
#: Between a look at what is on the disk and the change: each window runs in a thread of its own.
_lock = threading.Lock()


@dataclass(frozen=True)
class Draft:
    """A kept draft.

    Attributes:
        id: The study's.
        protocol: As it was last valid; None where this version of the program cannot read it.
        changed_at: When it was last kept, UTC.
    """

    id: str
    protocol: Protocol | None
    changed_at: datetime


def folder() -> Path:
    """Where drafts lie."""
    place = default_location()
    if isinstance(place, Path):
        return place.parent / _FOLDER
    url = make_url(place)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database).parent / _FOLDER
    return Path.home() / ".local" / "share" / "mmxai" / _FOLDER


def keep(protocol: Protocol, *, instead_of: Protocol | None = None) -> str:
    """Keep a draft under its study's id; it is whole on the disk, or the one before is.

    Args:
        protocol: What to keep.
        instead_of: This draft as it was kept before; None where it was not.

    Returns:
        "", or one sentence where the draft was kept under another id and is still there under the one before.

    Raises:
        StudyStoreError: Another draft has this id, this one was changed or taken away elsewhere, or the disk refused.
    """
    with _lock:
        try:
            if problem := objection(protocol, instead_of=instead_of):
                raise StudyStoreError(problem)
            # What lies under the id before may be somebody else's by now; then it stays.
            renamed = instead_of is not None and instead_of.id != protocol.id and holds(instead_of)
            _write(protocol)
        except OSError as error:
            raise StudyStoreError(f"The draft could not be kept ({error.strerror}).") from error
        if instead_of is not None and renamed:
            try:
                _path(instead_of.id).unlink(missing_ok=True)
            except OSError as error:
                return f"The draft is kept; the one under its id before, {instead_of.id!r}, stays ({error.strerror})."
    return ""


def objection(protocol: Protocol, *, instead_of: Protocol | None) -> str:
    """Why a draft may not take its place on the disk, in one sentence with what to do; "" where it may.

    Args:
        protocol: The draft as it is now.
        instead_of: As for `keep`.

    Raises:
        OSError: The disk does not say what is there.
    """
    there = _path(protocol.id).exists()
    if there and holds(protocol):  # the same was kept in another window: nothing is lost
        return ""
    if instead_of is None or instead_of.id != protocol.id:
        another = f"Another draft of the study {protocol.id!r} is kept; choose another id, or discard it."
        return another if there else ""
    if there and holds(instead_of):
        return ""
    return (
        f"This draft was {'changed' if there else 'started, renamed or discarded'} in another window; download the "
        "protocol if you need it, then go back to the studies and go on from what is there."
    )


def holds(protocol: Protocol) -> bool:
    """Whether the draft on the disk reads as this protocol."""
    try:
        return read_protocol(_path(protocol.id)).canonical() == protocol.canonical()
    except ProtocolError:  # none is there, or it cannot be read
        return False


def _write(protocol: Protocol) -> None:
    path = _path(protocol.id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = path.parent.stat()
    if about.st_mode & 0o077 and hasattr(os, "getuid") and about.st_uid == os.getuid():
        path.parent.chmod(0o700)  # it was there before, and open to others
    number, name = tempfile.mkstemp(dir=path.parent, suffix=".part")  # readable by this account only
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(to_json(protocol))
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)  # half a draft, with the truth, stays nowhere


def drafts() -> tuple[Draft, ...]:
    """Every kept draft, changed last first.

    Raises:
        StudyStoreError: The folder may not be read.
    """
    try:
        found = [_draft(path) for path in folder().iterdir() if path.suffix == ".json"]
    except FileNotFoundError:  # none was kept yet
        return ()
    except OSError as error:
        raise StudyStoreError(f"The drafts that are kept could not be read ({error.strerror}).") from error
    return tuple(sorted((d for d in found if d is not None), key=lambda d: d.changed_at, reverse=True))


def find(study_id: str) -> Draft | None:
    """The draft of this study; None where none is kept or can be looked at."""
    try:
        return _draft(_path(study_id))
    except OSError:
        return None


def _draft(path: Path) -> Draft | None:
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:  # discarded at this moment
        return None
    try:
        return Draft(path.stem, read_protocol(path), changed)
    except ProtocolError:
        return Draft(path.stem, None, changed)


def discard(study_id: str, *, only: Protocol | None = None) -> None:
    """Take a draft away; nothing where there is none.

    Args:
        study_id: The draft's.
        only: Where given: only while the draft on the disk reads as this one.

    Raises:
        StudyStoreError: The disk refused.
    """
    try:
        with _lock:
            if only is None or holds(only):
                _path(study_id).unlink(missing_ok=True)
    except OSError as error:
        raise StudyStoreError(f"The draft could not be discarded ({error.strerror}).") from error


def _path(study_id: str) -> Path:
    return folder() / f"{study_id}.json"  # an id is small letters, digits, - and _
