"""The table of kept ratings: every answer, in few columns."""

from __future__ import annotations

from datetime import UTC, datetime

from streamlit.testing.v1 import AppTest

from dashboard.components.ratings_table import ratings_rows
from mmxai_core.reader_study.instruments import PAPER_SURVEY, Answer
from mmxai_core.reader_study.store import RatedCase, SurveyResponse

_AT = datetime(2026, 11, 27, 3, 4, 5, tzinfo=UTC)
_ABOUT = RatedCase("9f0a12ab34cd56ef", "explanation-1", "breast-us", "ab" * 32, "malignant", 0.47)


def rating(*answers: Answer) -> SurveyResponse:
    return SurveyResponse(3, "R07", _ABOUT, PAPER_SURVEY.id, "1", 2, 1, _AT, _AT, answers)


def test_every_answer_is_in_the_row_and_what_was_not_asked_is_not() -> None:
    answers = (
        Answer("understanding", "answered", 4), Answer("agree_region", "no_answer"),
        Answer("comment", "answered", text="Too *bright*."),
    )  # fmt: skip
    (row,) = ratings_rows([rating(*answers)], PAPER_SURVEY).to_dict("records")
    assert row == {
        "Saved (UTC)": "2026-11-27 03:04:05", "Case": "9f0a12ab34cd: malignant (47 %), by breast-us abababab",
        "Answers": "Understanding: 4; Region: no answer; Comment: Too *bright*. (version 2)",
    }  # fmt: skip
    (silent,) = ratings_rows([rating(Answer("comment", "no_answer"))], PAPER_SURVEY)["Answers"]
    assert silent == "(version 2)"


def test_a_case_of_the_worklist_goes_by_its_code_there_and_any_other_by_the_ratings() -> None:
    codes = {"9f0a12ab34cd56ef": "ECRZBKENFGBK"}
    (named,) = ratings_rows([rating()], PAPER_SURVEY, codes)["Case"]
    assert named == "ECRZBKENFGBK: malignant (47 %), by breast-us abababab"
    (old,) = ratings_rows([rating()], PAPER_SURVEY, {"another": "ECRZBKENFGBK"})["Case"]
    assert old.startswith("9f0a12ab34cd: ")


def test_a_comment_cannot_format_the_page() -> None:
    def page() -> None:
        from datetime import UTC, datetime

        from dashboard.components.ratings_table import ratings_table
        from mmxai_core.reader_study.instruments import PAPER_SURVEY, Answer
        from mmxai_core.reader_study.store import RatedCase, SurveyResponse

        about = RatedCase("9f0a12ab34cd56ef", "explanation-1", "breast-us", "ab" * 32, "malignant", 0.47)
        said = (Answer("comment", "answered", text="Too *bright*."),)
        now = datetime.now(UTC)
        ratings_table([SurveyResponse(3, "R07", about, "x", "1", 1, None, now, now, said)] * 9, PAPER_SURVEY)

    app = AppTest.from_function(page, default_timeout=240).run()
    assert not app.exception
    assert list(app.table[0].value.columns) == ["Saved (UTC)", "Case", "Answers"] and len(app.table[0].value) == 9
    assert r"Too \*bright\*." in app.table[0].value["Answers"].iloc[0]
