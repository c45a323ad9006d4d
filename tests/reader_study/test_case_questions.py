from __future__ import annotations

from typing import Any

import pytest
from study_protocols import AI, EXPLAINED, UNAIDED, protocol, with_questions

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.case_questions import (
    case_questions,
    form_answers,
    questionnaire_answers,
    reading_questions,
    region_of,
)
from mmxai_core.reader_study.protocol import BIRADS, CustomItem
from mmxai_core.reader_study.questionnaire_registry import SUS, TLX_WEIGHTED
from mmxai_core.reader_study.records import ItemAnswer, Times

MADE = protocol(arms=(UNAIDED, AI, EXPLAINED))
FULL: dict[str, Any] = {"opinion": 62.5, "confidence": 4, "region": (10, 20, 30.456, 40)}


def test_an_opinion_keeps_value_confidence_and_region() -> None:
    answers = form_answers(reading_questions(MADE), FULL)
    assert answers == (
        ItemAnswer("opinion", value=62.5), ItemAnswer("confidence", value=4.0),
        ItemAnswer("region", text="[10.0, 20.0, 30.46, 40.0]"),
    )  # fmt: skip
    assert region_of(answers[2]) == (10.0, 20.0, 30.46, 40.0)
    assert region_of(None) is None is region_of(form_answers(reading_questions(MADE), {**FULL, "region": None})[2])


def test_a_category_is_kept_as_its_place_and_its_label() -> None:
    asked = reading_questions(
        with_questions(MADE, scale="categories", categories=BIRADS, positive_from=3, region=False)
    )
    assert form_answers(asked, {"opinion": "4B", "confidence": 1})[0] == ItemAnswer("opinion", value=4.0, text="4B")
    assert form_answers(asked, {"opinion": 6, "confidence": 1})[0].text == "5"
    with pytest.raises(StudyStoreError, match="takes one of 2, 3, 4A, 4B, 4C, 5; got '6'"):
        form_answers(asked, {"opinion": "6", "confidence": 1})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"opinion": None}, "1 question left open"),
        ({"opinion": None, "confidence": None}, "2 questions left open"),
        ({"opinion": 101}, "takes a number from 0 to 100; got 101"),
        ({"opinion": float("nan")}, "takes a number from 0 to 100"),
        ({"opinion": True}, "takes a number from 0 to 100"),
        ({"confidence": 4.5}, "takes a whole number from 1 to 5; got 4.5"),
        ({"region": (5, 5, 1, 9)}, "0 <= x0 < x1"),
        ({"region": "left"}, "A region is x0, y0, x1, y1"),
        ({"mood": 1}, "no question 'mood'"),
    ],
)
def test_entries_that_are_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(StudyStoreError, match=expected):
        form_answers(reading_questions(MADE), {**FULL, **change})


def test_no_answer_is_an_answer() -> None:
    answers = form_answers(reading_questions(MADE), {"opinion": "no_answer", "confidence": "no_answer"})
    assert {a.state for a in answers} == {"no_answer"}


def test_only_what_was_shown_is_asked_about() -> None:
    assert case_questions(MADE, "unaided") == ()
    assert [q.id for q in case_questions(MADE, "ai_only")] == ["agree_prediction", "misled", "comment"]
    explained = case_questions(MADE, "explained")
    assert [q.id for q in explained] == [
        "agree_prediction", "agree_region", "agree_factors", "useful_saliency", "useful_attribution", "misled",
        "comment",
    ]  # fmt: skip
    assert [o for o, _ in explained[-2].options] == ["nothing", "ai", "saliency", "attribution"]
    custom = with_questions(MADE, custom=(CustomItem("why", "Why?", "percent"),))
    assert [q.id for q in case_questions(custom, "unaided")] == ["why", "comment"]


def test_what_misled_is_any_of_what_was_shown_or_nothing() -> None:
    misled = tuple(q for q in case_questions(MADE, "explained") if q.id == "misled")
    assert form_answers(misled, {"misled": ["saliency", "ai"]}) == (ItemAnswer("misled", text="ai;saliency"),)
    for bad, words in ((["nothing", "ai"], "excludes the others"), (["joint"], "takes any of"), ([], "left open")):
        with pytest.raises(StudyStoreError, match=words):
            form_answers(misled, {"misled": bad})


def test_a_comment_has_a_length() -> None:
    comment = case_questions(MADE, "explained")[-1:]
    assert form_answers(comment, {"comment": "  "}) == (ItemAnswer("comment", "no_answer"),)
    with pytest.raises(StudyStoreError, match="at most 4000 characters; this one has 4001"):
        form_answers(comment, {"comment": "x" * 4001})


def test_a_questionnaire_keeps_open_items_as_no_answer_and_its_weights() -> None:
    kept = questionnaire_answers(SUS, {"sus_1": 5, "sus_2": None})
    assert kept[0] == ItemAnswer("sus_1", value=5.0)
    assert {a.state for a in kept[1:]} == {"no_answer"} and len(kept) == 10
    weighted = questionnaire_answers(TLX_WEIGHTED, {"effort": 72.5}, chosen={"pair__effort__frustration": "effort"})
    assert weighted[-1] == ItemAnswer("pair__effort__frustration", text="effort")
    assert len(weighted) == 6 + 15 and {a.state for a in weighted[6:-1]} == {"no_answer"}
    for wrong in ({"pair__effort__frustration": "performance"}, {"pair__effort__age": "effort"}):
        with pytest.raises(StudyStoreError, match=r"no answer to the comparison|has no comparison"):
            questionnaire_answers(TLX_WEIGHTED, {}, chosen=wrong)
    with pytest.raises(StudyStoreError, match="from 1 to 5; got 6"):
        questionnaire_answers(SUS, {"sus_1": 6})


def test_values_that_cannot_exist() -> None:
    for wrong in ({"value": float("inf")}, {"state": "no_answer", "value": 1.0}, {"state": "no_answer", "text": "x"}):
        with pytest.raises(StudyStoreError):
            ItemAnswer("a", **wrong)  # type: ignore[arg-type]
    for seconds in (-1.0, float("nan")):
        with pytest.raises(StudyStoreError, match="0 seconds or more"):
            Times(seconds)
