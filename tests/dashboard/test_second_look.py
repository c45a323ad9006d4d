"""The region of the model's second look, as the Case page shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.components.second_look import looked_at, said
from mmxai_core.results import FirstAnswer, InputCheck, PredictionSet
from tests.synthetic_results import prediction

BOX = (10.0, 20.0, 60.0, 70.0)


def found(**changes: object) -> FirstAnswer:
    given = {"lesion_box": BOX, "lesion_box_source": "model", "image_index": 2, **changes}
    check = InputCheck(False, True, (), (), (), "The model's kind of input.", "tests")
    kept = PredictionSet(("malignant",), "one", 0.9, "history", {}, False, "The set.", "tests")
    return FirstAnswer(check, replace(prediction(), **given), kept)  # type: ignore[arg-type]


def test_it_is_where_the_model_looked_on_the_image_that_decided() -> None:
    assert looked_at(found(), None) == (BOX, 2)


@pytest.mark.parametrize(
    ("first", "roi"),
    [
        (None, None),
        (found(), (0.0, 0.0, 9.0, 9.0)),
        (found(lesion_box_source="reader"), None),
        (found(lesion_box=None, lesion_box_source="none"), None),
    ],
)
def test_without_an_answer_or_with_a_mark_of_the_reader_there_is_none(first: FirstAnswer | None, roi: object) -> None:
    assert looked_at(first, roi) is None  # type: ignore[arg-type]


def test_the_line_under_the_image_names_the_image_where_there_are_several() -> None:
    assert said(0, 1).startswith("Dashed: the region of the model's second look")
    assert said(3, 20).startswith("Dashed on image 4 of 20:")
