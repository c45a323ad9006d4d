"""What readers are asked: instruments as plain data, with a version, so that wording and answers stay together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from mmxai_core.errors import StudyStoreError

ItemKind = Literal["likert5", "scale", "choice", "text"]
AnswerState = Literal["answered", "no_answer"]

#: Longest free text kept, characters.
MAX_TEXT = 4000


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: snake_case name used in exports.
        text: The wording the reader sees.
        kind: "likert5" (whole numbers 1 to 5), "scale" (numbers from minimum to maximum), "choice" (one of the
            options) or "text".
        low: What the lowest number means.
        high: What the highest number means.
        required: True where the reader must answer, or say "no answer".
        minimum: Lowest number; of a scale.
        maximum: Highest number; of a scale.
        whole: True where a scale takes whole numbers only.
        options: (id, wording) of each answer to a choice.
    """

    id: str
    text: str
    kind: ItemKind
    low: str = "strongly disagree"
    high: str = "strongly agree"
    required: bool = True
    minimum: float = 1
    maximum: float = 5
    whole: bool = True
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to one item.

    Attributes:
        item: Item id.
        state: "answered", or "no_answer" where the reader chose not to.
        value: The number given to a likert5 or scale item; None otherwise.
        text: Free text, or the id of the option chosen; "" otherwise.
    """

    item: str
    state: AnswerState
    value: float | None = None
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

    def answers(self, raw: Mapping[str, float | str | None]) -> tuple[Answer, ...]:
        """Valid answers, one an item, in order. Nothing is imputed.

        Args:
            raw: By item id: a number on the item's scale, the id of an option, free text, or "no_answer". An item that
                is absent or None has not been answered.

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

    def _answer(self, item: Item, raw: float | str | None) -> Answer:
        if raw is None or raw == "no_answer" or (item.kind == "text" and not str(raw).strip()):
            return Answer(item.id, "no_answer")
        if item.kind == "text":
            text = str(raw).strip()
            if len(text) > MAX_TEXT:
                raise StudyStoreError(f"A comment may have at most {MAX_TEXT} characters; this one has {len(text)}.")
            return Answer(item.id, "answered", text=text)
        if item.kind == "choice":
            ids = [i for i, _ in item.options]
            if raw not in ids:
                raise StudyStoreError(f"“{item.text}” takes one of {', '.join(ids)}; got {raw!r}.")
            return Answer(item.id, "answered", text=str(raw))
        low, high, whole = (1, 5, True) if item.kind == "likert5" else (item.minimum, item.maximum, item.whole)
        usable = isinstance(raw, int | float) and not isinstance(raw, bool) and isfinite(raw)
        if not usable or not low <= float(raw) <= high or (whole and not isinstance(raw, int)):
            kind = "a whole number" if whole else "a number"
            raise StudyStoreError(f"“{item.text}” takes {kind} from {low:g} to {high:g}; got {raw!r}.")
        return Answer(item.id, "answered", value=raw if isinstance(raw, int) else float(raw))


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

#: The two questions of the paper's Figure 7 alone.
PAPER_QUESTIONS = Instrument(
    id="paper_questions",
    version="1",
    title="The paper's two questions",
    source="Figure 7 of the source paper: understanding and confidence, each 1 to 5.",
    items=PAPER_SURVEY.items[:2],
)
