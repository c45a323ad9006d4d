"""What is asked with a case, made from the protocol: the opinion at each stage, then the ratings.

A form's raw entries go in by item id, as the page has them; valid answers come out, or one sentence that names the
question. Nothing is imputed: an item left open is an error unless it is optional, and "no_answer" is an answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import MAX_TEXT, PAPER_SURVEY
from mmxai_core.reader_study.protocol import EXPLANATIONS, Protocol
from mmxai_core.reader_study.questionnaires import Questionnaire, chosen_pairs, comparison_weights
from mmxai_core.reader_study.records import ItemAnswer
from mmxai_core.types import Box

QuestionKind = Literal["likert5", "percent", "category", "choices", "region", "text"]

#: Instrument ids and version of the two forms made here.
READING, CASE_RATINGS, VERSION = "reading", "case_ratings", "1"

_AGREE = {name: PAPER_SURVEY[f"agree_{name}"].text for name in ("prediction", "region", "factors")}


@dataclass(frozen=True)
class Question:
    """One question of a form.

    Attributes:
        id: Item id.
        text: Wording.
        kind: "likert5": 1 to 5; "percent": 0 to 100; "category": position from 1 in `options`; "choices": any of
            `options`; "region": a box on the image; "text".
        low: What the lowest value means.
        high: What the highest value means.
        options: (id, label) of a category or of choices.
        required: True where it must be answered or marked "no answer".
    """

    id: str
    text: str
    kind: QuestionKind
    low: str = ""
    high: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = True


def reading_questions(protocol: Protocol) -> tuple[Question, ...]:
    """The opinion asked for at the end of every stage: items "opinion", "confidence" and "region"."""
    asked = protocol.questions
    if asked.scale == "probability":
        opinion = Question(
            "opinion", f"How likely is it {protocol.positive}?", "percent", f"surely {protocol.negative}",
            f"surely {protocol.positive}",
        )  # fmt: skip
    else:
        opinion = Question(
            "opinion", "Your assessment", "category", options=tuple((label, label) for label in asked.categories)
        )
    out = [opinion]
    if asked.confidence != "none":
        kind: QuestionKind = "likert5" if asked.confidence == "likert5" else "percent"
        out.append(Question("confidence", "How sure are you?", kind, "not at all", "completely"))
    if asked.region:
        out.append(Question("region", "Draw a box around the lesion.", "region", required=False))
    return tuple(out)


def case_questions(
    protocol: Protocol, arm_id: str, *, shown: Collection[str] | None = None
) -> tuple[Question, ...]:  # fmt: skip
    """The ratings after a case of this arm, in order; () where nothing is asked.

    Agreement with the region is asked where a map was shown, with the factors where factors were. An unaided arm has
    the study's own questions only.

    Args:
        protocol: Of the study.
        arm_id: The arm.
        shown: Explanations that this case had: one without an image has no map to be asked about. None: all the arm's.
    """
    arm, asked = protocol.arm(arm_id), protocol.questions
    had = tuple(e for e in arm.explanations if shown is None or e in shown)
    out: list[Question] = []
    if arm.kind != "unaided":
        seen = {
            "prediction": True,
            "region": bool(_MAPS.intersection(had)),
            "factors": bool(_FACTORS.intersection(had)),
        }
        out += [
            Question(f"agree_{n}", _AGREE[n], "likert5", "strongly disagree", "strongly agree")
            for n in asked.agreement if seen[n]
        ]  # fmt: skip
        if asked.usefulness:
            out += [
                Question(
                    f"useful_{e}", f"How useful did you find the {EXPLANATIONS[e]}?", "likert5", "not at all", "very"
                )
                for e in had
            ]
        if asked.misled:
            options = (
                ("nothing", "nothing"),
                ("ai", "the prediction"),
                *((e, EXPLANATIONS[e]) for e in had),
            )
            out.append(Question("misled", "Did anything mislead you?", "choices", options=options))
    out += [Question(i.id, i.text, i.kind, i.low, i.high, required=i.required) for i in asked.custom]
    if asked.free_text and (out or arm.kind != "unaided"):
        out.append(Question("comment", "Comment (no names)", "text", required=False))
    return tuple(out)


def form_answers(questions: tuple[Question, ...], raw: Mapping[str, Any]) -> tuple[ItemAnswer, ...]:
    """Valid answers, one a question, in order.

    Args:
        questions: From `reading_questions` or `case_questions`.
        raw: By item id: a number; for "category" a label or a position; for "choices" a list of ids; for "region"
            (x0, y0, x1, y1) in pixels of the image; a text; or "no_answer". Absent or None: left open.

    Raises:
        StudyStoreError: A required question is open, an entry is out of range, or an item is not asked.
    """
    known = {q.id for q in questions}
    if unknown := [i for i in raw if i not in known]:
        raise StudyStoreError(f"This form has no question {unknown[0]!r}.")
    missing = [q.text for q in questions if q.required and raw.get(q.id) in (None, "", [], ())]
    if missing:
        raise StudyStoreError(
            f"{len(missing)} question{'s' if len(missing) > 1 else ''} left open: answer, or choose “No answer”. "
            f"First: “{missing[0]}”"
        )
    return tuple(_answer(q, raw.get(q.id)) for q in questions)


def questionnaire_answers(
    questionnaire: Questionnaire, raw: Mapping[str, float | None], *, chosen: Mapping[str, str] | None = None
) -> tuple[ItemAnswer, ...]:
    """Answers of a published questionnaire; an open item is kept as "no answer", and the form then has no score.

    Args:
        questionnaire: Of the registry.
        raw: By item id.
        chosen: Of a weighted one, by `pair_id` the item that weighed more; kept as they were chosen, so that a set of
            comparisons that is not whole loses none of them. A pair left open is kept as "no answer".

    Raises:
        StudyStoreError: An answer is off the scale, an item is not asked, or a choice is not of its pair.
    """
    questionnaire.check(raw)
    picked = chosen or {}
    comparison_weights(questionnaire, chosen_pairs(questionnaire, picked))  # refuses a choice that is not of its pair
    pairs = questionnaire.pairs
    if unknown := [p for p in picked if p not in pairs]:
        raise StudyStoreError(f"{questionnaire.title} has no comparison {unknown[0]!r}.")
    out = []
    for item in questionnaire.items:
        value = raw.get(item.id)
        out.append(ItemAnswer(item.id, "no_answer") if value is None else ItemAnswer(item.id, value=float(value)))
    return (*out, *(ItemAnswer(p, text=picked[p]) if p in picked else ItemAnswer(p, "no_answer") for p in pairs))


def region_of(answer: ItemAnswer | None) -> Box | None:
    """The box in the answer to "region"; None where none was drawn."""
    if answer is None or not answer.text:
        return None
    x0, y0, x1, y1 = (float(v) for v in json.loads(answer.text))
    return (x0, y0, x1, y1)


#: Explanations that show a place in the image, and those that show clinical factors.
_MAPS = {"saliency", "unified", "joint", "rollout", "cross_modal"}
_FACTORS = {"attribution", "cross_modal", "unified", "joint", "what_if"}


def _answer(question: Question, raw: Any) -> ItemAnswer:
    if raw is None or raw in ("no_answer", "") or raw == []:
        return ItemAnswer(question.id, "no_answer")
    if question.kind == "text":
        text = str(raw).strip()
        if len(text) > MAX_TEXT:
            raise StudyStoreError(f"A comment may have at most {MAX_TEXT} characters; this one has {len(text)}.")
        return ItemAnswer(question.id, text=text) if text else ItemAnswer(question.id, "no_answer")
    if question.kind == "region":
        return ItemAnswer(question.id, text=_region(raw))
    labels = [o for o, _ in question.options]
    if question.kind == "choices":
        chosen = [raw] if isinstance(raw, str) else list(raw)
        if wrong := [c for c in chosen if c not in labels]:
            raise StudyStoreError(f"“{question.text}” takes any of {', '.join(labels)}; got {wrong[0]!r}.")
        if "nothing" in chosen and len(chosen) > 1:
            raise StudyStoreError(f"“{question.text}”: “nothing” excludes the others.")
        return ItemAnswer(question.id, text=";".join(sorted(set(chosen), key=labels.index)))
    if question.kind == "category":
        position = labels.index(raw) + 1 if raw in labels else raw
        if isinstance(position, bool) or not isinstance(position, int) or not 1 <= position <= len(labels):
            raise StudyStoreError(f"“{question.text}” takes one of {', '.join(labels)}; got {raw!r}.")
        return ItemAnswer(question.id, value=float(position), text=labels[position - 1])
    low, high, words = (1, 5, "a whole number") if question.kind == "likert5" else (0, 100, "a number")
    usable = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    if not usable or not low <= raw <= high or (question.kind == "likert5" and raw != int(raw)):
        raise StudyStoreError(f"“{question.text}” takes {words} from {low} to {high}; got {raw!r}.")
    return ItemAnswer(question.id, value=float(raw))


def _region(raw: Any) -> str:
    try:
        x0, y0, x1, y1 = (float(v) for v in raw)
    except (TypeError, ValueError) as error:
        raise StudyStoreError(f"A region is x0, y0, x1, y1 in pixels; got {raw!r}.") from error
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise StudyStoreError(f"A region needs 0 <= x0 < x1 and 0 <= y0 < y1; got {raw!r}.")
    return json.dumps([round(v, 2) for v in (x0, y0, x1, y1)])
