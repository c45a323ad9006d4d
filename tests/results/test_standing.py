"""What must be said beside a bundle's answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmxai_core.results.standing import is_non_commercial, warnings

ROOT = Path(__file__).resolve().parents[2] / "pretrained"


def _results(**levels: tuple[float, float, float]) -> dict[str, object]:
    models = {
        f"fused|{level.replace('_', '+')}": {"auc": dict(zip(("value", "low", "high"), auc, strict=True))}
        for level, auc in levels.items()
    }
    return {"cross_validation": {"models": {"clinical|history": {"auc": {"value": 0.5, "low": 0.4}}} | models}}


GOOD = _results(image=(0.8, 0.7, 0.9), history=(0.8, 0.7, 0.9))


def test_a_model_that_beats_chance_on_many_patients_has_no_warning() -> None:
    data = {"training_data": [{"patients": 250, "licence": "CC BY 4.0"}]}
    assert warnings(data, GOOD) == ()


def test_levels_at_chance_are_named_with_their_intervals() -> None:
    some = warnings({}, _results(history=(0.6, 0.51, 0.7), image=(0.52, 0.4, 0.63)))
    assert some == (
        "Not shown to be better than chance: cross-validated AUC (95 % interval) 0.52 (0.40 to 0.63) "
        "from the image alone.",
    )
    two = warnings({}, _results(history=(0.5, 0.4, 0.6), image=(0.52, 0.4, 0.63), history_descriptor=(0.7, 0.6, 0.8)))
    assert "0.52 (0.40 to 0.63) from the image alone; 0.50 (0.40 to 0.60) with the history." in two[0]
    (whole,) = warnings({}, _results(history_descriptor_assessment=(0.6, 0.5, 0.7), image=(0.32, 0.2, 0.43)))
    assert "AUC 0.32 to 0.60; at every measured level" in whole and "begins at or below 0.5" in whole


@pytest.mark.parametrize(
    "results",
    [
        None,
        {},
        [],
        {"cross_validation": {"models": ["fused"]}},
        {"cross_validation": {"models": {"fused|image": {"auc": None}, "fused|history": {"auc": {"value": 0.9}}}}},
        {"cross_validation": {"models": {"fused|image": {"auc": {"value": None, "low": 0.4, "high": 0.6}}}}},
        {"cross_validation": {"models": {"fused|image": {"auc": {"value": 0.7, "low": "0.6", "high": 0.8}}}}},
        {"cross_validation": {"models": {"fused|image": {"auc": {"value": 0.7, "low": float("nan"), "high": 0.8}}}}},
    ],
)
def test_what_was_not_measured_was_not_shown(results: object) -> None:
    assert warnings({}, results) == (
        "Not shown to be better than chance: no cross-validated AUC travels with it.",
    )  # fmt: skip


@pytest.mark.parametrize("data", [{}, [], [{"patients": None}], [{"patients": "about 90"}], [None], "x", None])
def test_odd_training_data_is_not_told_and_no_error(data: object) -> None:
    assert warnings({"training_data": data}, GOOD) == ()


def test_few_patients_are_those_of_the_cohort_it_answers_for() -> None:
    rows = [{"patients": 218, "licence": "CC BY-NC 4.0: non-commercial"}, {"patients": 905, "licence": "CC BY 4.0"}]
    assert warnings({"training_data": rows}, GOOD) == (
        "Trained on 218 patients only.", "Non-commercial use only, by the licence of its training data.",
    )  # fmt: skip
    assert warnings({"training_data": [rows[0] | {"licence": "CC BY 4.0"}]}, GOOD) == (), "of itself no warning"
    assert warnings({"training_data": rows[::-1]}, GOOD) == (
        "Non-commercial use only, by the licence of its training data.",
    )


def test_slices_of_few_patients_are_told_as_slices() -> None:
    row = {"images": 428, "patients": 214, "licence": "CC BY-NC 4.0: non-commercial"}
    told = warnings({"training_data": [row], "planes": ["pre", "early", "late"]}, GOOD)
    assert told[0] == "Trained on 428 slices of 214 patients only."
    assert warnings({"training_data": [row]}, GOOD)[0] == "Trained on 428 images of 214 patients only."
    assert warnings({"training_data": [row | {"images": 214}]}, GOOD)[0] == "Trained on 214 patients only."
    assert warnings({"training_data": [row | {"images": "many"}]}, GOOD)[0] == "Trained on 214 patients only."


@pytest.mark.parametrize(
    ("licence", "bound"),
    [
        ("CC BY-NC-SA 4.0 (slices and masks)", True), ("CC BY-NC 4.0", True), ("Non-commercial research only", True),
        ("non commercial use", True), ("NCI data use agreement", False), ("MIT LICENCE", False), ("CC BY 4.0", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_licence_is_read_by_its_words(licence: str, bound: bool) -> None:
    assert is_non_commercial(licence) is bound


@pytest.mark.parametrize("name", sorted(p.parent.name for p in ROOT.glob("*/metadata.json")))
def test_each_shipped_bundle_says_what_its_own_results_say(name: str) -> None:
    metadata = json.loads((ROOT / name / "metadata.json").read_text(encoding="utf-8"))
    results = json.loads((ROOT / name / "results.json").read_text(encoding="utf-8"))
    told = " ".join(warnings(metadata, results))
    lows = [m["auc"]["low"] for k, m in results["cross_validation"]["models"].items() if k.startswith("fused|")]
    assert ("better than chance" in told) == (min(lows) <= 0.5)
    assert ("Non-commercial" in told) == any("-NC" in d["licence"] for d in metadata["training_data"])
