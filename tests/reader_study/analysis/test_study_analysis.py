"""The whole analysis: golden numbers, the VanDyke oracle, and studies too small to say anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_studies import answers, box, golden, random_study, reading, tables, vandyke

from mmxai_core.errors import CancelledError, StudyStoreError
from mmxai_core.reader_study.analysis.study_analysis import Options, StudyAnalysis, all_tables, analyse_study
from mmxai_core.reader_study.mrmc import mrmc
from mmxai_core.reader_study.power import plan
from mmxai_core.reader_study.ratings import read_ratings
from mmxai_core.reader_study.rehearsal import Rehearsal, rehearse_study
from mmxai_core.reader_study.study_tables import StudyTables, tables_from_frames

FAST = Options(replicates=200)


def one(frame: pd.DataFrame, **where: object) -> pd.Series:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, frame
    return frame.iloc[0]


@pytest.mark.data
def test_vandyke_through_the_tables_meets_the_oracle(data_dir: Path) -> None:
    found = analyse_study(tables_from_frames({"readings": vandyke(data_dir)}), Options(threshold=4, replicates=200))
    row = one(found["mrmc"].tables["mrmc"], method="Obuchowski-Rockette, jackknife",
              generalises_to="other readers and other cases")  # fmt: skip
    # Treatment 2 minus 1, so that the signs are those of FIELD_NOTES turned round.
    numbers = [row[c] for c in ("difference", "se", "f", "df1", "df2", "p", "low", "high")]
    oracle = [0.04380032, 0.02074862, 4.456319, 1, 15.25967, 0.05166569, -0.00035885, 0.0879595]
    assert numbers == pytest.approx(oracle, abs=1e-6, rel=1e-6)
    assert "do not show a difference in AUC averaged over readers between “2” and “1”" in found["mrmc"].lines[0]
    table = read_ratings(data_dir / "mrmc" / "VanDyke.csv")
    aucs = found["accuracy"].tables["accuracy_by_reader"]
    by_engine = mrmc(table, generalise="cases").treatments[0].by_reader
    mine = aucs[(aucs["measure"] == "AUC") & (aucs["condition"] == "1")].sort_values("reader")
    assert mine["value"].tolist() == pytest.approx(by_engine)
    this_size = found["planning"].tables["planning_this_size"]
    expected = plan(mrmc(table).components, effect=0.05, readers=5, cases=114).power
    assert one(this_size, effect=0.05)["power"] == pytest.approx(expected)
    bootstrap = one(found["mrmc"].tables["mrmc"], method="Obuchowski-Rockette, bootstrap",
                    generalises_to="other readers and other cases")  # fmt: skip
    assert bootstrap["se"] == pytest.approx(0.0207, abs=0.002)


def test_golden_reliance_with_planted_errors_apart() -> None:
    found = analyse_study(tables(golden()), FAST)["reliance"]
    table = found.tables["reliance"]
    # Wrong AI on c and d after a right opinion: 2 of 4 readings followed it. Right AI on b after a wrong one: 2 of 2.
    over = one(table, measure="over_reliance", about="all cases")
    assert (over["value"], over["n"]) == (0.5, 4)
    assert one(table, measure="beneficial_switching")["value"] == 1.0
    assert one(table, measure="over_reliance", about="seeded errors and right answers")["value"] == 1.0
    assert one(table, measure="over_reliance", about="the AI's own errors and right answers")["value"] == 0.0
    assert any("seeded errors only: over-reliance 100 % of 2 readings (no interval)" in line for line in found.lines)


def test_golden_accuracy() -> None:
    pooled = analyse_study(tables(golden()), FAST)["accuracy"].tables["accuracy_pooled"]
    values = {(r["condition"], r["measure"]): r["value"] for r in pooled.to_dict("records")}
    assert values["unaided", "sensitivity"] == 0.5
    assert values["unaided", "specificity"] == 1.0
    assert values["AI", "sensitivity"] == 1.0
    assert values["AI", "specificity"] == pytest.approx(2 / 3)
    # Unaided positives 90, 30 against 20, 10, 40: 5 of 6 pairs; with AI 95, 70 against 60, 20, 30: all.
    assert values["unaided", "AUC"] == pytest.approx(5 / 6)
    assert values["AI", "AUC"] == 1.0


def test_an_arm_without_an_unaided_stage_takes_the_readers_unaided_arm_and_says_so() -> None:
    found = analyse_study(tables(random_study()), FAST)["reliance"]
    assert found.tables["reliance"]["condition"].unique().tolist() == ["ai"]
    assert any("64 readings" in n and "another occasion" in n for n in found.notes)


def test_mixed_model_or_bootstrap_and_which() -> None:
    found = analyse_study(tables(random_study(readers=5, cases=20)), FAST)["confidence_time"]
    table = found.tables["confidence_time_differences"]
    seconds = one(table, measure="active time a case")
    assert seconds["value"] == pytest.approx(-4, abs=0.7)
    assert seconds["low"] < -4 < seconds["high"]
    assert set(table["method"]) <= {"mixed model", "bootstrap of readers and cases"}
    assert any(line.startswith("Active time a case is lower in “ai” than in “unaided”") for line in found.lines)
    two = analyse_study(tables(random_study(readers=2)), FAST)["confidence_time"].tables["confidence_time_differences"]
    assert set(two["method"]) == {"bootstrap of readers and cases"}
    assert two["why_not_the_model"].str.contains("needs 3 readers").all()


def test_uncrossed_arms_are_compared_by_bootstrap() -> None:
    rows = [
        r for r in random_study(readers=4, cases=24) if (int(str(r["case"])[1:]) // 2 % 2 == 0) == (r["arm"] == "ai")
    ]
    found = analyse_study(tables(rows), FAST)["mrmc"]
    row = found.tables["mrmc"].iloc[0]
    assert row["method"] == "Bootstrap of readers and cases"
    assert row["low"] < row["difference"] < row["high"]
    assert "no Obuchowski-Rockette analysis" in found.notes[1]


def test_likert_keeps_the_last_answer_and_the_refusals() -> None:
    first = answers("explanation_survey", {"understanding": 1, "confidence": 2}, case="c1")
    later = answers("explanation_survey", {"understanding": 5, "confidence": None}, case="c1", iteration=2)
    superseded = [r | {"superseded": 1} for r in first]
    table = analyse_study(tables(None, superseded + later), FAST)["likert"].tables["likert"]
    row = one(table, item="understanding", arm="all")
    assert [row[f"count_{k}"] for k in range(1, 6)] == [0, 0, 0, 0, 1]
    assert (row["answers"], row["median"]) == (1, 5)
    without = analyse_study(tables(None, first + later), FAST)["likert"].tables["likert"]
    assert one(without, item="understanding", arm="all")["median"] == 5  # the higher iteration counts without the flag


def test_questionnaires_with_interval_norm_and_incomplete_forms() -> None:
    items = [f"sus_{n}" for n in range(1, 11)]
    forms = {"r1": [5, 1] * 5, "r2": [4, 2, 4, 1, 5, 2, 4, 1, 5, 3], "r3": [*[3] * 9, None]}
    rows = [a for r, f in forms.items() for a in answers("sus", dict(zip(items, f, strict=True)), r)]
    weighted = dict(zip(("mental_demand", "physical_demand", "temporal_demand", "performance", "effort", "frustration"),
                        (70, 10, 55, 30, 65, 25), strict=True))  # fmt: skip
    weights = {f"weight_{i}": w for i, w in zip(weighted, (5, 0, 4, 1, 3, 2), strict=True)}
    found = analyse_study(tables(None, rows + answers("nasa_tlx_weighted", weighted | weights)), FAST)["questionnaires"]
    sus = one(found.tables["questionnaire_summary"], questionnaire="sus")
    assert (sus["readers"], sus["forms"], sus["incomplete_forms"], sus["mean"]) == (2, 3, 1, 91.25)
    assert sus["high"] == 100
    assert one(found.tables["questionnaire_scores"], questionnaire="sus", reader="r3")["flag"].startswith("1 of 10")
    assert one(found.tables["questionnaire_scores"], questionnaire="nasa_tlx_weighted")["score"] == pytest.approx(
        845 / 15
    )
    assert "The interval holds the norm of 68" in found.lines[0]


def test_agreement_of_ratings_and_of_degenerate_answers() -> None:
    rows = [reading(r, f"c{k}", "unaided", 10, k % 2) for r in ("r1", "r2") for k in range(4)]
    found = analyse_study(tables(rows), FAST)["agreement"].tables["agreement"]
    assert one(found, what="Positive or negative", coefficient="percent")["value"] == 1
    kappa = one(found, what="Positive or negative", coefficient="kappa")
    assert pd.isna(kappa["value"])
    assert "Every rating is the same" in kappa["reason"]


def test_region_against_the_maps() -> None:
    """A map whose 4 strongest cells are the region, and one whose strongest cells lie elsewhere."""
    good, bad = np.zeros((4, 6)), np.zeros((4, 6))
    good[:2, :2], bad[2:, 4:] = [[2, 1], [1, 1]], [[2, 1], [1, 1]]
    rows = [reading(r, "a", "unaided", 10, 1, region=box(0, 0, 20, 20)) for r in ("r1", "r2")]
    study = tables(rows, maps={"a": {"good": good, "bad": bad}}, image_shapes={"a": (40, 60)})
    table = analyse_study(study, FAST)["alignment"].tables["alignment"]
    assert one(table, map="good", measure="pointing game")["value"] == 1
    assert one(table, map="good", measure="overlap (IoU)")["value"] == 1
    assert one(table, map="bad", measure="pointing game")["value"] == 0
    assert one(table, map="bad", measure="overlap (IoU)")["value"] == 0
    assert one(table, map="bad", measure="pointing game")["chance"] == pytest.approx(4 / 24)
    outside = tables([rows[0] | {"region": box(600, 0, 601, 1)}], maps=study.maps, image_shapes=study.image_shapes)
    assert "lies outside its image" in analyse_study(outside, FAST)["alignment"].undefined
    turned = tables([rows[0] | {"region": "[3, 3, 1, 5]"}], maps=study.maps, image_shapes=study.image_shapes)
    assert "x0 must lie left of x1" in analyse_study(turned, FAST)["alignment"].undefined


def small_studies() -> dict[str, StudyTables]:
    one_reader = rehearse_study(Rehearsal(readers=1, positives=1, negatives=1, seeded_wrong=0))
    return {
        "one reader, two cases": one_reader,
        "one reading": tables([reading("r1", "a", "unaided", 40, 1)]),
        "no truth": tables([{**reading("r1", "a", "unaided", 40, 1), "truth": ""}]),
        "no number": tables([reading("r1", "a", "unaided", "unsure", 1)]),
        "no scale": tables([reading("r1", "a", "unaided", 3, 1) | {"scale": ""}]),
        "one class": tables([reading(r, c, s, 40, 1, ai_correct=1)
                             for r in "pq" for c in "ab" for s in ("unaided", "ai")]),
        "all alike": tables([reading(r, c, s, 40, int(c > "b"), ai_correct=1, confidence=3, active_s=1)
                             for r in "pqr" for c in "abcd" for s in ("unaided", "ai", "explanation")]),
        "one answer": tables(None, answers("explanation_survey", {"understanding": 4}, case="a")),
        "off the scale": tables(None, answers("sus", {"sus_1": 7}) + answers("unknown", {"x": 3.5, "y": "word"})),
        "two arms, one reader each": tables([reading("r1", "a", "unaided", 40, 1, arm="x"),
                                             reading("r2", "b", "ai", 40, 0, arm="y", ai_correct=0)]),
    }  # fmt: skip


@pytest.mark.parametrize("name", small_studies())
def test_small_studies_are_answered_or_undefined_with_a_reason(name: str) -> None:
    found = analyse_study(small_studies()[name], FAST)
    assert len(found.sections) == 10
    for section in found.sections:
        assert section.lines
        for line in section.lines:
            assert "nan" not in line.lower().replace("nanogram", "")
        if section.undefined:
            assert section.lines[0].startswith("Not defined: ")
    for table in all_tables(found).values():
        if {"value", "reason"} <= set(table.columns):
            assert (table.loc[table["value"].isna(), "reason"] != "").all()
    json.dumps(found.to_json())


def test_no_interval_of_no_width_is_ever_given() -> None:
    found = analyse_study(small_studies()["all alike"], FAST)
    for table in all_tables(found).values():
        if {"low", "high"} <= set(table.columns):
            given = table.dropna(subset=["low", "high"])
            exact = given[given["high"] - given["low"] < 1e-12]
            # Exact agreement of constant answers is a fact about them, not an estimate.
            assert set(exact.get("coefficient", pd.Series(dtype=str))) <= {"percent"}, exact


def test_the_run_is_seeded_and_says_what_it_did() -> None:
    study = rehearse_study(Rehearsal(readers=3, positives=8, negatives=8))
    first, again, other = (analyse_study(study, Options(replicates=100, seed=s)).to_json() for s in (1, 1, 2))
    assert first == again
    assert first["sections"]["reliance"] != other["sections"]["reliance"]
    assert first["provenance"]["seed"] == 1
    assert first["simulated"] is True
    assert first["notice"].startswith("SIMULATED READERS")


def test_cancel_and_progress() -> None:
    done: list[str] = []
    with pytest.raises(CancelledError):
        analyse_study(tables(golden()), FAST, progress=lambda w, n, m: done.append(w), cancelled=lambda: len(done) > 1)
    assert done == ["What was collected", "Accuracy"]
    with pytest.raises(StudyStoreError, match="Scales in the readings"):
        analyse_study(tables(golden()), Options(scale="x"))


def test_open_assignments_are_named() -> None:
    frames = {"readings": pd.DataFrame(golden()),
              "assignments": pd.DataFrame({"reader": ["r1", "r1"], "arm": "reading", "case": ["a", "z"]})}  # fmt: skip
    found: StudyAnalysis = analyse_study(tables_from_frames(frames), FAST)
    assert "1 assigned case of 2 not read yet: results may change." in found["overview"].lines
