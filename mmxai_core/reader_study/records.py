"""What the study store takes and gives: plain frozen values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import AnswerState
from mmxai_core.reader_study.protocol import LockedProtocol, Protocol

SlotKind = Literal["reading", "ratings", "questionnaire"]
EventKind = Literal["signed_in", "opened", "revealed", "beat", "closed"]


@dataclass(frozen=True)
class ItemAnswer:
    """The answer to one item.

    Attributes:
        item: Item id. A reading has "opinion", "confidence" and "region".
        state: "answered", or "no_answer" where the reader chose not to.
        value: The number; None where the answer is text or there is none.
        text: Text, a region as JSON [x0, y0, x1, y1], or the label of a category; "" otherwise.

    Raises:
        StudyStoreError: On construction, for a value that is no finite number, or an answer to nothing.
    """

    item: str
    state: AnswerState = "answered"
    value: float | None = None
    text: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise StudyStoreError(f"The answer to {self.item!r} must be a finite number; got {self.value!r}.")
        if self.state == "no_answer" and (self.value is not None or self.text):
            raise StudyStoreError(f"{self.item!r} is marked “no answer” and yet has one.")


@dataclass(frozen=True)
class Slot:
    """The place of an answer in a study; one place has one answer at a time, and its earlier versions.

    Attributes:
        kind: "reading": an opinion at the end of a stage; "ratings": the questions after a case; "questionnaire".
        instrument: "reading", "case_ratings" or the id of a questionnaire.
        period: From 1; 0 for a questionnaire before the first or after the last period.
        stage: Of a reading; for ratings the last stage shown; for a questionnaire "start", "period_end" or "end".
        assignment: Id of the assignment; None for a questionnaire.
    """

    kind: SlotKind
    instrument: str
    period: int
    stage: str
    assignment: int | None = None


@dataclass(frozen=True)
class Shown:
    """What of the AI was on the reader's screen; blank where nothing was.

    Attributes:
        bundle: Bundle name.
        bundle_sha256: Hash of its weights.
        predicted_class: As shown, after a seeded error.
        probability: Of the positive class, as shown, in [0, 1]; None where nothing was.
        explanation_id: Of the explanation.
        explainer: Settings of the explainer, e.g. {"method": "grad_cam_pp", "seed": 7}.
    """

    bundle: str = ""
    bundle_sha256: str = ""
    predicted_class: str = ""
    probability: float | None = None
    explanation_id: str = ""
    explainer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Times:
    """Time on one step, seconds.

    Attributes:
        active_s: With a sign of the reader within the idle limit.
        idle_s: The rest.
    """

    active_s: float = 0.0
    idle_s: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("active", self.active_s), ("idle", self.idle_s)):
            if not (math.isfinite(value) and value >= 0):
                raise StudyStoreError(f"The {name} time must be 0 seconds or more; got {value!r}.")


@dataclass(frozen=True)
class Kept:
    """One answer in the store.

    Attributes:
        id: Row, from 1, in the order kept.
        reader: Reader code.
        slot: What it answers.
        iteration: 1 for the first answer, 2 for the first change ...
        supersedes: Id of the answer this one replaces, or None.
        instrument_version: Version of the questions.
        answers: One an item, in the order asked.
        shown: What of the AI was on screen.
        times: Time on the step; None where it was not measured (imported).
        opened_at: When the step was first shown, UTC.
        saved_at: When it was committed, UTC.
        imported: True where it was made elsewhere.
    """

    id: int
    reader: str
    slot: Slot
    iteration: int
    supersedes: int | None
    instrument_version: str
    answers: tuple[ItemAnswer, ...]
    shown: Shown
    times: Times | None
    opened_at: datetime
    saved_at: datetime
    imported: bool = False

    def answer(self, item: str) -> ItemAnswer | None:
        """The answer to one item, or None where it was not asked."""
        return next((a for a in self.answers if a.item == item), None)


@dataclass(frozen=True)
class Event:
    """Something that happened in a session, besides answers.

    Attributes:
        id: Row, from 1.
        reader: Reader code; "" for the coordinator.
        kind: "signed_in", "opened" (a step was shown), "revealed" (the AI was sent), "beat" (time on a step so far),
            "closed" (the coordinator closed the study).
        assignment: Id, or None.
        stage: Stage of the step; "" where there is none.
        at: When, UTC.
        data: What belongs to the kind; of a beat {"run", "active_s", "idle_s"}.
    """

    id: int
    reader: str
    kind: EventKind
    assignment: int | None
    stage: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRecord:
    """One version of a study in the store.

    Attributes:
        id: Row, from 1.
        locked: Its protocol under its hash, truth included: for the coordinator only.
    """

    id: int
    locked: LockedProtocol

    @property
    def protocol(self) -> Protocol:
        """The protocol, truth included."""
        return self.locked.protocol

    @property
    def code(self) -> str:
        """The study's short id."""
        return self.protocol.id

    @property
    def version(self) -> int:
        """Version, from 1."""
        return self.protocol.version

    @cached_property
    def for_readers(self) -> Protocol:
        """The protocol without truth: what a reader's page may hold."""
        return self.protocol.blinded()


@dataclass(frozen=True)
class Imported:
    """One answer made elsewhere, checked, to be kept.

    Attributes:
        where: Its place in the file, for messages, e.g. "readings.csv, row 7".
        reader: Reader code.
        slot: What it answers.
        answers: One an item.
        saved_at: When it was given, UTC.
        token: Made of what it says.
        shown: What of the AI was on screen.
        times: None where not measured.
        instrument_version: Version of the questions.
    """

    where: str
    reader: str
    slot: Slot
    answers: tuple[ItemAnswer, ...]
    saved_at: datetime
    token: str
    shown: Shown = field(default_factory=Shown)
    times: Times | None = None
    instrument_version: str = "1"
