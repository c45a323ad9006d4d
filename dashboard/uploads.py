"""Many uploaded files as incoming studies; a manifest among them brings clinical values for the files it names."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import CohortError
from mmxai_core.worklist.intake import Incoming, manifest_cases

Files = Sequence[tuple[str, bytes]]


def is_manifest(name: str) -> bool:
    """True for a CSV."""
    return name.lower().endswith(".csv")


def incoming(files: Files, schema: ClinicalSchema, *, classes: tuple[str, ...], positive: str) -> list[Incoming]:
    """The studies among uploaded files.

    Args:
        files: (name, bytes) of each. With a manifest, only the images it names are studies.
        schema: The bundle's fields.
        classes: Labels a manifest may use.
        positive: One of them.

    Raises:
        CohortError: The manifest names a file that was not uploaded, or breaks a rule.
        ClinicalValueError: A clinical value breaks its field's rule.
    """
    tables = [(name, data) for name, data in files if is_manifest(name)]
    if not tables:
        return [Incoming(name, lambda data=data: data) for name, data in files]  # type: ignore[misc]
    if len(tables) > 1:
        raise CohortError(f"One manifest at a time; got {len(tables)} CSV files.")
    table = tables[0][1]
    images = {PurePosixPath(n).name: data for n, data in files if not is_manifest(n)}
    with tempfile.TemporaryDirectory(prefix="mmxai-") as made:
        folder = Path(made)
        rewritten, named = _base_names(table, set(images))
        (folder / "manifest.csv").write_bytes(rewritten)
        for image in named:
            (folder / image).write_bytes(images[image])
        cases = manifest_cases(folder / "manifest.csv", schema, classes=classes, positive=positive)
        # The folder goes with this block, so the bytes are taken now.
        taken = [(case, case.load()) for case in cases]
    return [Incoming(c.name, lambda data=data: data, c.values, c.told_by) for c, data in taken]  # type: ignore[misc]


def _base_names(table: bytes, uploaded: set[str]) -> tuple[bytes, list[str]]:
    """The manifest with bare file names, as an upload has no folders, without masks; and the images it names."""
    try:
        text = table.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            f"The manifest must be UTF-8 text; byte {error.start} is not. Save it as CSV UTF-8."
        ) from error
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    if not rows or "image" not in (head := [c.strip() for c in rows[0]]):
        raise CohortError("The manifest needs a column image.")
    column, masks = head.index("image"), head.index("mask") if "mask" in head else None
    named = []
    for number, row in enumerate(rows[1:], start=2):
        if column >= len(row):
            continue  # the manifest's own reader says which row is short
        row[column] = PurePosixPath(row[column].strip().replace("\\", "/")).name
        if row[column] not in uploaded:
            raise CohortError(f"Row {number}, column image: {row[column]!r} was not uploaded with the manifest.")
        named.append(row[column])
        if masks is not None and masks < len(row):
            row[masks] = ""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(), sorted(set(named))
