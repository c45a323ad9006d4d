from __future__ import annotations

from dataclasses import replace

import pytest

from mmxai_core.figures.questions import questions_figure
from mmxai_core.figures.response import response_figure
from mmxai_core.results.certainty import Outcome, Question, Questions
from mmxai_core.results.what_if import FieldResponse, ResponsePoint


def question(field: str, change: float, entropy: float, flip: float) -> Question:
    outcomes = (Outcome("yes", 0.3, 0.8), Outcome("no", 0.7, 0.4))
    return Question(field, field.title(), "history", change, 0.5, entropy, flip, outcomes, f"{field.title()}: it says.")


ASKED = Questions(
    (question("margin", 0.2, -0.1, 0.4), question("age", 0.1, -0.3, 0.0), question("lump", 0.05, 0.02, 0.0)),
    0.5, 1.0, "malignant", "",
)  # fmt: skip
CURVE = FieldResponse(
    "age", "Age", "numeric", "years",
    tuple(ResponsePoint(float(a), f"{a} years", a / 100, a < 80) for a in range(20, 100, 20)) , 60.0, 0.6, 0.45, 0.5,
    (50.0,), "malignant", "",
)  # fmt: skip
BARS = FieldResponse(
    "margin", "Margin", "categorical", None,
    (ResponsePoint("smooth", "Smooth", 0.2, True), ResponsePoint("spiky", "Spiky", 0.9, False)), None, 0.4, 0.4, 0.5,
    (), "malignant", "",
)  # fmt: skip


def test_questions_are_drawn_in_order_with_what_each_answer_gives() -> None:
    bars = questions_figure(ASKED).data[0]
    assert list(bars.customdata) == ["margin", "age", "lump"] and list(bars.x) == pytest.approx([20, 10, 5])
    assert list(bars.text) == ["20.0 points", "10.0 points", "5.0 points"]
    assert list(bars.marker.pattern.shape) == ["/", "", ""]
    assert "no: 40 % malignant (chance 70 %)" in bars.hovertext[0]
    by_entropy = questions_figure(ASKED, by="entropy", most=2)
    assert list(by_entropy.data[0].customdata) == ["age", "margin"]
    assert list(by_entropy.data[0].x) == pytest.approx([0.3, 0.1])
    assert "hatched" in by_entropy.layout.xaxis.title.text
    assert len(questions_figure(replace(ASKED, questions=())).data[0].x) == 0
    with pytest.raises(ValueError, match="got 'size'"):
        questions_figure(ASKED, by="size")


def test_a_curve_marks_the_case_the_threshold_and_what_training_has_not_seen() -> None:
    figure = response_figure(CURVE)
    every, seen, now = figure.data
    assert list(every.x) == [20, 40, 60, 80] and every.line.dash == "dot"
    assert list(seen.y) == [0.2, 0.4, 0.6, None]
    assert (list(now.x), list(now.y)) == ([60.0], [0.6])
    lines = {(s.x0, s.y0) for s in figure.layout.shapes}
    assert (50.0, 0) in lines and (0, 0.5) in lines
    assert figure.layout.xaxis.title.text == "Age (years)"
    assert "-40.0 points from this case" in every.hovertext[0] and "hardly" in every.hovertext[3]
    assert "60.0 % malignant<br>as in this case" in every.hovertext[2]
    close = response_figure(replace(CURVE, current_probability=0.6004)).data[0]
    assert "as in this case" in close.hovertext[2], "what prints alike does not differ"
    unknown = response_figure(replace(CURVE, current=None))
    assert len(unknown.data) == 2 and 0.45 in {s.y0 for s in unknown.layout.shapes}


def test_bars_outline_the_value_now_and_hatch_the_unseen() -> None:
    bars = response_figure(BARS).data[0]
    assert list(bars.x) == ["Smooth", "Spiky", "Unknown"] and list(bars.y) == [0.2, 0.9, 0.4]
    assert list(bars.marker.pattern.shape) == ["", "/", ""] and list(bars.marker.line.width) == [0, 0, 3]


def test_categories_named_by_numbers_stay_categories() -> None:
    names = ("2", "3", "4A", "5")
    birads = replace(BARS, kind="ordinal", points=tuple(ResponsePoint(n, n, 0.2, True) for n in names))
    figure = response_figure(birads)
    assert figure.layout.xaxis.type == "category" and list(figure.data[0].x) == [*names, "Unknown"]
    assert response_figure(CURVE).layout.xaxis.type is None, "a number keeps its scale"
