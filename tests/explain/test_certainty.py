from __future__ import annotations

import re

import numpy as np
import pytest
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.explain.certainty import _view_sentence, branch_account, what_to_ask
from mmxai_core.explain.options import entropy_bits, positive_probability, softmax
from mmxai_core.explain.plausible import OptionChances
from mmxai_core.results.certainty import Questions


def ask(raw: dict[str, object], threshold: float = 0.4) -> tuple[Questions, np.ndarray, OptionChances]:
    head, _, chances = made.case(raw)
    asked = what_to_ask(head, chances, positive=1, name="malignant", threshold=threshold)
    return asked, head.logits(head.options.current[None])[0], chances


def test_questions_are_means_over_the_answers_of_the_networks_own_output() -> None:
    head, _, chances = made.case({"age": 50, "palpable": True})
    asked, now, _ = ask({"age": 50, "palpable": True})
    assert {q.field for q in asked.questions} == {"nipple_discharge", "margin", "birads"}
    question = next(q for q in asked.questions if q.field == "margin")
    rows = np.tile(head.options.current, (2, 1))
    rows[:, 3] = [1, 2]
    logits = head.logits(rows)
    weights = softmax(now) @ chances.statistics.probability[:, 3, :2]
    p0, p = positive_probability(now, 1), positive_probability(logits, 1)
    assert [o.chance for o in question.outcomes] == pytest.approx(weights)
    assert [o.probability for o in question.outcomes] == pytest.approx(p)
    assert [o.answer for o in question.outcomes] == ["Smooth", "Spiky"]
    assert question.expected_change == pytest.approx(weights @ abs(p - p0))
    assert question.expected_entropy_bits == pytest.approx(weights @ entropy_bits(logits) - entropy_bits(now))
    changes = [q.expected_change for q in asked.questions]
    assert changes == sorted(changes, reverse=True) and changes[0] > 0.005
    falls = [q.expected_entropy_bits for q in asked.by_certainty()]
    assert falls == sorted(falls)


def test_the_other_fields_move_the_chances_of_an_answer() -> None:
    """Chances are mixed by the class probability, so a case called malignant expects a spiky margin."""
    cases = [ask({"palpable": p, "birads": b}) for p in (True, False) for b in "2345"]
    malignant = [float(softmax(now)[1]) for _, now, _ in cases]
    spiky = [next(q for q in a.questions if q.field == "margin").outcomes[1].chance for a, _, _ in cases]
    assert np.ptp(malignant) > 0.02
    assert np.corrcoef(malignant, spiky)[0, 1] == pytest.approx(1)
    assert 0.1 < min(spiky) < max(spiky) < 0.9


def test_flip_chance_counts_the_answers_beyond_the_threshold() -> None:
    asked, now, _ = ask({"age": 50})
    question = next(q for q in asked.questions if q.field == "birads")
    p = sorted(o.probability for o in question.outcomes)
    again, _, _ = ask({"age": 50}, threshold=(p[1] + p[2]) / 2)
    moved = next(q for q in again.questions if q.field == "birads")
    side = float(positive_probability(now, 1)) >= (p[1] + p[2]) / 2
    expected = sum(o.chance for o in moved.outcomes if (o.probability >= (p[1] + p[2]) / 2) != side)
    assert 0 < moved.flip_chance < 1 and moved.flip_chance == pytest.approx(expected)
    assert "the decision changes with a chance" in moved.sentence


def test_nothing_to_ask_when_all_is_known() -> None:
    full = {"age": 50, "palpable": True, "nipple_discharge": False, "margin": "spiky", "birads": "4"}
    assert ask(full)[0].questions == ()


@pytest.mark.parametrize(
    ("raw", "images", "inputs"),
    [
        ({"age": 50, "palpable": True}, 1, ["image and clinical data", "image only", "clinical data only"]),
        ({}, 1, ["image only"]),
        ({"age": 50}, 0, ["clinical data only"]),
    ],
)
def test_branches_alone_equal_the_networks_own_pass(raw: dict[str, object], images: int, inputs: list[str]) -> None:
    head, absent, chances = made.case(raw, images=images)
    account = branch_account(head, absent, chances, has_image=images > 0, positive=1, name="malignant", seed=3)
    assert [v.inputs for v in account.views] == inputs and account.views[0].is_case
    own = {
        "image and clinical data": head.logits(head.options.current[None]),
        "image only": head.logits(np.zeros((1, len(SCHEMA.ids)), np.int64)),
        "clinical data only": absent.logits(head.options.current[None]),
    }
    for view in account.views:
        assert view.probability == pytest.approx(float(positive_probability(own[view.inputs], 1)[0]))
        assert view.entropy_bits == pytest.approx(float(entropy_bits(own[view.inputs])[0]))
        assert view.low < view.high and f"{view.unknown} unknown field" in view.sentence
    widths = {v.inputs: v.width for v in account.views}
    if "image only" in widths and "image and clinical data" in widths:
        assert widths["image only"] != widths["image and clinical data"]
        bits = [re.findall(r"uncertainty (?:is )?(\d\.\d\d)", v.sentence) for v in account.views]
        lost = round(float(bits[1][0]) - float(bits[0][0]), 2)
        assert bits[1][1:] == ([f"{abs(lost):.2f}"] if lost else []), "the difference of the two that are printed"
        assert ("higher" in account.views[1].sentence) == (lost > 0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.9881, 0.9934, "What the 3 unknown fields turn out to be hardly moves it: about 99 % (90 % range)."),
        (0.98, 0.99, "What the 3 unknown fields turn out to be may move it between 98 and 99 % (90 % range)."),
    ],
)
def test_a_range_whose_ends_print_alike_is_none(low: float, high: float, said: str) -> None:
    assert _view_sentence("image and clinical data", 0.99, 0.1, low, high, 3, None, "malignant").endswith(f" {said}")


def test_a_full_record_leaves_no_range() -> None:
    full = {"age": 50, "palpable": True, "nipple_discharge": False, "margin": "spiky", "birads": "4"}
    head, absent, chances = made.case(full)
    account = branch_account(head, absent, chances, has_image=True, positive=1, name="malignant")
    assert account.views[0].width == 0 and "range" not in account.views[0].sentence
    again = branch_account(head, absent, chances, has_image=True, positive=1, name="malignant")
    assert account == again


def test_completions_follow_the_class_by_class_distributions() -> None:
    head, _, chances = made.case({})
    rng = np.random.default_rng(0)
    for mixture in ([0.0, 1.0], [1.0, 0.0]):
        spiky = float(np.array(mixture) @ chances.statistics.probability[:, 3, 1])
        rows = chances.complete(head.options.current, np.array(mixture), draws=4000, rng=rng)
        assert (rows > 0).all()
        assert (rows[:, 3] == 2).mean() == pytest.approx(spiky, abs=0.03)
    ages = np.array([head.options.values[0][r] for r in rows[:, 0]], float)
    assert ages.mean() == pytest.approx(42, abs=1.5) and ages.std() == pytest.approx(8, abs=1.5)
