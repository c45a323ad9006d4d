"""Answers made elsewhere, from CSV files in the columns of `tables`: checked row by row, kept all or none."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.case_questions import (
    CASE_RATINGS,
    READING,
    Question,
    case_questions,
    form_answers,
    reading_questions,
)
from mmxai_core.reader_study.protocol import InstrumentUse, Protocol
from mmxai_core.reader_study.questionnaire_registry import INSTRUMENTS
from mmxai_core.reader_study.records import Imported, ItemAnswer, Shown, Slot, StudyRecord, Times
from mmxai_core.reader_study.study_rows import content_token
from mmxai_core.reader_study.study_store import StudyStore

_NEEDED_READINGS = ("reader", "arm", "case", "stage", "value", "committed_at")
_NEEDED_RATINGS = ("reader", "instrument", "item", "answered_at")


@dataclass(frozen=True)
class Row:
    """One row of a file: its place, for messages, and its cells by column, blank ones left out."""

    where: str
    cells: Mapping[str, str]

    def wrong(self, column: str, rule: str, *, value: bool = True) -> StudyStoreError:
        """The error of a cell; a cell that may be a name is not repeated."""
        got = f"; got {self.cells.get(column, '')!r}" if value else ""
        return StudyStoreError(f"{self.where}, column {column}: {rule}{got}.")

    def need(self, column: str) -> str:
        """The cell, which must not be blank.

        Raises:
            StudyStoreError: It is.
        """
        if column not in self.cells:
            raise StudyStoreError(f"{self.where}, column {column}: must not be blank.")
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """The cell as a number; None where blank.

        Raises:
            StudyStoreError: It is no finite number.
        """
        if column not in self.cells:
            return None
        try:
            found = float(self.cells[column])
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self.wrong(column, "must be a number")
        return found


def import_readings(store: StudyStore, study: StudyRecord, data: bytes, *, name: str = "The file") -> int:
    """Keep opinions made elsewhere, marked as imported, all or none.

    Args:
        store: The store.
        study: The study they belong to.
        data: CSV with the columns of `tables.READINGS`; needed are reader, arm, case, stage, value and committed_at,
            others may be missing or blank. Rows count from 2.
        name: File name, for messages.

    Returns:
        How many were added; a row that is in the store already is not added again.

    Raises:
        StudyStoreError: A column is missing or a cell is wrong; the message names row and column.
    """
    rows = _rows(data, name, _NEEDED_READINGS)
    place = {(a.reader, a.arm, a.case): a for a in store.assignments(study)}
    return store.import_answers(study, [_opinion(study, place, row) for row in rows])


def import_ratings(store: StudyStore, study: StudyRecord, data: bytes, *, name: str = "The file") -> int:
    """The same for the columns of `tables.RATINGS`; needed are reader, instrument, item and answered_at.

    Rows of one reader, case, arm, instrument, period, stage and time are one form. An item without a row was not asked.

    Returns:
        How many forms were added.

    Raises:
        StudyStoreError: As `import_readings`.
    """
    place = {(a.reader, a.arm, a.case): a for a in store.assignments(study)}
    forms: dict[tuple[str, Slot, str], list[Row]] = {}
    for row in _rows(data, name, _NEEDED_RATINGS):
        _check_study(study, row)
        if row.cells.get("superseded", "0").lower() in ("1", "true", "yes"):
            continue  # the answer that replaced it is in the file as well
        slot = _rating_slot(study.protocol, place, row)
        forms.setdefault((_reader(study, row), slot, row.need("answered_at")), []).append(row)
    return store.import_answers(study, [_form(study, reader, slot, rows) for (reader, slot, _), rows in forms.items()])


def _rows(data: bytes, name: str, needed: Sequence[str]) -> Iterator[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyStoreError(f"{name}: is no UTF-8 text (byte {error.start}).") from error
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [c.strip().lower() for c in next(lines, [])]
        for column in needed:
            if header.count(column) != 1:
                raise StudyStoreError(f"{name}: needs one column {column!r}; found {header.count(column)}.")
        found = 0
        for number, cells in enumerate(lines, start=2):
            if not any(c.strip() for c in cells):
                continue
            if len(cells) != len(header):
                raise StudyStoreError(f"{name}, row {number}: has {len(cells)} cells; the header has {len(header)}.")
            found += 1
            # Our own exports put an apostrophe before a text that a spreadsheet would run.
            plain = (c[1:] if c[:1] == "'" and c[1:2] in ("=", "+", "-", "@") else c for c in cells)
            given = {h: c.strip() for h, c in zip(header, plain, strict=True) if c.strip()}
            yield Row(f"{name}, row {number}", given)
    except csv.Error as error:
        raise StudyStoreError(f"{name}, line {lines.line_num}: is no CSV row ({error}).") from error
    if not found:
        raise StudyStoreError(f"{name}: has no row below its header.")


def _opinion(study: StudyRecord, place: Mapping[tuple[str, str, str], Assignment], row: Row) -> Imported:
    protocol = study.protocol
    _check_study(study, row)
    assigned = _assignment(study, place, row)
    stages = protocol.stages(assigned.arm)
    if row.need("stage") not in stages:
        raise row.wrong("stage", f"this arm has the stages {', '.join(stages)}")
    at = _time(row, "committed_at")
    raw: dict[str, Any] = {"opinion": _opinion_value(protocol, row)}
    if protocol.questions.confidence != "none":
        raw["confidence"] = _whole(row.number("confidence")) if "confidence" in row.cells else "no_answer"
    if protocol.questions.region and "region" in row.cells:
        raw["region"] = _region(row)
    try:
        answers = form_answers(reading_questions(protocol), raw)
    except StudyStoreError as error:
        raise StudyStoreError(f"{row.where}: {error}") from error
    slot = Slot("reading", READING, assigned.period, row.need("stage"), assigned.id)
    return Imported(
        row.where, assigned.reader, slot, answers, at, _token(study, row), _shown(protocol, row, slot), _times(row)
    )


def _opinion_value(protocol: Protocol, row: Row) -> Any:
    value = row.need("value")
    if protocol.questions.scale == "categories" and value in protocol.questions.categories:
        return value
    return _whole(row.number("value")) if protocol.questions.scale == "categories" else row.number("value")


def _shown(protocol: Protocol, row: Row, slot: Slot) -> Shown:
    probability = row.number("ai_probability")
    if probability is not None and not 0 <= probability <= 1:
        raise row.wrong("ai_probability", "must be 0 to 1")
    if slot.stage == "unaided":
        for column in ("ai_probability", "ai_class", "explanation_id"):
            if column in row.cells:
                raise row.wrong(column, "must be blank at the unaided stage, which shows nothing of the AI")
        return Shown(bundle_sha256=_sha(row))
    called = row.cells.get("ai_class", "")
    if not called and probability is not None:
        called = protocol.positive if probability >= protocol.threshold else protocol.negative
    explainer: Any = {}
    if "explainer" in row.cells:
        try:
            explainer = json.loads(row.cells["explainer"])
        except ValueError as error:
            raise row.wrong("explainer", "must be a JSON object") from error
        if not isinstance(explainer, dict):
            raise row.wrong("explainer", "must be a JSON object")
    return Shown("", _sha(row), called[:64], probability, row.cells.get("explanation_id", "")[:64], explainer)


def _rating_slot(protocol: Protocol, place: Mapping[tuple[str, str, str], Assignment], row: Row) -> Slot:
    instrument = row.need("instrument")
    if instrument == CASE_RATINGS:
        a = place.get((row.need("reader").upper(), row.need("arm"), row.need("case")))
        if a is None:
            raise row.wrong("case", "this reader has no such case in this arm", value=False)
        return Slot("ratings", CASE_RATINGS, a.period, protocol.stages(a.arm)[-1], a.id)
    uses = [u for u in protocol.instruments if u.id == instrument]
    if not uses:
        asked = ", ".join({u.id: 0 for u in protocol.instruments} | {CASE_RATINGS: 0})
        raise row.wrong("instrument", f"this study asks {asked}")
    use = _use(uses, row)
    period = row.number("period")
    if use.when == "period_end":
        if period is None and protocol.periods > 1:
            raise row.wrong("period", f"must say after which of the {protocol.periods} periods", value=False)
        if period is not None and period not in range(1, protocol.periods + 1):
            raise row.wrong("period", f"must be 1 to {protocol.periods}")
        return Slot("questionnaire", instrument, int(period or 1), use.when)
    return Slot("questionnaire", instrument, 0, use.when)


def _use(uses: Sequence[InstrumentUse], row: Row) -> InstrumentUse:
    if len(uses) == 1 and "stage" not in row.cells:
        return uses[0]
    for use in uses:
        if row.cells.get("stage") == use.when:
            return use
    raise row.wrong("stage", f"this questionnaire is filled in at {', '.join(u.when for u in uses)}")


def _form(study: StudyRecord, reader: str, slot: Slot, rows: Sequence[Row]) -> Imported:
    first = rows[0]
    answers: list[ItemAnswer] = []
    for row in rows:
        if row.need("item") in {a.item for a in answers}:
            raise row.wrong("item", "is answered twice in this form")
        answers.append(_item(study.protocol, slot, row))
    known = INSTRUMENTS.get(slot.instrument)
    version = first.cells.get("instrument_version") or (known.version if known else "1")
    shown = Shown(bundle_sha256=_sha(first), explanation_id=first.cells.get("explanation_id", "")[:64])
    token = content_token(study.locked.sha256, [sorted(r.cells.items()) for r in rows])
    at = _time(first, "answered_at")
    return Imported(first.where, reader, slot, tuple(answers), at, token, shown, _times(first), version[:16])


def _item(protocol: Protocol, slot: Slot, row: Row) -> ItemAnswer:
    item, state = row.need("item"), row.cells.get("state", "answered")
    if state not in ("answered", "no_answer"):
        raise row.wrong("state", "must be answered or no_answer")
    value = _whole(row.number("value"))
    entry: Any = "no_answer" if state == "no_answer" else value if value is not None else row.cells.get("text")
    try:
        if slot.instrument == CASE_RATINGS:
            return _case_item(protocol, row, item, entry)
        if item.startswith("weight_") and value is not None:  # of the weighted NASA-TLX, counted elsewhere
            return ItemAnswer(item, value=float(value))
        known = INSTRUMENTS[slot.instrument]
        wanted = known[item]
        (a,) = (
            x for x in known.answers({i.id: "no_answer" for i in known.items} | {wanted.id: entry}) if x.item == item
        )
        return ItemAnswer(item, a.state, None if a.value is None else float(a.value), a.text)
    except StudyStoreError as error:
        raise StudyStoreError(f"{row.where}: {error}") from error


def _case_item(protocol: Protocol, row: Row, item: str, entry: Any) -> ItemAnswer:
    asked = {q.id: q for q in case_questions(protocol, row.need("arm"))}
    question: Question | None = asked.get(item)
    if question is None:
        raise StudyStoreError(f"The ratings of this arm have no question {item!r}.")
    if question.kind == "choices" and isinstance(entry, str) and entry != "no_answer":
        entry = entry.split(";")
    (answer,) = form_answers((question,), {item: entry})
    return answer


def _assignment(study: StudyRecord, place: Mapping[tuple[str, str, str], Assignment], row: Row) -> Assignment:
    reader = _reader(study, row)
    for column, known in (("arm", study.protocol.arms), ("case", study.protocol.cases)):
        if row.need(column) not in {x.id for x in known}:
            raise row.wrong(column, f"the study has no such {column}", value=column == "arm")
    found = place.get((reader, row.cells["arm"], row.cells["case"]))
    if found is None:
        raise row.wrong("case", "this reader does not read this case in this arm", value=False)
    return found


def _reader(study: StudyRecord, row: Row) -> str:
    code = row.need("reader").upper()
    if code not in {r.code for r in study.protocol.readers}:
        raise row.wrong("reader", "the study has no reader of this code", value=False)
    return code


def _check_study(study: StudyRecord, row: Row) -> None:
    if row.cells.get("study", study.code) != study.code:
        raise row.wrong("study", f"must be {study.code} or blank")
    if (version := row.number("version")) is not None and version != study.version:
        raise row.wrong("version", f"must be {study.version} or blank")


def _time(row: Row, column: str) -> datetime:
    rule = "must be a time with its zone, for example 2026-03-01T08:00:00+00:00"
    try:
        found = datetime.fromisoformat(row.need(column))
    except ValueError as error:
        raise row.wrong(column, rule) from error
    if found.tzinfo is None:
        raise row.wrong(column, rule)
    if found > datetime.now(UTC):
        raise row.wrong(column, "lies in the future")
    return found.astimezone(UTC)


def _times(row: Row) -> Times | None:
    active = row.number("active_s")
    try:
        return None if active is None else Times(active, row.number("idle_s") or 0.0)
    except StudyStoreError as error:
        raise StudyStoreError(f"{row.where}: {error}") from error


def _region(row: Row) -> Any:
    try:
        found = json.loads(row.cells["region"])
    except ValueError as error:
        raise row.wrong("region", "must be [x0, y0, x1, y1]") from error
    if not isinstance(found, list):
        raise row.wrong("region", "must be [x0, y0, x1, y1]")
    return found


def _sha(row: Row) -> str:
    found = row.cells.get("bundle_sha256", "")
    if len(found) > 64:
        raise row.wrong("bundle_sha256", "must have 64 characters")
    return found


def _token(study: StudyRecord, row: Row) -> str:
    return content_token(study.locked.sha256, sorted(row.cells.items()))


def _whole(value: float | None) -> float | None:
    """1.0 as 1, for items that take whole numbers."""
    return int(value) if value is not None and value.is_integer() else value
