"""Protocols that a coordinator works on, kept beside the study store until they are locked or discarded.

A draft holds the truth. It lies in a folder of the server that only its own account may open, under the study's id; no
address of the program leads to it, and the pages that read it ask for the coordinator's code where the site set one.
"""

from __future__ import annotations

import os
import tempfile
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


def keep(protocol: Protocol, *, instead_of: str = "") -> None:
    """Keep a draft under its study's id; it is whole on the disk, or the one before is.

    Args:
        protocol: What to keep.
        instead_of: Id under which this draft was kept before, or "": then none may be there under its id.

    Raises:
        StudyStoreError: Another draft has this id, or the disk refused.
    """
    path = _path(protocol.id)
    if protocol.id != instead_of and path.exists():
        raise StudyStoreError(f"Another draft of the study {protocol.id!r} is kept; choose another id, or discard it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, name = tempfile.mkstemp(dir=path.parent, suffix=".part")  # readable by this account only
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(to_json(protocol))
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)  # half a draft, with the truth, stays nowhere
    except OSError as error:
        raise StudyStoreError(f"The draft could not be kept ({error.strerror}).") from error
    if instead_of and instead_of != protocol.id:
        discard(instead_of)


def drafts() -> tuple[Draft, ...]:
    """Every kept draft, changed last first."""
    found = []
    for path in folder().glob("*.json"):
        try:
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:  # discarded at this moment
            continue
        try:
            protocol = read_protocol(path)
        except ProtocolError:
            protocol = None
        found.append(Draft(path.stem, protocol, changed))
    return tuple(sorted(found, key=lambda d: d.changed_at, reverse=True))


def discard(study_id: str) -> None:
    """Take a draft away; nothing where there is none.

    Raises:
        StudyStoreError: The disk refused.
    """
    try:
        _path(study_id).unlink(missing_ok=True)
    except OSError as error:
        raise StudyStoreError(f"The draft could not be discarded ({error.strerror}).") from error


def _path(study_id: str) -> Path:
    return folder() / f"{study_id}.json"  # an id is small letters, digits, - and _
