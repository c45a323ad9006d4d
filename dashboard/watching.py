"""The watched folder: new files become cases of the site while the program runs."""

from __future__ import annotations

import threading
from pathlib import Path

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import MmxaiError
from mmxai_core.worklist import SITE, WorklistStore
from mmxai_core.worklist.intake import WatchedFolder, manifest_cases, take_in

#: Seconds between two looks; a file must be unchanged for as long.
EVERY_S = 5.0


class Watcher:
    """Looks at a folder on a thread of its own. A CSV in it is read as a manifest.

    Attributes:
        folder: The folder.
        added: Cases added since the program started.
        refused: Files refused since then.
        problem: Why the latest file was refused or the folder cannot be read, or "". It names no file.
    """

    def __init__(
        self, folder: Path, store: WorklistStore, schema: ClinicalSchema, classes: tuple[str, ...], positive: str,
        *, every_s: float = EVERY_S,
    ) -> None:  # fmt: skip
        """Starts the thread; it ends with the program, or with `close`."""
        self.folder, self.added, self.refused, self.problem = folder, 0, 0, ""
        self._store, self._schema, self._classes, self._positive = store, schema, classes, positive
        self._watched, self._stop, self._every_s = WatchedFolder(folder), threading.Event(), every_s
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def close(self) -> None:
        """End the watch."""
        self._stop.set()

    def look(self) -> None:
        """One look: take in what is new."""
        for item in self._watched.look():
            incoming = [item]
            source = "watch"
            if item.name.lower().endswith(".csv"):
                source = "manifest"
                try:
                    incoming = manifest_cases(
                        self.folder / item.name, self._schema, classes=self._classes, positive=self._positive
                    )
                except MmxaiError as error:
                    self.refused, self.problem = self.refused + 1, str(error)
                    continue
            for told in take_in(incoming, self._store, self._schema, owner=SITE, source=source):  # type: ignore[arg-type]
                self.added += told.fresh
                if told.case is None:
                    self.refused, self.problem = self.refused + 1, told.sentence

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.look()
            except (MmxaiError, OSError) as error:
                self.problem = (
                    str(error) if isinstance(error, MmxaiError) else f"The folder: {error.strerror or error}."
                )
