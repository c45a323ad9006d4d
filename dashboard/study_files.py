"""Where the images of a study's cases lie: below the site's case folder, or among the shipped samples."""

from __future__ import annotations

import csv
import io as text_io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dashboard import services
from dashboard.sample_index import truths
from mmxai_core import io
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.errors import ClinicalValueError, StudyReadError, StudyStoreError
from mmxai_core.reader_study.protocol import Case
from mmxai_core.study import Study

#: A case image that starts so is a shipped sample, not a file of the site's.
SAMPLE = "samples/"
_TRUE, _FALSE = {"1", "true", "yes", "malignant", "positive"}, {"0", "false", "no", "benign", "negative"}


def case_folder() -> Path | None:
    """The site's folder of case images (MMXAI_CASES), or None where none is set."""
    chosen = os.environ.get("MMXAI_CASES")
    return Path(chosen).expanduser() if chosen else None


def open_case(case: Case) -> Study | None:
    """Reads the image of a case; None for a case without one.

    Raises:
        StudyReadError: The file is not there, lies outside the case folder, or cannot be read.
    """
    if not case.image:
        return None
    if case.image.startswith(SAMPLE):
        name = case.image.removeprefix(SAMPLE)
        if name not in {s.file for s in services.every_sample()}:
            raise StudyReadError(f"Case {case.id} asks for a sample that does not ship with the program.")
        return services.sample_study(name)
    folder = case_folder()
    if folder is None:
        raise StudyReadError(
            f"The image of case {case.id} lies in the site's case folder; start the program with MMXAI_CASES set to it."
        )
    path = (folder / case.image).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise StudyReadError(f"The image of case {case.id} is not in the case folder.")
    # An error that a reader sees names the case: the file's own name may speak of the truth.
    return io.read_study(path.read_bytes(), case.id + "".join(path.suffixes[-2:]))


def missing_images(cases: Sequence[Case]) -> tuple[str, ...]:
    """One sentence a case whose image cannot be found; said before a study starts, not to a reader."""
    found = []
    for case in cases:
        if not case.image:
            continue
        try:
            if case.image.startswith(SAMPLE) or case_folder() is None:
                open_case(case)
            elif not (case_folder() / case.image).is_file():  # type: ignore[operator]  # not None, by the test above
                found.append(f"The image of case {case.id}, {case.image}, is not in the case folder.")
        except StudyReadError as error:
            found.append(str(error))
    return tuple(found)


def sample_cases(schema: ClinicalSchema, at: Path | None = None) -> tuple[Case, ...]:
    """The shipped samples as cases, with the class each was designed as; the first is for practice.

    Of their clinical values only the history is given: a description of the image is the reader's own to make.

    Args:
        schema: The bundle's fields.
        at: The bundle; None: the program's own.
    """
    rows = truths(services.every_sample())
    given = {f.id for f in schema.fields if f.group == "history"}
    return tuple(
        Case(
            id=Path(s.file).stem.upper(), truth=rows.get(s.file), image=SAMPLE + s.file, practice=number == 0,
            clinical={k: v for k, v in s.clinical.items() if k in given},
        )
        for number, s in enumerate(services.samples(at or services.study_path()))
    )  # fmt: skip


def cases_from_csv(data: bytes, schema: ClinicalSchema, *, name: str) -> tuple[Case, ...]:
    """Cases from a CSV: `case_id`, and of `image, truth (or label), stratum, practice, lesion` and the clinical fields.

    Raises:
        StudyStoreError: A column is missing, or a cell is wrong; the message names row and column.
    """
    try:
        rows = list(csv.DictReader(text_io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyStoreError(f"{name} is no CSV in UTF-8.") from error
    if not rows:
        raise StudyStoreError(f"{name} has no rows below its header.")
    if "case_id" not in rows[0]:
        raise StudyStoreError(f"{name} needs a column case_id; it has {', '.join(map(str, rows[0]))}.")
    return tuple(_case(row, schema, f"{name}, row {n}") for n, row in enumerate(rows, start=2))


def _case(row: Mapping[str, str | None], schema: ClinicalSchema, where: str) -> Case:
    cell = {k: (v or "").strip() for k, v in row.items() if k is not None and isinstance(v, (str, type(None)))}
    said = (cell.get("truth") or cell.get("label") or "").lower()
    if said and said not in _TRUE | _FALSE:
        raise StudyStoreError(f"{where}, truth: takes malignant or benign (or 1, 0, blank); got {said!r}.")
    clinical: dict[str, Any] = {}
    for field in schema.fields:
        if text := cell.get(field.id, ""):
            try:
                clinical |= {field.id: schema.record({field.id: _value(text, field.kind)}).values[field.id]}
            except ClinicalValueError as error:
                raise StudyStoreError(f"{where}: {error}") from error
    lesion = None
    if box := cell.get("lesion", ""):
        try:
            x0, y0, x1, y1 = (float(v) for v in box.strip("[]").replace(";", ",").split(","))
        except ValueError as error:
            raise StudyStoreError(f"{where}, lesion: takes x0, y0, x1, y1 in pixels; got {box!r}.") from error
        lesion = (x0, y0, x1, y1)
    truth = None if not said else said in _TRUE
    return Case(
        cell["case_id"], truth, cell.get("stratum", ""), cell.get("practice", "").lower() in _TRUE,
        cell.get("image", "").replace("\\", "/"), clinical, lesion,
    )  # fmt: skip


def _value(text: str, kind: str) -> Any:
    if kind == "numeric":
        try:
            return float(text)
        except ValueError:
            return text  # the schema says what it takes
    if kind == "yes_no" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    return text
