"""De-identified pixels of a case, in the site's folder: one zip a case, readable by its user only.

A file holds `study.json` and one `.npy` an array. No header of the original is in it, and no name that its user gave:
only what `Study` carries, which has no identifier. Text burned into the picture is part of the picture and stays.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import secrets
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmxai_core.errors import StudyReadError, StudyStoreError
from mmxai_core.study import Study
from mmxai_core.worklist.codec import Array, from_plain, to_plain

_FORMAT = 1
_CODE = re.compile(r"[A-Z2-7]{12}")
#: Labels that this program gives; any other may be a file's name.
_OWN_LABEL = re.compile(r"(Image|Frame|Slice|View)( \d{1,5})?")


def without_names(study: Study) -> Study:
    """The study with labels that tell nothing of the file they came from."""
    images = tuple(
        image if _OWN_LABEL.fullmatch(image.label) else replace(image, label=f"Image {i}")
        for i, image in enumerate(study.images, 1)
    )
    return replace(study, images=images)


class PixelFolder:
    """Keeps, gives back and removes the pixels of cases. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first `save`."""
        self.folder = folder

    def path(self, code: str) -> Path:
        """Where the pixels of a case lie.

        Raises:
            StudyStoreError: The code is none.
        """
        if not _CODE.fullmatch(code):
            raise StudyStoreError(f"A case code has 12 letters and digits; got {len(code)} characters.")
        return self.folder / f"{code}.zip"

    def save(self, code: str, study: Study) -> None:
        """Keep a study's pixels; whole or not at all.

        Raises:
            StudyStoreError: The folder cannot be written.
        """
        path = self.path(code)
        arrays: list[Array] = []
        plain = {"format": _FORMAT, "study": to_plain(without_names(study), arrays)}
        part = path.with_name(f"{code}-{secrets.token_hex(4)}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            with (
                os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out,
                # Level 1: half the size at a tenth of the time.
                zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            ):
                archive.writestr("study.json", json.dumps(plain))
                for i, array in enumerate(arrays):
                    with archive.open(f"{i}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
            part.replace(path)
        except OSError as error:
            raise StudyStoreError(f"The pixels cannot be kept: {error.strerror or error}.") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def load(self, code: str) -> Study | None:
        """The study, pixel by pixel as it was kept; None where it is not kept.

        Raises:
            StudyStoreError: The file is damaged, or another version wrote it.
        """
        path = self.path(code)
        try:
            with zipfile.ZipFile(path) as archive:
                plain = json.loads(archive.read("study.json"))
                if plain["format"] != _FORMAT:
                    raise StudyStoreError(f"Kept pixels have format {plain['format']}; this version reads {_FORMAT}.")
                count = sum(name.endswith(".npy") for name in archive.namelist())
                arrays = [
                    np.lib.format.read_array(io.BytesIO(archive.read(f"{i}.npy")), allow_pickle=False)
                    for i in range(count)
                ]
            return from_plain(Study, plain["study"], arrays)
        except FileNotFoundError:
            return None
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, StudyReadError) as error:
            raise StudyStoreError("The kept pixels are damaged; open the file again.") from error

    def has(self, code: str) -> bool:
        """True where the pixels are kept."""
        return self.path(code).is_file()

    def remove(self, code: str) -> None:
        """Remove the pixels of a case.

        Raises:
            StudyStoreError: The file cannot be removed.
        """
        try:
            self.path(code).unlink(missing_ok=True)
        except OSError as error:
            raise StudyStoreError(f"The kept pixels cannot be removed: {error.strerror or error}.") from error
