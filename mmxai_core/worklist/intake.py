"""Many studies at once: from uploads, a watched folder or a manifest. One bad file never spoils the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmxai_core import io
from mmxai_core.clinical import ClinicalSchema, Value
from mmxai_core.cohorts import manifest
from mmxai_core.errors import ClinicalValueError, CohortError, MmxaiError, StudyReadError
from mmxai_core.study import Study
from mmxai_core.worklist.case import Source, WorklistCase
from mmxai_core.worklist.store import NewCase, WorklistStore

#: Largest file that is taken from a watched folder, bytes; `mmxai_core.io` refuses more as well.
MAX_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Incoming:
    """One study to read.

    Attributes:
        name: What it is called, shown to whoever sent it; kept only in the site's mapping file.
        load: Gives its bytes.
        values: Known clinical values that came with it, by field id.
        told_by: Where these came from, in words, e.g. "from manifest".
    """

    name: str
    load: Callable[[], bytes]
    values: Mapping[str, Value] = field(default_factory=dict)
    told_by: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one study.

    Attributes:
        name: As it was called.
        case: The case, or None.
        fresh: True where it was not in the list before.
        sentence: What is said of it; the reason where it was refused.
    """

    name: str
    case: WorklistCase | None
    fresh: bool
    sentence: str


def header_values(study: Study, schema: ClinicalSchema) -> dict[str, Value]:
    """What the file's header knows of the schema's fields; a value outside a field's range is left unknown."""
    found: dict[str, object] = {}
    if "age" in schema.ids and study.patient_age_years is not None:
        found["age"] = round(study.patient_age_years, 1)
    try:
        return dict(schema.record(found).values)
    except ClinicalValueError:
        return {}


def take_in(
    incoming: Iterable[Incoming], store: WorklistStore, schema: ClinicalSchema, *, owner: str, source: Source,
    cancelled: Callable[[], bool] = lambda: False, bundle: str = "",
) -> Iterator[Outcome]:  # fmt: skip
    """Read studies one by one and add them to the list.

    Args:
        incoming: The studies.
        store: Where they go.
        schema: The bundle's fields.
        owner: Whose they are.
        source: Where they come from.
        cancelled: Asked between two studies.
        bundle: Name of the bundle that is to read them.

    Yields:
        One outcome a study, as soon as it is known.
    """
    for item in incoming:
        if cancelled():
            return
        try:
            study = io.read_study(_bytes(item), item.name)
            told = header_values(study, schema)
            values = {**told, **item.values}
            prefilled = dict.fromkeys(told, "from header") | dict.fromkeys(item.values, item.told_by)
            code = store.code_for(owner, study)
            if source == "watch" and store.was_removed(code):
                continue  # a removed case does not come back because its file still lies there
            seen = store.case(code, (owner,)) is not None
            case = store.add(NewCase(owner, source, study, values, prefilled, original=item.name, bundle=bundle))
        except MmxaiError as error:
            yield Outcome(item.name, None, False, str(error))
            continue
        images = f"{case.images} images" if case.images > 1 else "1 image"
        said = f"In the list already as {case.code}" if seen else f"Added: {images}"
        other = f", read by {case.bundle}" if seen and case.bundle not in ("", bundle) else ""
        yield Outcome(item.name, case, not seen, f"{said}{other}.")


def _bytes(item: Incoming) -> bytes:
    try:
        return item.load()
    except OSError as error:
        raise StudyReadError(f"The file cannot be read: {error.strerror or error}.") from error


def manifest_cases(path: Path, schema: ClinicalSchema, *, classes: tuple[str, ...], positive: str) -> list[Incoming]:
    """The studies that a manifest CSV lists, with their clinical values; its labels are not read into the list.

    Args:
        path: The CSV on this machine.
        schema: The bundle's fields.
        classes: Labels the manifest may use.
        positive: One of them.

    Raises:
        CohortError: The file cannot be read, or a cell breaks a rule.
        ClinicalValueError: A clinical value breaks its field's rule.
    """
    cohort = manifest.load(path, schema=schema, classes=classes, positive_class=positive)
    return [
        Incoming(c.case_id, c.image.read_bytes, dict(schema.record(c.clinical).values), "from manifest")
        for c in cohort.cases
    ]


class WatchedFolder:
    """New files of a folder, each once. A file that still grows is left for the next look."""

    def __init__(self, folder: Path) -> None:
        """Remembers nothing yet: every file there is new."""
        self.folder = folder
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._taken: set[tuple[Path, int, int]] = set()

    def look(self) -> Sequence[Incoming]:
        """The files that are new, whole and unchanged since the last look.

        Raises:
            CohortError: The folder is not there.
        """
        if not self.folder.is_dir():
            raise CohortError(f"The watched folder {self.folder.name!r} is not there. Set MMXAI_WATCH to a folder.")
        ready: list[Incoming] = []
        now: dict[Path, tuple[int, int]] = {}
        for path in sorted(p for p in self.folder.iterdir() if p.is_file() and not p.name.startswith(".")):
            try:
                told = path.stat()
            except OSError:  # taken away between the two calls
                continue
            mark = (told.st_size, told.st_mtime_ns)
            now[path] = mark
            settled = self._sizes.get(path) == mark
            if settled and (path, *mark) not in self._taken and 0 < told.st_size <= MAX_BYTES:
                self._taken.add((path, *mark))
                ready.append(Incoming(path.name, path.read_bytes))
        self._sizes = now
        return ready
