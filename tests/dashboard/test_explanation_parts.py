"""The Explanation page's components without a page: what they say equals what is in the result."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from synthetic_results import LABELS, attribution, cross_modal, explanation, prediction

from dashboard.comparing import View
from dashboard.components.account_panel import (
    AccountChoice,
    certificate,
    chosen_account,
    interactions_panel,
    what_bars_are,
)
from dashboard.components.attention_panel import as_html, audit_order, audit_table
from dashboard.components.compare_panel import compare_table, difference
from dashboard.components.input_words import NOT_VALID, check_sentences, stated
from dashboard.components.joint_map_panel import scale_bar
from dashboard.components.methods_panel import MethodChoice
from dashboard.components.reliability_words import PLAIN, checks_in_brief, figure, figures, plain_name, tally
from dashboard.components.similar_panel import alike_of, group_rows, outcome_bar, seen_before, unlike, unlike_input
from dashboard.components.turning_panel import TurningRequest, changes_table, tried_sentence
from dashboard.components.what_if_panel import answer_gauge, is_seen, range_bar, seen_range
from dashboard.messages import markdown_safe
from mmxai_core.clinical import Field
from mmxai_core.figures.interactions import PALETTES
from mmxai_core.figures.unified import signed_blend
from mmxai_core.results import AttentionAudit, InputCheck, JointAccount, PredictionSet, ReliabilityNumber
from mmxai_core.results.input_check import ImageCheck, InputFinding, InputScore
from mmxai_core.results.similar import FieldSummary, SimilarCase, SimilarCases, SimilarGroup, SimilarGroups
from mmxai_core.results.what_if import (
    Counterfactual,
    CounterfactualSearch,
    FieldChange,
    FieldResponse,
    ResponsePoint,
    WhatIfAnswer,
)

AGE = Field("age", "Age", "numeric", "history", "", "years", (0, 120), (10, 90))


def joint(*, background: bool = True) -> JointAccount:
    account = attribution()
    regional = replace(account, players=("age", "palpable", "margin", "image_lesion"))
    against = replace(regional, estimator="sampled: 24 orders a row, seed 0", interval_from="95 % interval over rows")
    return JointAccount(
        "lesion", ("image_lesion",), None, None, regional, replace(regional, space="probability"),
        against if background else None, replace(against, space="probability") if background else None, 9, 0,
    )  # fmt: skip


def test_the_account_shown_is_the_one_chosen() -> None:
    case, game = explanation(), joint()
    choose = lambda *c: chosen_account(AccountChoice(*c), case, game)[0]  # noqa: E731
    assert choose("lesion", "removal", "log_odds") is game.removal
    assert choose("grid", "removal", "probability") is game.removal_probability
    assert choose("lesion", "background", "log_odds") is game.background
    assert choose("lesion", "background", "probability") is game.background_probability
    assert choose("whole", "removal", "log_odds") is case.attribution
    assert choose("whole", "removal", "probability") is case.attribution_probability
    early, why = chosen_account(AccountChoice("lesion", "removal", "log_odds"), case, None)
    assert early is case.attribution and why == "", "before the regions are there, the whole image stands for them"
    nothing, why = chosen_account(AccountChoice("lesion", "background", "log_odds"), case, joint(background=False))
    assert nothing is None and "typical records" in why
    assert "Still being computed" in chosen_account(AccountChoice("lesion", "background", "log_odds"), case, None)[1]


def test_the_certificate_says_how_the_account_was_made_and_what_it_misses() -> None:
    said = certificate(replace(attribution(), residual=3.4e-6))
    assert "**Exact** (16 combinations)" in said and "residual 3e-06, limit 0.0001" in said and "✓" in said
    assert "below 0.000001" in certificate(attribution())
    sampled = certificate(joint().background)  # type: ignore[arg-type]
    assert "Sampled" in sampled and "24 orders a row, seed 0" in sampled and "95 % interval over rows" in sampled


def test_an_account_that_does_not_add_up_is_withheld_with_its_reason() -> None:
    def page() -> None:
        from synthetic_results import LABELS, attribution

        from dashboard.components.account_panel import interactions_panel, waterfall_panel

        waterfall_panel(attribution(residual=0.01), LABELS, target="malignant", on_click=lambda: None)
        interactions_panel(attribution(residual=0.01), LABELS, target="malignant", regions=())

    app = AppTest.from_function(page, default_timeout=240).run()
    assert not app.exception and len(app.error) == 2
    assert "Withheld: the contributions miss the prediction by 0.01, more than 0.0001" in app.error[0].value


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_interactions_are_drawn_in_the_colours_of_the_page(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(type(st.context), "theme", SimpleNamespace(type=theme))
    monkeypatch.setattr(
        "dashboard.components.account_panel.chart", lambda figure, **_: drawn.append(figure.data[0].colorscale[1][1])
    )
    interactions_panel(attribution(), LABELS, target="malignant", regions=())
    assert drawn == [PALETTES[theme == "light"][1]]


def test_every_reliability_number_of_the_core_has_plain_words() -> None:
    names = (
        "Additivity residual", "Strength of the evidence (percentile of maps without meaning)",
        "Map stability under noise (SSIM)", "Map stability under small movements (SSIM)",
        "Attribution stability under noise (Pearson)", "Attribution stability under small movements (Pearson)",
        "Deletion: lead over random regions", "Insertion: lead over random regions",
        "Removal of the top 3 fields: lead over random fields", "Map with random weights (Pearson)",
        "Agreement of image and clinical data", "Fields' attention on the map (Pearson)",
        "Evidence inside the lesion region", "Evidence inside the drawn region",
    )  # fmt: skip
    assert len({plain_name(n) for n in names}) == len(names) == len(PLAIN)
    assert all(plain_name(n) != n or n.startswith("Agreement") for n in names)
    assert plain_name("Something new") == "Something new"


def test_the_summary_calls_a_check_what_the_strip_calls_it() -> None:
    weak = ReliabilityNumber("Attribution stability under noise (Pearson)", 0.2, 0.8, True, "", "")
    app = AppTest.from_string(
        "import streamlit as st\n"
        "from dashboard.components.summary_panel import summary_panel\n"
        "summary_panel(st.session_state['case'], {})"
    )
    app.session_state["case"] = replace(explanation(), reliability=(weak,), strip=None)
    said = " ".join(m.value for m in app.run().markdown)
    assert not app.exception and "“Contributions stay the same under slight noise”" in said and "Pearson" not in said


@pytest.mark.parametrize(
    ("tried", "refused", "said"),
    [(1200, 1, "1,200 changed records tried. 1 turned the decision but is implausible."),
     (1, 0, "1 changed record tried."), (9, 2, "9 changed records tried. 2 turned the decision but are implausible.")],
)  # fmt: skip
def test_one_record_is_one(tried: int, refused: int, said: str) -> None:
    search = CounterfactualSearch((), 0.6, "malignant", 0.5, (), (), 2, tried, True, refused, None, "", "")
    assert tried_sentence(search) == said


@pytest.mark.parametrize(
    ("failed", "total", "said"),
    [(0, 1, "The one check passes"), (1, 1, "The one check fails"), (0, 11, "All 11 checks pass"),
     (1, 11, "1 of 11 checks fails"), (2, 11, "2 of 11 checks fail"), (0, 0, "No check could be made")],
)  # fmt: skip
def test_one_check_is_one(failed: int, total: int, said: str) -> None:
    assert tally(failed, total, "check") == said


def test_the_head_ticks_what_passed_and_names_what_failed() -> None:
    assert checks_in_brief([], 1) == "✓ The one check passes." and checks_in_brief([], 2) == "✓ All 2 checks pass."
    assert checks_in_brief(["A (0.1)"], 1) == "**✗ The one check fails:** A (0.1)."
    assert checks_in_brief(["A", "B"], 9) == "**✗ 2 of 9 checks fail:** A; B."
    assert checks_in_brief([], 0) == "No check could be made."


def test_figures_have_two_digits() -> None:
    shown = [figure(v) for v in (0.9746956, 0.0019732, 0.018, 4e-7, -4e-7, 0.0, -0.123, 12.3)]
    assert shown == ["0.97", "0.002", "0.018", "below 0.0001", "above -0.0001", "0", "-0.12", "12"]


def test_failures_come_first_and_their_numbers_are_in_the_page() -> None:
    def page() -> None:
        from dashboard.components.reliability_panel import reliability_panel
        from mmxai_core.results import ReliabilityNumber

        reliability_panel(
            [
                ReliabilityNumber("Map stability under noise (SSIM)", 0.97, 0.85, True, "Stable.", "8 copies"),
                ReliabilityNumber("Strength of the evidence", None, 0.95, True, "Not there.", "nothing"),
                ReliabilityNumber("Evidence inside the lesion region", 0.171, 0.25, True, "Only 17 %.", "the map"),
            ],
            notes={
                "Evidence inside the lesion region": "Counts the faint part.",
                "Map stability under noise (SSIM)": "Said of what passes too.",
            },
        )  # fmt: skip

    app = AppTest.from_function(page, default_timeout=240).run()
    assert not app.exception
    lines = [m.value for m in app.markdown]
    assert lines[0] == "**1 of 2 tests fails.**"
    assert "Evidence lies in the lesion: **0.17** :gray[(needs at least 0.25)]" in lines[1] and "Only 17 %." in lines[1]
    assert "Map stays the same under slight noise: **0.97**" in lines[2] and "SSIM" not in lines[2]
    assert lines[1].endswith(":gray[Counts the faint part.]") and "Said of what passes too." in lines[2]
    assert "Structural similarity" in app.markdown[2].help and "Computed from 8 copies" in app.markdown[2].help
    assert app.expander[0].label == "Not tested (1)"


def response(kind: str = "numeric") -> FieldResponse:
    points = tuple(ResponsePoint(float(a), f"{a} years", a / 100, 20 <= a <= 80) for a in range(0, 121, 20))
    if kind != "numeric":
        points = (ResponsePoint("smooth", "Smooth", 0.2, True), ResponsePoint("rough", "Rough", 0.9, False))
    return FieldResponse("age", "Age", kind, "years", points, 40.0, 0.4, 0.3, 0.5, (), "malignant", "")


def test_the_range_seen_in_training_is_marked() -> None:
    assert seen_range(response()) == (20, 80) and seen_range(response("categorical")) is None
    assert is_seen(response(), 80.0) and not is_seen(response(), 81.0) and is_seen(response(), None)
    assert is_seen(response("categorical"), "smooth") and not is_seen(response("categorical"), "rough")
    bar = range_bar(AGE, response())
    assert "left:16.7%;width:50.0%" in bar and "Seen in training: 20 to 80 years; accepted: 0 to 120 years" in bar
    assert range_bar(AGE, response("categorical")) == ""


def test_the_changed_probability_stands_beside_the_analysed_one() -> None:
    answer = WhatIfAnswer(prediction(probability=0.985), (), False, 0.5, True, "", 0.0)
    drawn = answer_gauge(answer, 0.485)
    assert "98.5 % malignant" in drawn and "analysed 48.5 %" in drawn and 'style="left:40.0%"' in drawn
    assert "left:98.5%;transform:translateX(-98.5%)" in drawn, "the label must stay inside the bar"


def test_a_counterfactual_is_a_table_of_now_and_then() -> None:
    changes = (
        FieldChange("margin", "Margin", "Smooth", "Rough", "rough", 1.0),
        FieldChange("age", "Age", "40 years", "unknown", None, 1.0),
    )
    found = Counterfactual(changes, 0.6, "malignant", 2.0, 0.4, "")
    assert changes_table(found).to_dict("list") == {
        "Field": ["Margin", "Age"], "Now": ["Smooth", "40 years"], "Would be": ["Rough", "unknown"],
    }  # fmt: skip
    one, other = TurningRequest(("age",), False, 3), TurningRequest((), False, 3)
    assert one.name != other.name == TurningRequest((), False, 3).name


def test_maps_are_kept_by_method_class_and_layer() -> None:
    assert MethodChoice("grad_cam", "benign", "neck").name != MethodChoice("grad_cam", "malignant", "neck").name
    assert MethodChoice("eigen_cam", "benign", "neck").name == MethodChoice("eigen_cam", "malignant", "neck").name
    assert MethodChoice("layer_cam", "benign", "neck").cheap and not MethodChoice("score_cam", "benign", "neck").cheap


def audit() -> AttentionAudit:
    rank, effect = np.array([0.8, 0.1, np.nan]), np.array([0.02, 0.05, 0.0])
    return AttentionAudit(
        ("age", "palpable", "margin"), np.zeros((3, 4, 4), np.float32), np.zeros((4, 4), np.int8), np.ones((3, 1)),
        np.ones((3, 1)), np.zeros((3, 1)), effect, np.array([0.01, 0.01, 0.0]), rank, rank, rank, 0.43, 1,
        ("a", "b", "c"), "malignant", "",
    )  # fmt: skip


def test_high_correlation_that_is_not_borne_out_says_which_check_failed() -> None:
    weak = replace(audit(), attended_effect=np.array([0.004, 0.005, 0.0]), random_effect=np.array([0.01, 0.01, 0.0]))
    rows = audit_table(weak, cross_modal(), {}).set_index("Field")
    assert rows.loc["age", "Attention and effect"] == "0.80"
    assert rows.loc["age", "Borne out"] == "✗ no: hiding 0.004 below random 0.010"
    assert rows.loc["palpable", "Borne out"] == "✗ no: order 0.10 below 0.43; hiding 0.005 below random 0.010"


def test_attention_that_its_knockout_does_not_bear_out_is_marked_and_listed_first() -> None:
    assert audit_order(audit()) == ["palpable", "margin", "age"]
    rows = audit_table(audit(), cross_modal(), {"palpable": "Palpable lump"})
    assert rows["Field"].tolist() == ["Palpable lump", "margin", "age"]
    assert rows["Borne out"].tolist() == ["✗ no: order 0.10 below 0.43", "✗ not tested", "✓ yes"]
    assert rows["Attention and effect"].tolist() == ["0.10", "not defined", "0.80"]
    assert rows["Attended places hidden"].tolist() == ["0.050", "0.000", "0.020"]
    assert rows["Share of the image's attention"].tolist() == ["5.0 %", "20.0 %", "30.0 %"]
    drawn = as_html(audit_table(audit(), cross_modal(), {"palpable": "Palpable <lump>"}), name="Audit")
    assert (
        'aria-label="Audit"' in drawn
        and drawn.count('scope="col"') == 8
        and drawn.count('scope="row"') == 3
        and "Palpable &lt;lump&gt;" in drawn
    )


def test_groups_say_outcomes_and_likeness_in_words() -> None:
    fields = (
        FieldSummary("age", "Age <b>", "62 years (55 to 70)", 9, True),
        FieldSummary("margin", "Margin", "Rough in 80 %", 9, False),
        FieldSummary("halo", "Halo", "no in 90 %", 9, None),
    )
    rows = group_rows(SimilarGroup(10, {}, 0.9, fields, ""))
    assert "Age &lt;b&gt;" in rows and rows.count("✓") == 1 and rows.count("✗") == 1
    bar = outcome_bar({"malignant": 3, "benign": 7}, "malignant")
    assert 'aria-label="7 benign, 3 malignant"' in bar and bar.index("flex:7") < bar.index("flex:3")
    assert "for malignant" in scale_bar(2.0, "malignant")


def test_where_no_value_is_known_none_is_counted() -> None:
    def said(*agree: bool | None) -> str:
        fields = tuple(FieldSummary(f"f{i}", "F", "x", 9, a) for i, a in enumerate(agree))
        return alike_of(SimilarGroup(10, {}, 0.9, fields, ""))

    assert said(None, None) == "No value is known to compare"
    assert said(True, False, None) == "1 of 2 known values are alike"


@pytest.mark.parametrize("valid", [True, False])
def test_nearness_of_another_kind_of_input_stands_under_reserve(valid: bool) -> None:
    group = SimilarGroup(10, {"benign": 1, "malignant": 9}, 0.5, (), "")
    similar = SimilarGroups((group,), "image only", "The case lies within one group.", "Nearness.")
    app = AppTest.from_string(
        "import streamlit as st\n"
        "from dashboard.components.similar_panel import groups_panel\n"
        "similar, check = st.session_state['case']\n"
        "groups_panel(similar, positive='malignant', running=False, check=check)"
    )
    app.session_state["case"] = (similar, None if valid else flagged())
    headline = app.run().markdown[0].value
    assert not app.exception
    if valid:
        assert not app.warning and headline.startswith("**The case lies within one group.**")
        return
    first = app.main.children[0]
    assert first.type == "warning" and first.value == markdown_safe(unlike_input(flagged())), "before anything else"
    assert unlike_input(flagged()).startswith(f"{NOT_VALID}: this study is unlike the images the model learned from.")
    assert headline.startswith(":gray[By the model's own measure: the case lies within") and "**" not in headline


def test_another_kind_of_input_is_called_so() -> None:
    other = replace(flagged(), images=(ImageCheck(0, "x", (), (InputFinding("modality", "stop", "A CT."),)),))
    assert "this study is not the model's kind of input" in unlike_input(other)
    assert unlike_input(None) == unlike_input(replace(other, flagged=False)) == ""


def test_the_scale_of_the_joint_map_is_that_of_the_picture_on_every_page() -> None:
    """The middle is the black ground of the picture, not the page's; both ends are what the map shows there."""
    stops = re.findall(r"rgb\((\d+),(\d+),(\d+)\)", scale_bar(2.0, "malignant"))
    assert stops[len(stops) // 2] == ("0", "0", "0") and len(stops) % 2 == 1
    ends = signed_blend(np.zeros((1, 2), np.float32), np.array([[-2, 2]], np.float32), reference=2.0)[0]
    assert [tuple(map(int, stops[i])) for i in (0, -1)] == [tuple(e) for e in ends.tolist()]


def test_bars_in_probability_are_said_to_be_means() -> None:
    assert what_bars_are(attribution()) == ""
    points = attribution(space="probability")
    assert what_bars_are(points).endswith("only both ends are predictions, the sums in between are not. ")
    wild = replace(points, values=np.array([0.9, -0.9, 0.0, 0.0]), base_value=0.5, output=0.5)
    assert "here some pass 0 or 100 %" in what_bars_are(wild)


@pytest.mark.parametrize(
    ("base", "p", "said"),
    [
        (0.9751, 0.9749, "-1 point"), (0.984, 0.976, "unchanged"), (0.4, 0.4, "unchanged"), (0.976, 0.965, "-2 points"),
        (0.2, 0.35, "+15 points"), (0.997, 0.998, "unchanged"), (0.997, 0.993, "less than 1 point lower"),
        (0.98, 0.998, "more than 1 point higher"), (0.97, 0.996, "more than 2 points higher"),
        (0.002, 0.011, "less than 1 point higher"), (0.002, 0.999, "more than 98 points higher"),
    ],
)  # fmt: skip
def test_a_difference_is_that_of_the_numbers_beside_it(base: float, p: float, said: str) -> None:
    assert difference(base, p) == said
    views = [View("All", prediction(probability=base)), View("Less", prediction(probability=p))]
    cells = re.findall(r"<td>([^<]*)</td>", compare_table(views))
    assert cells[2::3] == ["", said]
    assert (cells[0] == cells[3]) == (said == "unchanged")


def test_an_unlike_value_is_told_with_the_cases_own() -> None:
    fields = (("Age", "38 years"), ("Margin", "Smooth"), ("Lump", "yes"), ("Scar", "no"))
    case = SimilarCase("case001", "benign", 0.4, fields, np.zeros((4, 4)))
    own = {"Age": "39 years", "Margin": "Rough", "Lump": "yes"}
    assert unlike(case, own) == ["Age: 38 years, here 39 years", "Margin: Smooth, here Rough"]


def test_what_the_model_may_have_learned_from_is_said() -> None:
    def found(**told: object) -> SimilarCases:
        return SimilarCases((), 9, "breast_lesions_usg", "", **told)

    assert seen_before(found()) == "" and seen_before(found(own_case="case001")) == ""
    assert "each case below may be one of its training cases" in seen_before(found(trained=True))
    own = seen_before(found(trained=True, own_case="case001"))
    assert "This case is in the cohort that the model learned from (case001)" in own and "may be training cases" in own


def flagged(tail: float = 0.0) -> InputCheck:
    finding = InputFinding("unlike training images", "stop", "none of held-out", 4.6, 2.6)
    scores = (
        InputScore("picture", 4.6, None, None), InputScore("whole glance", 1.0, None, None),
        InputScore("image", 4.6, 2.6, tail),
    )  # fmt: skip
    words = "This is not the model's kind of input: do not rely on the prediction."
    return InputCheck(True, True, (ImageCheck(0, "x", scores, (finding,)),), (), (), words, "")


def test_a_flagged_input_takes_the_result_back_in_whole_sentences() -> None:
    assert stated(prediction(), flagged()).startswith(f"{NOT_VALID}: Malignant is")
    assert not stated(prediction(), None).startswith(NOT_VALID)
    assert "calls this" not in stated(prediction(), flagged()), "of another kind of input nothing is called"
    assert check_sentences(flagged())[1] == (
        "It is unlike the images the model learned from (score 4.6, limit 2.6): none of the training images set aside "
        "for testing lies as far out. What differs most is the look of the picture."
    )
    assert "only 1.2 % of the training images set aside for testing lie" in check_sentences(flagged(0.012))[1]
    other = InputFinding("flat", "stop", "The image is flat.")
    plain = replace(flagged(), images=(ImageCheck(0, "x", (), (other,)),), findings=(other,))
    assert check_sentences(plain) == (plain.sentence, "The image is flat."), "each once"


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.3, "Malignant is possible: 30 %, below the operating threshold of 40 %. The model calls this benign; that "
              "does not rule out malignant."),
        (0.05, "Malignant is unlikely: 5 %, below the operating threshold of 40 %. The model calls this benign."),
    ],
)  # fmt: skip
def test_a_third_is_never_called_unlikely(p: float, words: str) -> None:
    assert stated(prediction(probability=p), None) == words


def a_set(outcome: str, *classes: str) -> PredictionSet:
    return PredictionSet(classes, outcome, 0.9, "history", {}, len(classes) != 1, "The set.", "tests")  # type: ignore[arg-type]


def test_a_model_that_abstains_calls_nothing() -> None:
    sure = prediction(probability=0.76)
    both = stated(sure, None, a_set("several", "benign", "malignant"))
    assert both.endswith("operating threshold of 40 %. The model abstains: neither class can be ruled out.")
    none = stated(sure, None, a_set("none"))
    assert none.endswith("The model abstains: no class is usual for a case like this.")
    other = stated(sure, None, a_set("one", "benign"))
    assert other.endswith("The threshold says malignant, the prediction set benign: take it as undecided.")
    for told in (both, none, other):
        assert "calls this" not in told and told.startswith("Malignant is likely: 76 %")
    for kept in (a_set("one", "malignant"), a_set("not_calibrated", "benign", "malignant"), None):
        assert stated(sure, None, kept).endswith("The model calls this malignant.")


def test_a_number_and_its_bar_are_told_apart() -> None:
    assert figures(0.0196, 0.0204) == ("0.0196", "0.0204")
    assert figures(0.754, 0.7504) == ("0.754", "0.750")
    assert figures(0.75, 0.65) == ("0.75", "0.65")
    assert figures(0.5, 0.5) == ("0.50", "0.50")
    assert figures(1.23456789, 1.23456788) == ("1.2346", "1.2346")  # no reader's eye tells these apart
