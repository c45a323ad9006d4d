"""Pseudonyms: keyed hashes (HMAC-SHA-256, RFC 2104), so that nobody without the site's key can tell who a code is.

The key is a file of the site. The list that says which code was which file is written only where the site asks for it,
to a file of its own outside the database.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from mmxai_core.errors import StudyStoreError

_KEY_BYTES = 32
#: 12 characters of base32 are 60 bits.
CODE_LENGTH = 12
_MAPPING_HEADER = ("code", "original")


def site_key(path: Path) -> bytes:
    """The site's secret; made, readable by its user only, where there is none.

    Args:
        path: The key file.

    Raises:
        StudyStoreError: The file cannot be read or made, or is no key.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
        else:
            key = secrets.token_bytes(_KEY_BYTES)
            with os.fdopen(descriptor, "wb") as out:
                out.write(key)
    except OSError as error:
        raise StudyStoreError(f"The site's key for pseudonyms cannot be used: {error.strerror or error}.") from error
    if len(key) != _KEY_BYTES:
        raise StudyStoreError(f"The site's key {path.name} must hold {_KEY_BYTES} bytes; it holds {len(key)}.")
    return key


def pseudonym(key: bytes, *parts: str) -> str:
    """A code for these parts: the same for the same site and parts, and telling nothing of them."""
    told = "\x1f".join(parts).encode()
    return base64.b32encode(hmac.new(key, told, hashlib.sha256).digest()).decode()[:CODE_LENGTH]


class MappingFile:
    """Which code was which original, as CSV, for the site's eyes."""

    def __init__(self, path: Path) -> None:
        """The file is made with the first entry, readable by its user only."""
        self.path = path

    def add(self, code: str, original: str) -> None:
        """Append one line.

        Raises:
            StudyStoreError: The file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a", newline="") as out:
                writer = csv.writer(out)
                if out.tell() == 0:
                    writer.writerow(_MAPPING_HEADER)
                writer.writerow((code, original))
        except OSError as error:
            raise StudyStoreError(f"The site's mapping file cannot be written: {error.strerror or error}.") from error

    def remove(self, code: str) -> None:
        """Take out every line of a code.

        Raises:
            StudyStoreError: The file cannot be written.
        """
        try:
            if not self.path.is_file():
                return
            with self.path.open(newline="", encoding="utf-8") as given:
                kept = [row for row in csv.reader(given) if row and row[0] != code]
            beside = self.path.with_name(self.path.name + ".part")
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="") as out:
                csv.writer(out).writerows(kept)
            beside.replace(self.path)
        except OSError as error:
            raise StudyStoreError(f"The site's mapping file cannot be written: {error.strerror or error}.") from error
