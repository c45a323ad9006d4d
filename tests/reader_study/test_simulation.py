from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.auc_covariance import auc_covariance
from mmxai_core.reader_study.mrmc import mrmc
from mmxai_core.reader_study.ratings import RatingTable
from mmxai_core.reader_study.roe_metz import RoeMetz, rehearse, separation_for, structures
from mmxai_core.reader_study.simulation import Validation, simulate_block, validate

SMALL = Validation(readers=3, positives=12, negatives=15, block=5)


def test_structures_are_the_published_ones() -> None:
    models = structures()
    assert len(models) == 12
    assert models["HL 0.75"] == RoeMetz((0.75, 0.75), 0.0055, 0.3, 0.3, 0.2, 0.2)
    assert models["LH 2.50"] == RoeMetz((2.5, 2.5), 0.056, 0.1, 0.1, 0.2, 0.6)
    for model in models.values():
        assert model.case + model.treatment_case + model.reader_case + model.error == pytest.approx(1)


def test_simulated_aucs_have_the_expected_mean_and_the_readings_the_planned_correlation() -> None:
    model = replace(structures()["HH 1.50"], separation=(1.0, 1.5))
    ratings, truth = model.simulate(studies=300, readers=4, positives=40, negatives=40, rng=np.random.default_rng(0))
    aucs, _ = auc_covariance(ratings.reshape(300, 8, 80), truth)
    by_treatment = aucs.reshape(300, 2, 4).mean(axis=(0, 2))
    assert by_treatment == pytest.approx(model.auc, abs=0.01)
    negative = ratings[..., ~truth]
    # Same treatment, two readers: case + treatment x case variance; reader effects are constant over cases.
    centred = negative - negative.mean(axis=-1, keepdims=True)
    shared = (centred[:, 0, 0] * centred[:, 0, 1]).sum(axis=-1).mean() / 39
    assert shared == pytest.approx(0.6, abs=0.05)


def test_separation_for_an_auc() -> None:
    model = structures()["LL 1.50"]
    mu = separation_for(0.9, model)
    assert replace(model, separation=(mu,)).auc[0] == pytest.approx(0.9)
    with pytest.raises(StudyStoreError, match="between 0 and 1"):
        separation_for(1.0, model)


def test_rehearsal() -> None:
    table = rehearse({"unaided": 0.75, "ai": 0.9}, readers=8, positives=60, negatives=60, steps=range(1, 6), seed=1)
    assert table.treatments == ("ai", "unaided")
    assert set(np.unique(table.ratings)) == {1, 2, 3, 4, 5}
    found = mrmc(table)
    assert found.pairs[0].difference == pytest.approx(0.15, abs=0.08)
    assert found.p is not None
    assert found.p < 0.05
    with pytest.raises(StudyStoreError, match="Structures are"):
        rehearse({"a": 0.8}, readers=3, positives=9, negatives=9, structure="XX")


def test_a_block_equals_one_study_at_a_time() -> None:
    plan = replace(SMALL, alpha=0.3, block=20)
    model = plan.scenarios()["HL 0.75 effect"]
    seed = np.random.SeedSequence(5)
    tally = simulate_block(model, plan, seed=seed)
    ratings, truth = model.simulate(studies=20, readers=3, positives=12, negatives=15, rng=np.random.default_rng(seed))
    names = tuple(f"{k:02d}" for k in range(27))
    studies = [mrmc(RatingTable(("a", "b"), ("1", "2", "3"), names, truth, r), level=0.7) for r in ratings]
    true = model.auc[0] - model.auc[1]
    assert tally.rejected == sum(s.p < 0.3 for s in studies)
    assert tally.covered == sum(s.pairs[0].low <= true <= s.pairs[0].high for s in studies)
    assert tally.width == pytest.approx(sum(s.pairs[0].high - s.pairs[0].low for s in studies))


def test_the_effect_scenarios_have_the_effect() -> None:
    for name, model in Validation().scenarios().items():
        expected = 0.0 if name.endswith("null") else 0.04
        assert model.auc[1] - model.auc[0] == pytest.approx(expected)


def test_type_one_error_is_near_its_level() -> None:
    """Coarse on purpose: 300 studies have a standard error of 1.3 points; the committed run has the real figures."""
    tally = simulate_block(structures()["HL 1.50"], replace(Validation(), block=300), seed=np.random.SeedSequence(11))
    assert tally.studies == 300
    assert 3 <= tally.rejected <= 28
    assert tally.covered == 300 - tally.rejected


def test_a_stopped_run_goes_on_and_ends_with_the_same_numbers(tmp_path: Path) -> None:
    whole = validate(tmp_path / "whole.json", SMALL, studies=10)
    steps: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        steps.append((done, total))
        if len(steps) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate(tmp_path / "cut.json", SMALL, studies=10, progress=stop)
    assert steps[-1] == (35, 240)
    again: list[int] = []
    resumed = validate(tmp_path / "cut.json", SMALL, studies=10, progress=lambda n, _: again.append(n))
    assert len(again) == 48 - 7
    for name, tally in whole["tallies"].items():
        other = resumed["tallies"][name]
        assert {k: v for k, v in tally.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in other.items() if k != "seconds"}
        )
    assert json.loads((tmp_path / "cut.json").read_text()) == resumed
    assert validate(tmp_path / "cut.json", SMALL, studies=10)["tallies"] == resumed["tallies"]  # nothing left to do
    summary = resumed["summary"]
    assert summary["all null"]["studies"] == 120
    rate = summary["all null"]["type_i_error"]
    assert rate["low"] < rate["value"] < rate["high"]
    assert "power" in summary["HL 1.50 effect"]


def test_a_file_of_another_plan_is_kept(tmp_path: Path) -> None:
    validate(tmp_path / "a.json", SMALL, studies=5)
    kept = (tmp_path / "a.json").read_bytes()
    with pytest.raises(StudyStoreError, match="another plan"):
        validate(tmp_path / "a.json", replace(SMALL, readers=4), studies=5)
    assert (tmp_path / "a.json").read_bytes() == kept
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(StudyStoreError, match="no file of these simulations"):
        validate(tmp_path / "b.json", SMALL, studies=5)
