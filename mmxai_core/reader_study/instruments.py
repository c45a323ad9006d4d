"""What readers are asked: instruments as plain data, with a version, so that wording and answers stay together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmxai_core.errors import StudyStoreError

ItemKind = Literal["likert5", "text"]
AnswerState = Literal["answered", "no_answer"]

#: Longest free text kept, characters.
MAX_TEXT = 4000


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: snake_case name used in exports.
        text: The wording the reader sees.
        kind: "likert5" (whole numbers 1 to 5) or "text".
        low: What 1 means; for likert5.
        high: What 5 means; for likert5.
        required: True where the reader must answer, or say "no answer".
    """

    id: str
    text: str
    kind: ItemKind
    low: str = "strongly disagree"
    high: str = "strongly agree"
    required: bool = True


@dataclass(frozen=True)
class Answer:
    """The answer to one item.

    Attributes:
        item: Item id.
        state: "answered", or "no_answer" where the reader chose not to.
        value: 1 to 5 of a likert5 item; None otherwise.
        text: Free text; "" otherwise.
    """

    item: str
    state: AnswerState
    value: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Instrument:
    """A set of questions with a fixed wording.

    Attributes:
        id: snake_case name.
        version: Changes whenever a word of an item changes.
        title: Name for people.
        source: Where the questions come from.
        items: In the order asked.
    """

    id: str
    version: str
    title: str
    source: str
    items: tuple[Item, ...]

    def __getitem__(self, item_id: str) -> Item:
        """The item of that id.

        Raises:
            StudyStoreError: No such item.
        """
        for item in self.items:
            if item.id == item_id:
                return item
        raise StudyStoreError(f"The questionnaire {self.id!r} has no question {item_id!r}.")

    def answers(self, raw: Mapping[str, int | str | None]) -> tuple[Answer, ...]:
        """Valid answers, one an item, in order. Nothing is imputed.

        Args:
            raw: By item id: 1 to 5, "no_answer", or free text. An item that is absent or None has not been answered.

        Raises:
            StudyStoreError: A required item has no entry, an entry is out of range, or an item is not of this
                instrument; the message names the question.
        """
        for item_id in raw:
            self[item_id]
        missing = [i.text for i in self.items if i.required and raw.get(i.id) is None]
        if missing:
            raise StudyStoreError(
                f"{len(missing)} question{'s' if len(missing) > 1 else ''} left open: choose 1 to 5, or “No answer”. "
                f"First: “{missing[0]}”"
            )
        return tuple(self._answer(item, raw.get(item.id)) for item in self.items)

    def _answer(self, item: Item, raw: int | str | None) -> Answer:
        if raw is None or raw == "no_answer" or (item.kind == "text" and not str(raw).strip()):
            return Answer(item.id, "no_answer")
        if item.kind == "text":
            text = str(raw).strip()
            if len(text) > MAX_TEXT:
                raise StudyStoreError(f"A comment may have at most {MAX_TEXT} characters; this one has {len(text)}.")
            return Answer(item.id, "answered", text=text)
        if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= 5:
            raise StudyStoreError(f"“{item.text}” takes a whole number from 1 to 5; got {raw!r}.")
        return Answer(item.id, "answered", value=raw)


#: The usability survey of the source paper: two questions on use, three on agreement, free text.
PAPER_SURVEY = Instrument(
    id="explanation_survey",
    version="1",
    title="Usability of the explanation",
    source="Clinician survey of the source paper: understanding, confidence, agreement; each 1 to 5.",
    items=(
        Item(
            "understanding",
            "The explanation helped me understand the characteristics of the disease in this case.",
            "likert5",
        ),
        Item("confidence", "The explanation raised my diagnostic confidence.", "likert5"),
        Item("agree_prediction", "I agree with the prediction.", "likert5"),
        Item("agree_region", "I agree with the highlighted region of the image.", "likert5"),
        Item("agree_factors", "I agree with the clinical factors named as important.", "likert5"),
        Item("comment", "Anything that helped, or misled?", "text", required=False),
    ),
)
