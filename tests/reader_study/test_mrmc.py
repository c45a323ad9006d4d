"""Oracles: MRMCaov 0.2 and RJafroc (Chakraborty, RJafrocRocBook, chapter 14) on the VanDyke data; brute force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.auc_covariance import auc_covariance, placements
from mmxai_core.reader_study.mrmc import MrmcResult, mrmc
from mmxai_core.reader_study.power import cases_needed, plan, plan_table
from mmxai_core.reader_study.ratings import RatingTable, read_ratings
from mmxai_core.reader_study.roe_metz import rehearse


@pytest.fixture(scope="module")
def vandyke(data_dir: Path) -> RatingTable:
    return read_ratings(data_dir / "mrmc" / "VanDyke.csv")


def numbers(result: MrmcResult) -> list[float | None]:
    pair = result.pairs[0]
    return [pair.difference, result.se, result.f, result.df2, result.p, pair.low, pair.high]


@pytest.mark.data
def test_vandyke_random_readers_and_cases(vandyke: RatingTable) -> None:
    found = mrmc(vandyke)
    oracle = [-0.04380032, 0.02074862, 4.456319, 15.25967, 0.05166569, -0.0879594986, 0.0003588544]
    assert numbers(found) == pytest.approx(oracle, abs=1e-6, rel=1e-6)
    c = found.components
    assert [c.ms_t, c.ms_tr, c.var, c.cov1, c.cov2, c.cov3, c.var_tr] == pytest.approx(
        [0.004796171, 0.0005510306, 0.0008022883, 0.0003466137, 0.0003440748, 0.0002390284, 0.0002004025], abs=1e-9
    )
    first, second = found.treatments
    assert [first.auc, first.low, first.high] == pytest.approx([0.8970370, 0.8252236, 0.9688505], abs=1e-7)
    assert [second.auc, second.low, second.high] == pytest.approx([0.9408374, 0.8941378, 0.9875369], abs=1e-7)
    assert first.by_reader == pytest.approx([0.9196, 0.8588, 0.9039, 0.9731, 0.8298], abs=5e-5)


@pytest.mark.data
def test_vandyke_fixed_readers(vandyke: RatingTable) -> None:
    found = mrmc(vandyke, generalise="cases")
    assert found.f == pytest.approx(5.47595324, abs=1e-7)  # chi-square with 1 degree of freedom
    assert found.p == pytest.approx(0.01928, abs=5e-6)
    assert found.se == pytest.approx(0.018717483, abs=1e-8)
    assert (found.pairs[0].low, found.pairs[0].high) == pytest.approx((-0.08049, -0.007115), abs=5e-6)
    assert (found.treatments[0].low, found.treatments[0].high) == pytest.approx((0.8494, 0.9446), abs=5e-5)
    assert found.to_json()["df2"] is None


@pytest.mark.data
def test_vandyke_fixed_cases(vandyke: RatingTable) -> None:
    found = mrmc(vandyke, generalise="readers")
    expected = [-0.0438003, 0.01485, 8.704, 4, 0.04196, -0.08502, -0.00258]
    assert numbers(found) == pytest.approx(expected, abs=5e-6)
    assert (found.treatments[1].low, found.treatments[1].high) == pytest.approx((0.8960, 0.9857), abs=5e-5)


@pytest.mark.data
def test_vandyke_delong_and_bootstrap_come_close_to_the_jackknife(vandyke: RatingTable) -> None:
    jackknife = mrmc(vandyke)
    for method in ("delong", "bootstrap"):
        other = mrmc(vandyke, covariance=method)
        assert other.se == pytest.approx(jackknife.se, rel=0.04)
        assert other.se != jackknife.se
    assert other.to_json()["replicates"] == 2000
    assert other == mrmc(vandyke, covariance="bootstrap")  # same seed


@pytest.mark.data
def test_vandyke_power(vandyke: RatingTable) -> None:
    """Power and cases from RJafroc's own tests (test-SsSampleSizeRoc.R)."""
    pilot, effect = mrmc(vandyke).components, -0.043800322
    assert plan(pilot, effect=effect, readers=10, cases=165).power == pytest.approx(0.80541995, abs=1e-8)
    fixed_readers = plan(pilot, effect=effect, readers=10, cases=131, generalise="cases")
    assert fixed_readers.power == pytest.approx(0.80091813, abs=1e-8)
    fixed_cases = plan(pilot, effect=effect, readers=10, cases=53, generalise="readers")
    assert fixed_cases.power == pytest.approx(0.80496663, abs=1e-8)
    assert plan(pilot, effect=effect, readers=6, cases=111).power == pytest.approx(0.5526116, abs=5e-8)
    needed = cases_needed(pilot, effect=effect, readers=6)
    assert needed is not None
    assert needed.cases == 251
    assert needed.positives == round(251 * 45 / 114)
    table = plan_table(pilot, effect=0.05)
    assert [p.cases for p in table] == sorted((p.cases for p in table), reverse=True)
    assert all(p.power >= 0.8 for p in table)
    assert cases_needed(pilot, effect=0.001, readers=3) is None
    for wrong in ({"effect": 0.0}, {"readers": 1}, {"cases": 2}):
        with pytest.raises(StudyStoreError):
            plan(pilot, **{"effect": 0.05, "readers": 5, "cases": 100} | wrong)


def brute_auc(scores: np.ndarray, truth: np.ndarray) -> float:
    positive, negative = scores[truth], scores[~truth]
    wins = [float(p > n) + 0.5 * float(p == n) for p in positive for n in negative]
    return float(np.mean(wins))


def test_jackknife_equals_leaving_out_each_case() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([True, False], [7, 9])
    ratings = rng.integers(1, 6, size=(4, 16)).astype(float) + truth
    aucs, covariance = auc_covariance(ratings, truth)
    left_out = np.array([[brute_auc(np.delete(r, k), np.delete(truth, k)) for k in range(16)] for r in ratings])
    centred = left_out - left_out.mean(axis=1, keepdims=True)
    assert aucs == pytest.approx([brute_auc(r, truth) for r in ratings], abs=1e-12)
    assert covariance == pytest.approx(15 / 16 * centred @ centred.T, abs=1e-12)


def test_bootstrap_covariance_comes_near_the_truth_for_many_cases() -> None:
    rng = np.random.default_rng(2)
    truth = np.repeat([True, False], [60, 60])
    ratings = rng.normal(size=(2, 3, 120)) + truth
    _, jackknife = auc_covariance(ratings, truth)
    _, bootstrap = auc_covariance(ratings, truth, method="bootstrap", replicates=3000)
    assert bootstrap.shape == (2, 3, 3)
    scale = np.diagonal(jackknife, axis1=1, axis2=2).mean()
    assert np.abs(bootstrap - jackknife).max() < 0.15 * scale


def test_placements_average_to_the_auc() -> None:
    truth = np.array([True, True, False, False, False])
    above, below = placements(np.array([3.0, 1.0, 1.0, 0.0, 5.0]), truth)
    assert above == pytest.approx([2 / 3, 0.5])
    assert below == pytest.approx([0.75, 1.0, 0.0])


def test_three_treatments() -> None:
    table = rehearse({"a": 0.75, "b": 0.85, "c": 0.95}, readers=6, positives=40, negatives=40, seed=3)
    found = mrmc(table)
    j = found.to_json()
    assert j["df1"] == 2
    assert list(j["difference"]) == ["a - b", "a - c", "b - c"] == j["comparison"]
    assert j["difference"]["a - c"] == pytest.approx(j["auc"]["a"] - j["auc"]["c"])
    # Subset means: F of three treatments is MS(T) over the common error term.
    means = np.array([t.auc for t in found.treatments])
    assert found.components.ms_t == pytest.approx(6 * means.var(ddof=1))
    assert found.f == pytest.approx(6 * means.var(ddof=1) / (found.se**2 * 6 / 2))
    assert all(p.p_holm >= p.p for p in found.pairs)
    json.dumps(j, allow_nan=False)


def test_three_treatments_of_which_two_are_alike_equal_the_hand_calculation() -> None:
    table = rehearse({"a": 0.8, "b": 0.9}, readers=4, positives=30, negatives=30, seed=4)
    doubled = np.concatenate([table.ratings, table.ratings[:1]])
    found = mrmc(RatingTable(("a", "b", "c"), table.readers, table.cases, table.truth, doubled))
    assert {p.name: p.difference for p in found.pairs}["a - c"] == 0
    assert next(p for p in found.pairs if p.name == "a - c").p == pytest.approx(1)


def test_no_variation_is_undefined_and_says_why() -> None:
    truth = np.repeat([True, False], 5)
    ratings = np.broadcast_to(truth.astype(float), (2, 3, 10)).copy()
    found = mrmc(RatingTable(("a", "b"), ("1", "2", "3"), tuple("abcdefghij"), truth, ratings))
    assert found.f is None
    assert found.p is None
    assert found.treatments[0].auc == 1
    assert "undefined" in found.sentence
    assert found.to_json()["ci"] == [None, None]


def test_one_reader_needs_fixed_readers_and_then_equals_the_delong_test() -> None:
    many = rehearse({"a": 0.8, "b": 0.9}, readers=2, positives=30, negatives=40, seed=5)
    one = RatingTable(many.treatments, many.readers[:1], many.cases, many.truth, many.ratings[:, :1])
    with pytest.raises(StudyStoreError, match="Column reader"):
        mrmc(one)
    found = mrmc(one, generalise="cases", covariance="delong")
    aucs, c = auc_covariance(one.ratings[:, 0], one.truth, method="delong")
    z = (aucs[0] - aucs[1]) / np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    assert found.f == pytest.approx(z**2)


def test_bad_arguments() -> None:
    table = rehearse({"a": 0.8}, readers=3, positives=10, negatives=10)
    with pytest.raises(StudyStoreError, match="Column treatment"):
        mrmc(table)
    two = rehearse({"a": 0.8, "b": 0.8}, readers=3, positives=10, negatives=10)
    with pytest.raises(StudyStoreError, match="level"):
        mrmc(two, level=95)


def test_the_scale_does_not_matter() -> None:
    table = rehearse({"a": 0.8, "b": 0.85}, readers=3, positives=20, negatives=20)
    warped = RatingTable(table.treatments, table.readers, table.cases, table.truth, np.exp(table.ratings))
    assert mrmc(table).to_json() == mrmc(warped).to_json()
