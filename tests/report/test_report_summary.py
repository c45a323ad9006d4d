"""The summary over a grid of explanations: no sentence says more than the checks behind it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from synthetic_results import LABELS, explanation

from mmxai_core.report.checks import Support, checks, passes
from mmxai_core.report.summary import MOST, Summary, summarise
from mmxai_core.results import Explanation, InputCheck, PredictionSet, ReliabilityNumber, ReliabilityStrip
from mmxai_core.results.certainty import BranchAccount, BranchView
from mmxai_core.results.input_check import ImageCheck, InputFinding
from mmxai_core.results.uncertainty import ClassCoverage

KEYS = ("evidence", "ssim_noise", "ssim_shift", "pearson_noise", "pearson_shift", "deletion_gain", "insertion_gain",
        "field_gain", "randomisation", "agreement", "attention_overlap", "inside_lesion")  # fmt: skip
PLACE = {"evidence", "ssim_noise", "ssim_shift", "deletion_gain", "insertion_gain", "randomisation"}
ACCOUNT = {"pearson_noise", "pearson_shift", "field_gain"}
#: Never said, whatever the checks show.
NEVER = re.compile(
    r"in the lesion\b|cancer|proves|because|caus|certain|diagnos|rules? out|excludes|safe|reliable\b", re.I
)


def strip(verdicts: dict[str, bool | None]) -> ReliabilityStrip:
    """A number above or below its bar, or not computed, by key."""
    numbers = []
    for key in KEYS:
        passed, lower = verdicts.get(key, True), key == "randomisation"
        value = None if passed is None else 0.7 if passed != lower else 0.3
        if key == "agreement" and passed is False:
            value = -0.8
        numbers.append(ReliabilityNumber(key, value, 0.5, not lower, "Said.", "measured"))
    return ReliabilityStrip(tuple(numbers), None, None, (), KEYS)


def kept(*classes: str, outcome: str = "one", measured: float | None = 0.88) -> PredictionSet:
    entry = {c: ClassCoverage(c, 0.3, 40, measured) for c in ("benign", "malignant")}
    return PredictionSet(
        classes, outcome, 0.9, "history", entry, len(classes) != 1,
        "How sure the model may be is not known: this bundle carries no calibration for it. No class is ruled out.",
        "cases",
    )  # fmt: skip


SETS = {
    "one": kept("malignant"), "other": kept("benign"), "several": kept("benign", "malignant", outcome="several"),
    "none": kept(outcome="none"), "absent": None,
    "not_calibrated": kept("benign", "malignant", outcome="not_calibrated"),
}  # fmt: skip


def check(*, flagged: bool = False, caution: bool = False) -> InputCheck:
    found = (InputFinding("marks over the lesion", "caution", "Over it lie 2 calliper marks. They mislead."),)
    said = (
        "This is not the model's kind of input: do not rely on it." if flagged else "This is the usual kind of input."
    )
    return InputCheck(flagged, True, (ImageCheck(0, "Image", (), found if caution else ()),), (), (), said, "cases")


def branches(low: float, high: float) -> BranchAccount:
    view = BranchView("image and clinical data", True, 0.69, 0.8, low, high, 1, "Said.")
    return BranchAccount((view,), 200, 0, "drawn")


def case(verdicts: dict[str, bool | None], *, which: str = "one", **changes: object) -> Explanation:
    made = strip(verdicts)
    return replace(
        explanation(), reliability=made.numbers, strip=made, prediction_set=SETS[which], branches=branches(0.3, 0.8),
        input_check=check(), **changes,
    )  # fmt: skip


def sentences(summary: Summary) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?])\s", summary.text) if s]


def grid() -> Iterator[tuple[dict[str, bool | None], str, Explanation]]:
    """Every single and every double failure, every check undone, with every kind of prediction set."""
    singles = [{k: v} for k, v in itertools.product(KEYS, (False, None))]
    doubles = [{a: False, b: False} for a, b in itertools.combinations(KEYS, 2)]
    everything = [{}, dict.fromkeys(KEYS, False), dict.fromkeys(KEYS, None)]
    for verdicts in (*everything, *singles, *doubles):
        for which in SETS:
            yield verdicts, which, case(verdicts, which=which)


def test_no_sentence_of_the_grid_says_more_than_its_checks() -> None:
    seen = 0
    for verdicts, which, made in grid():
        summary = summarise(made, LABELS)
        text, where = summary.text, f"{verdicts} {which}: {summary.text}"
        assert 3 <= len(sentences(summary)) <= MOST, where
        assert not NEVER.search(text), where
        bad = {k for k, v in verdicts.items() if v is False}
        undone = {k for k, v in verdicts.items() if v is None}
        stated = re.search(r"\d+ % lies in the region that the model takes for the lesion", text)
        if bad & (PLACE | {"inside_lesion"}) or undone & ((PLACE - {"evidence"}) | {"inside_lesion"}):
            assert not stated, where
        else:
            assert stated and ("was not tested" in text) is ("evidence" in undone), where
        if "inside_lesion" in bad and not bad & PLACE and not undone:
            assert "a reason to doubt the prediction" in text, where
        assert ("what spoke" in text) is not (bad & ACCOUNT or undone & {"pearson_noise", "pearson_shift"}), where
        assert ("point to different answers" in text) is ("agreement" in bad and "what spoke" in text), where
        if which in ("several", "none"):
            assert sentences(summary)[0].startswith("The model abstains"), where
        if which in ("several", "none", "other"):
            assert "calls this" not in text, where
        if which == "one":
            assert "about 10 % of benign cases are wrongly left out in this way" in text, where
            assert "12 % when measured" in text, where
        if which in ("not_calibrated", "absent"):
            assert "How sure" in text and "wrongly" not in text, where
        seen += 1
    assert seen > 500


def test_an_input_of_the_wrong_kind_is_said_first_and_silences_the_evidence() -> None:
    for which in SETS:
        made = replace(case({}, which=which), input_check=check(flagged=True))
        said = sentences(summarise(made, LABELS))
        assert said[0].startswith("This is not the model's kind of input") and 3 <= len(said) <= MOST
        text = " ".join(said)
        assert "neither that number nor its stated share of wrong exclusions holds" in text
        assert not re.search(r"calls this|what spoke|lies in the region|checks? pass|abstains", text)


def test_a_caution_comes_first_and_the_summary_stays_short() -> None:
    said = sentences(summarise(replace(case({}), input_check=check(caution=True)), LABELS))
    assert said[0] == "Over it lie 2 calliper marks." and len(said) <= MOST


def test_what_unknown_fields_may_change_is_said_with_its_range() -> None:
    across = summarise(case({}), LABELS).text
    assert "1 unknown field turns out, the probability may lie from 30 % to 80 % (90 % range)" in across
    assert "on either side of the operating threshold" in across
    same = summarise(replace(case({}), branches=branches(0.6, 0.8)), LABELS).text
    assert "from 60 % to 80 %" in same and "either side" not in same


def test_an_untested_explanation_names_no_input_and_no_place() -> None:
    made = replace(case({}), strip=None, reliability=())
    text = summarise(made, LABELS).text
    assert "were not tested" in text and "no statement about place" in text and "No reliability check was made" in text


@pytest.mark.parametrize(
    ("passed", "said"),
    [((True,), "The one reliability check passes."), ((False,), "The one reliability check fails: agreement."),
     ((True, True), "2 of 2 reliability checks pass."),
     ((True, False), "1 of 2 reliability checks passes; fails: attention_overlap.")],
)  # fmt: skip
def test_one_reliability_check_is_one(passed: tuple[bool, ...], said: str) -> None:
    undone = dict.fromkeys(KEYS, None)
    made = case({**undone, **dict(zip(("agreement", "attention_overlap"), passed, strict=False))})
    assert said in summarise(made, LABELS).text


def test_without_an_image_there_is_no_map_and_that_is_said() -> None:
    made = replace(explanation(image=False), prediction_set=SETS["not_calibrated"], strip=strip({}))
    summary = summarise(made, LABELS)
    assert "No image was given: there is no map." in summary.text
    assert any("No image was read" in line for line in summary.cannot_tell)


def test_a_withheld_account_names_nothing() -> None:
    text = summarise(replace(explanation(residual=0.1), strip=strip({})), LABELS).text
    assert "withheld" in text and "spoke" not in text


def test_a_contribution_too_small_to_matter_is_not_named() -> None:
    made = case({})
    small = replace(made, attribution=replace(made.attribution, values=np.array([0.01, -0.02, 0.0, 0.05])))
    assert "No single input moved" in summarise(small, LABELS).text


@pytest.mark.parametrize(("value", "expected"), [(0.0, False), (0.1, True), (-0.1, False), (None, None)])
def test_a_lead_must_be_above_zero(value: float | None, expected: bool | None) -> None:
    assert passes(ReliabilityNumber("n", value, 0.0, True, "", ""), lead=True) is expected


def test_checks_carry_the_strips_keys_and_support_reads_them() -> None:
    made = case({"ssim_noise": False, "field_gain": None})
    assert [c.key for c in checks(made)] == list(KEYS)
    support = Support.of(made)
    assert support.place_failed == ("ssim_noise",) and support.untested("field_gain") == ("field_gain",)
    assert {c.key: c.word for c in checks(made)}["field_gain"] == "not computed"
