from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import ROOT
from synthetic_results import explanation, prediction

from dashboard.components.base_rate import BaseRate, base_rate
from dashboard.components.clinical_form import answers_of, help_text, label_of, outlier_note
from dashboard.components.gauge import gauge
from dashboard.components.reliability_panel import passes
from dashboard.components.result_panel import basis, branches, scores
from dashboard.components.results_tables import as_table, tables
from dashboard.components.study_facts import facts
from dashboard.components.wording import cases_told, likelihood, open_range, percent, verdict
from dashboard.messages import OPENINGS, incident, markdown_safe, sentence
from dashboard.views.following import parts_left_out
from mmxai_core import errors
from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.explain.explainer import ALL_PARTS
from mmxai_core.results import ImageScore, InputCheck, ReliabilityNumber
from mmxai_core.results.input_check import InputFinding

AGE = Field("age", "Age", "numeric", "history", "At examination.", "years", (0, 120), (10, 90))

SCHEMA = ClinicalSchema(
    (
        AGE, Field("palpable", "Palpable lump", "yes_no", "history"), Field("margin", "Margin", "yes_no", "descriptor"),
        Field("family_history", "Family history", "yes_no", "history"),
    )
)  # fmt: skip


def test_every_error_class_has_its_own_words() -> None:
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.MmxaiError)]
    for kind in set(kinds) - {errors.MmxaiError, errors.CohortError}:
        assert kind in OPENINGS
        assert sentence(kind("Age must be from 0 to 120; got 400.")).startswith(OPENINGS[kind])


def test_a_range_is_a_range_only_where_its_ends_differ() -> None:
    assert open_range(0.12, 0.634) == (
        "With every field known it would lie between 12 and 63 % (90 % of the ways the unknown fields may turn out; "
        "not the model's own error)."
    )
    assert open_range(0.479, 0.482) == (
        "With every field known it would be about 48 % (90 % of the ways the unknown fields may turn out)."
    )
    assert open_range(0.001, 0.004) == (
        "With every field known it would be below 1 % (90 % of the ways the unknown fields may turn out)."
    )


def test_an_incident_has_an_id_and_no_details(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("secret detail")
    except RuntimeError as error:
        said = incident(error)
    logged = capsys.readouterr().err
    code = logged.split()[1]
    assert code in said and "secret" not in said and "Traceback" in logged


def test_text_from_files_cannot_format_the_page() -> None:
    assert markdown_safe("a*b_[x](y)<b>") == r"a\*b\_\[x\](y)\<b\>"


def test_probabilities_in_words() -> None:
    assert [likelihood(p) for p in (0, 0.1, 0.5, 0.8, 1)] == [
        "very unlikely",
        "unlikely",
        "uncertain",
        "likely",
        "very likely",
    ]
    assert [percent(p) for p in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "below 1 %", "50 %", "above 99 %", "100 %"]
    assert verdict(prediction(probability=0.8)) == (
        "Malignant is likely: 80 %, at or above the operating threshold of 40 %. The model calls this malignant."
    )
    assert "below the operating threshold" in verdict(prediction(probability=0.2))
    assert verdict(prediction(probability=0.54)).startswith("Malignant: uncertain, 54 %, at or above")
    near = verdict(replace(prediction(probability=0.386), threshold=0.3913))
    assert "38.6 %, below the operating threshold of 39.1 %." in near  # not 39 % below 39 %
    nearer = verdict(replace(prediction(probability=0.3911), threshold=0.3913))
    assert "39.11 %, below the operating threshold of 39.13 %." in nearer
    at = verdict(replace(prediction(probability=0.39), threshold=0.39))
    assert "39 %, at or above the operating threshold of 39 %." in at


def test_parts_left_out_are_named() -> None:
    stopped = replace(explanation(), parts=("maps", "joint", "attention"))
    assert parts_left_out(stopped) == "Stopped before: reliability strip, what to ask next."
    assert parts_left_out(replace(stopped, parts=("maps", *ALL_PARTS))) == ""


def test_result_pieces_say_the_numbers_in_text_too() -> None:
    p = prediction(probability=0.8)
    assert 'aria-label="Probability of malignant 80 %, threshold 40 %"' in gauge(p)
    assert 'aria-label="Image 60 %, clinical 40 %"' in branches(p)
    assert "Unknown: Family history." in basis(p, SCHEMA) and "3 of 4 clinical fields known" in basis(p, SCHEMA)
    assert scores(p) == ""
    many = replace(p, image_scores=(ImageScore(0, "<b>", 0.2), ImageScore(1, "Frame 2", 0.8)), image_index=0)
    assert "<b>" not in scores(many) and "2 images; “&lt;b&gt;” decides" in scores(many)


def test_the_base_rate_is_that_of_the_cases_trained_on_and_nothing_where_it_is_not_known() -> None:
    def read(**measured: object) -> BaseRate | None:
        return base_rate({"cross_validation": measured})

    found = read(prevalence=0.388, n=201, patients=201)
    assert found == BaseRate(0.388, "201 cases") and found.short == "base rate in the training data 39 %"
    assert found.sentence("malignant").startswith(
        "Base rate: 39 % of the 201 cases that the fused model was trained on are malignant."
    )
    slices = read(prevalence=0.4, n=428, patients=214)
    assert slices is not None and "40 % of the 428 images of 214 patients that" in slices.sentence("node-positive")
    assert read(prevalence=0.4) == BaseRate(0.4) and "40 % of the cases that" in BaseRate(0.4).sentence("malignant")
    for unknown in (None, "0.4", True, 0, 1, 0.0, 1.2, float("nan")):
        assert read(prevalence=unknown, n=201) is None
    assert read() is base_rate({}) is base_rate(None) is base_rate({"cross_validation": 3}) is None


def test_the_base_rates_mark_has_its_place_its_form_and_its_words() -> None:
    p = prediction(probability=0.8)
    drawn = gauge(p, BaseRate(0.388, "201 cases"))
    said = "Probability of malignant 80 %, threshold 40 %, base rate in the training data 39 %"
    assert f'aria-label="{said}"' in drawn and 'title="Base rate: 39 % of the 201 cases that' in drawn
    assert '<i class="base" style="left:38.8%"></i>' in drawn and '<i class="cut" style="left:40.0%"></i>' in drawn
    legend = drawn.partition('class="mmx-key"')[2]
    assert '<i class="cut"></i>threshold 40 %' in legend
    assert '<i class="base"></i>base rate in the training data 39 %' in legend
    assert legend.index("base rate") < legend.index("threshold"), "in the order of their marks"
    assert gauge(p, BaseRate(0.6)).partition("mmx-key")[2].index("threshold") > 0
    assert drawn.count("threshold 40 %") == 2, "once in the legend, once in the label"
    assert "base" not in gauge(p) and "mmx-key" not in gauge(p)
    css = (ROOT / "dashboard" / "components" / "chrome.css").read_text(encoding="utf-8")
    assert ".mmx-gauge i.base" in css and ".mmx-key i.cut" in css, "told apart by form, on the bar and in its legend"


def test_help_gives_range_unit_and_usual_range_and_outliers_are_flagged() -> None:
    assert help_text(AGE) == (
        "At examination. Accepted: 0 to 120 years. Usual by the 1.5 IQR rule of the training data: 10 to 90 years; "
        "the training cases need not reach its ends."
    )
    assert outlier_note(AGE, 95.0) == "Unusual: outside 10 to 90 years (1.5 IQR rule); the model reads it as 90 years."
    assert outlier_note(AGE, 50.0) == outlier_note(AGE, None) == ""


def test_one_range_in_whole_years_wherever_a_field_says_what_is_usual() -> None:
    age = replace(AGE, plausible=(10.0, 110.0), fences=(9.625, 98.625))
    assert label_of(age) == "Age (years) · usual 10 to 98"
    assert "10 to 98 years;" in help_text(age) and outlier_note(age, 99.0).startswith(
        "Unusual: outside 10 to 98 years ("
    )
    assert "reads it as about 98 years" in outlier_note(age, 99.0)
    assert "98.6" not in help_text(age) + outlier_note(age, 99.0) and outlier_note(age, 98.0) == ""


def test_a_receptor_is_positive_or_negative() -> None:
    receptor = Field("er", "ER", "yes_no", "assessment", categories=(("no", "Negative"), ("yes", "Positive")))
    assert answers_of(receptor) == {"unknown": "Unknown", "no": "Negative", "yes": "Positive"}
    assert answers_of(SCHEMA["palpable"]) == {"unknown": "Unknown", "no": "No", "yes": "Yes"}


def test_cases_of_patients_who_gave_several_are_images() -> None:
    assert cases_told(428, 214) == "428 images of 214 patients"
    assert cases_told(201, 201) == cases_told(201, None) == cases_told(201, "201") == "201 cases"


def test_the_basis_says_that_the_input_check_was_passed() -> None:
    p, found = prediction(), InputFinding("almost black", "caution", "Image 1 is almost black.")
    passed = InputCheck(False, True, (), (), (), "Usual.", "cases")
    assert "Input check passed. " in basis(p, SCHEMA, passed)
    assert "Input check passed, with the remarks above." in basis(p, SCHEMA, replace(passed, findings=(found,)))
    assert "Input check passed (plain rules only)." in basis(p, SCHEMA, replace(passed, measured=False))
    assert "Input check" not in basis(p, SCHEMA) + basis(p, SCHEMA, replace(passed, flagged=True))


def test_reliability_verdicts() -> None:
    number = ReliabilityNumber("x", 0.5, 0.4, True, "", "")
    assert passes(number) is True
    assert passes(replace(number, higher_is_better=False)) is False
    assert passes(replace(number, value=None)) is passes(replace(number, threshold=None)) is None


def test_facts_never_guess(make_study) -> None:
    told = dict(facts(make_study(), 0))
    assert told["Side"] == told["View"] == told["Modality"] == told["Age"] == "not stated"
    told = dict(facts(make_study(laterality="L", modality="US", patient_age_years=51.0), 0))
    assert "View" not in told, "a projection is a mammogram's; of an ultrasound picture it is not missing"
    assert (told["Side"], told["Modality"], told["Age"]) == ("left", "US (ultrasound)", "51 years")


def test_results_of_any_nesting_become_tables() -> None:
    ci = {"value": 0.9123, "low": 0.87, "high": 0.95}
    results = {
        "cross_validation": {
            "folds": 5,
            "fused": {"history": {"auc": ci, "n": 201}, "history+descriptor": {"auc": {"value": None}, "n": 201}},
            "image_only": {"auc": ci, "brier": 0.12},
        },
        "external_test": {"cohort": "BrEaST", "auc": ci, "confusion": {"tp": 3, "fp": 1}},
        "note": "plain",
        "empty": {},
        "list": [1, 2],
    }
    found = {t.title: t for t in tables(results)}
    fused = found["Cross validation, fused"].rows
    assert fused.iloc[0].to_dict() == {"": "history", "AUC": "0.912 (0.870 to 0.950)", "N": "201"}
    assert fused.iloc[1]["AUC"] == "not defined"
    assert found["Cross validation"].rows.iloc[0].to_dict() == {
        "": "image only", "AUC": "0.912 (0.870 to 0.950)", "brier": "0.120",
    }  # fmt: skip
    assert ("folds", "5") in found["Cross validation"].facts
    assert ("cohort", "BrEaST") in found["External test"].facts
    assert found["External test, confusion"].rows.iloc[0].to_dict() == {"tp": "3", "fp": "1"}
    assert list(tables([])) == list(tables({})) == []


def test_paired_tests_are_rows_with_their_p_and_columns_a_reader_cannot_know_are_explained() -> None:
    test = {"value": -0.012, "low": -0.03, "high": 0.006, "p": 0.4321}
    node = {"fused|history - image": test, "fused|history - clinical|history": {**test, "p": 0.0002}}
    (found,) = tables({"cross_validation": {"auc_difference_delong": node}})
    shown = as_table(found)
    assert shown.columns == ("Entry", "Difference", "p")
    assert shown.rows == (
        ("fused: history minus image", "-0.012 (-0.030 to 0.006)", "0.432"),
        ("fused: history minus clinical: history", "-0.012 (-0.030 to 0.006)", "below 0.001"),
    )
    assert shown.id == "bundle_cross_validation_auc_difference_delong" and "two-sided" in shown.notes[0]
    ci = {"value": 0.8, "low": 0.7, "high": 0.9}
    (found,) = tables({"localization": {"n": 3, "hit": ci, "iou": ci, "energy": ci}})
    shown = as_table(found)
    assert shown.columns == ("Entry", "N", "Pointing game (hit)", "IoU", "Evidence inside (energy)")
    assert shown.rows[0][0] == "Localization" and len(shown.notes) == 3 and "strongest point" in shown.notes[0]


def test_a_small_setting_is_not_written_as_nothing() -> None:
    (found,) = tables({"training": {"lr": 0.0002, "weight_decay": 0.02, "ema": 0.995, "samples": 0}})
    assert found.rows.iloc[0].to_dict() == {"lr": "0.0002", "weight decay": "0.020", "ema": "0.995", "samples": "0"}
