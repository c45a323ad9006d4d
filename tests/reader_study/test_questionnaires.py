"""Golden scores, by hand from each questionnaire's published rule."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.instruments import PAPER_QUESTIONS, PAPER_SURVEY
from mmxai_core.reader_study.questionnaire_registry import (
    ESS,
    INSTRUMENTS,
    JIAN,
    QUESTIONNAIRES,
    SCS,
    SUS,
    TLX_RAW,
    TLX_WEIGHTED,
    TRUST,
    custom_questionnaire,
    questionnaire,
)
from mmxai_core.reader_study.questionnaires import Questionnaire, chosen_pairs, comparison_weights, pair_id, summarise


def form(q: Questionnaire, values: list[float]) -> dict[str, float]:
    return dict(zip((i.id for i in q.items), values, strict=True))


@pytest.mark.parametrize(
    ("q", "values", "score"),
    [
        (SUS, [5, 1] * 5, 100.0),
        (SUS, [1, 5] * 5, 0.0),
        (SUS, [3] * 10, 50.0),
        # Odd items 4,4,5,4,5 -> 3+3+4+3+4 = 17; even 2,1,2,1,3 -> 3+4+3+4+2 = 16; 33 x 2.5.
        (SUS, [4, 2, 4, 1, 5, 2, 4, 1, 5, 3], 82.5),
        (SCS, [5] * 10, 1.0),
        (SCS, [1] * 10, 0.2),
        (SCS, [4, 5, 3, 2, 4, 5, 4, 3, 2, 5], 37 / 50),
        (TRUST, [5, 5, 5, 5, 5, 1, 5, 5], 5.0),
        # 4+3+2+4+5+(6-4)+3+4 = 27.
        (TRUST, [4, 3, 2, 4, 5, 4, 3, 4], 27 / 8),
        (ESS, [1] * 8, 1.0),
        # 5+4+4+3+2+5+1+3 = 27.
        (ESS, [5, 4, 4, 3, 2, 5, 1, 3], 27 / 8),
        (JIAN, [1] * 5 + [7] * 7, 7.0),
        # Distrust 2,3,1,4,2 -> 6+5+7+4+6 = 28; trust 5,6,4,3,7,5,6 = 36; 64 over 12 items.
        (JIAN, [2, 3, 1, 4, 2, 5, 6, 4, 3, 7, 5, 6], 64 / 12),
        (TLX_RAW, [0] * 6, 0.0),
        (TLX_RAW, [70, 10, 55, 30, 65, 25], 255 / 6),
    ],
)
def test_golden_scores(q: Questionnaire, values: list[float], score: float) -> None:
    assert q.score(form(q, values)).value == pytest.approx(score)


def test_sus_agrees_with_its_formula_on_random_forms() -> None:
    for values in np.random.default_rng(0).integers(1, 6, size=(20, 10)):
        by_formula = 2.5 * ((values[::2] - 1).sum() + (5 - values[1::2]).sum())
        assert SUS.score(form(SUS, values.tolist())).value == pytest.approx(by_formula)


def test_nasa_tlx_weighted() -> None:
    """Weights 5,0,4,1,3,2 of 15 comparisons: (5x70 + 0x10 + 4x55 + 1x30 + 3x65 + 2x25)/15 = 845/15."""
    answers = form(TLX_WEIGHTED, [70, 10, 55, 30, 65, 25])
    rank = form(TLX_WEIGHTED, [5, 0, 4, 1, 3, 2])
    chosen = {(a, b): max(a, b, key=lambda i: rank[i]) for a, b in combinations(rank, 2)}
    weights = comparison_weights(TLX_WEIGHTED, chosen)
    assert weights == rank
    assert TLX_WEIGHTED.score(answers, weights=weights).value == pytest.approx(845 / 15)
    chosen.popitem()
    assert comparison_weights(TLX_WEIGHTED, chosen) is None
    no_weights = TLX_WEIGHTED.score(answers)
    assert no_weights.value is None
    assert "comparisons are missing" in no_weights.flag


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([5, 5, 4, 1, 0, 1], "add up to 15; got 16"),
        ([6, 3, 3, 2, 1, 0], "one weight from 0 to 5"),
        ([5, 4, 3, 2, 1], "one weight from 0 to 5"),
    ],
)
def test_impossible_weights_are_refused(weights: list[int], expected: str) -> None:
    given = dict(zip([i.id for i in TLX_WEIGHTED.items][: len(weights)], weights, strict=True))
    with pytest.raises(StudyStoreError, match=expected):
        TLX_WEIGHTED.score(form(TLX_WEIGHTED, [50] * 6), weights=given)


def test_a_comparison_answered_with_another_item_is_refused() -> None:
    with pytest.raises(StudyStoreError, match="no answer to the comparison"):
        comparison_weights(TLX_WEIGHTED, {("effort", "frustration"): "performance"})
    with pytest.raises(StudyStoreError, match="no answer to the comparison"):
        comparison_weights(TLX_WEIGHTED, {("effort", "performance"): "effort", ("performance", "effort"): "effort"})


@pytest.mark.parametrize("q", QUESTIONNAIRES.values(), ids=QUESTIONNAIRES)
def test_an_incomplete_form_has_no_score_and_a_flag(q: Questionnaire) -> None:
    answers: dict[str, float | None] = dict(form(q, [q.maximum] * len(q.items)))
    open_item = q.items[2].id
    for without in ({**answers, open_item: None}, {k: v for k, v in answers.items() if k != open_item}):
        score = q.score(without)
        assert score.value is None
        assert score.open_items == (open_item,)
        assert f"1 of {len(q.items)} questions is open" in score.flag


@pytest.mark.parametrize("value", [0, 6, 2.5, float("nan"), True, "3"])
def test_an_answer_off_the_scale_is_refused(value: object) -> None:
    with pytest.raises(StudyStoreError, match="'sus_1': takes a whole number from 1 to 5"):
        SUS.score({"sus_1": value})  # type: ignore[dict-item]


def test_unknown_names() -> None:
    with pytest.raises(StudyStoreError, match="no question 'sus_11'"):
        SUS.score({"sus_11": 3})
    with pytest.raises(StudyStoreError, match="Questionnaires are sus"):
        questionnaire("umux")


def test_every_questionnaire_carries_its_terms() -> None:
    for name, q in QUESTIONNAIRES.items():
        assert name == q.id
        assert q.licence
        assert q.source
        assert len({i.id for i in q.items}) == len(q.items)
        assert not q.has_wording or len({i.text for i in q.items}) == len(q.items)
        assert q.to_json()["items"][0]["text"] == (q.items[0].text or "(wording to be supplied by the site)")
    assert [len(q.items) for q in (SUS, SCS, TRUST, TLX_RAW)] == [10, 10, 8, 6]
    assert sum(i.reverse for i in SUS.items) == 5
    assert not any(i.reverse for i in SCS.items)


def test_group_summary() -> None:
    forms = [[4, 2, 4, 1, 5, 2, 4, 1, 5, 3], [5, 1] * 5, [3] * 10]
    scores = [SUS.score(form(SUS, f)) for f in forms] + [SUS.score({"sus_1": 3})]
    found = summarise(SUS, scores)
    values = [82.5, 100, 50]
    assert (found.n, found.incomplete, found.median) == (3, 1, 82.5)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert found.low == pytest.approx(low)
    assert high > 100
    assert found.high == 100  # no score lies above
    assert found.norm is not None
    assert found.norm.mean == 68
    assert summarise(SUS, []).mean is None
    assert summarise(SUS, scores[:1]).low is None
    with pytest.raises(StudyStoreError, match="cannot be summed up"):
        summarise(SCS, scores)


def test_trust_and_distrust_apart() -> None:
    score = JIAN.score(form(JIAN, [2, 3, 1, 4, 2, 5, 6, 4, 3, 7, 5, 6]))
    assert score.parts == pytest.approx({"distrust": 12 / 5, "trust": 36 / 7})


def test_wording_that_is_not_free_comes_from_the_site() -> None:
    assert [q.id for q in QUESTIONNAIRES.values() if not q.has_wording] == ["jian_trust"]
    assert "jian_trust" not in INSTRUMENTS
    with pytest.raises(StudyStoreError, match="wording is not free"):
        JIAN.as_instrument()
    texts = {i.id: f"Wording of {i.id}" for i in JIAN.items}
    worded = JIAN.with_wording(texts, licence="Bought by the site.")
    assert (worded.version, worded.licence) == ("1-site", "Bought by the site.")
    item = worded.as_instrument().items[0]
    assert (item.text, item.kind, item.minimum, item.maximum) == ("Wording of jian_1", "scale", 1, 7)
    assert worded.score(form(worded, [1] * 5 + [7] * 7)).value == 7
    for wrong in ({**texts, "jian_1": " "}, {"jian_1": "one"}):
        with pytest.raises(StudyStoreError, match="needs one text for each of jian_1"):
            JIAN.with_wording(wrong, licence="x")


def test_five_point_questionnaires_become_instruments() -> None:
    instrument = SUS.as_instrument()
    assert [i.text for i in instrument.items] == [i.text for i in SUS.items]
    kept = instrument.answers(form(SUS, [3] * 10))
    assert SUS.score({a.item: a.value for a in kept}).value == 50
    assert INSTRUMENTS["paper_questions"] is PAPER_QUESTIONS
    assert PAPER_QUESTIONS.items == PAPER_SURVEY.items[:2]


def test_weighted_workload_is_asked_with_its_comparisons_and_scored_from_the_answers() -> None:
    asked = TLX_WEIGHTED.as_instrument()
    assert [i.kind for i in asked.items] == ["scale"] * 6 + ["choice"] * 15
    ids = [i.id for i in TLX_WEIGHTED.items]
    rank = dict(zip(ids, [5, 0, 4, 1, 3, 2], strict=True))
    raw: dict[str, float | str] = dict(zip(ids, [70, 10.5, 55, 30, 65, 25], strict=True))
    raw |= {pair_id(a, b): max(a, b, key=lambda i: rank[i]) for a, b in combinations(ids, 2)}
    kept = asked.answers(raw)
    weights = comparison_weights(TLX_WEIGHTED, chosen_pairs(TLX_WEIGHTED, {a.item: a.text for a in kept}))
    answers = {a.item: a.value for a in kept if a.item in ids}
    assert TLX_WEIGHTED.score(answers, weights=weights).value == pytest.approx(845 / 15)
    with pytest.raises(StudyStoreError, match="takes one of effort, frustration; got 'performance'"):
        asked.answers({**raw, "pair__effort__frustration": "performance"})
    with pytest.raises(StudyStoreError, match="takes a number from 0 to 100; got 101"):
        asked.answers({**raw, "effort": 101})


def test_custom_items_have_no_score() -> None:
    own = custom_questionnaire("site_items", "Our questions", {"layout": "The layout is clear."}, maximum=7)
    assert own.as_instrument().answers({"layout": 7})[0].value == 7
    score = own.score({"layout": 7})
    assert (score.value, score.flag) == (None, "Each item speaks for itself: no score.")
    assert score.subscales == {"layout": 7}
    for name, items, expected in (
        ("sus", {"a": "A?"}, "belongs to System Usability Scale"),
        ("Site", {"a": "A?"}, "got 'Site'"),
        ("site", {"a": " "}, "none of them blank"),
        ("site", {}, "at least one question"),
    ):
        with pytest.raises(StudyStoreError, match=expected):
            custom_questionnaire(name, "Title", items)
    with pytest.raises(StudyStoreError, match="at least 2 steps"):
        custom_questionnaire("site", "Title", {"a": "A?"}, minimum=5)
