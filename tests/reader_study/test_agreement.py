"""Golden values: irrCAC's own tests (Gwet), krippendorff's test-suite, and the kappa paradox."""

from __future__ import annotations

import json

import krippendorff
import numpy as np
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import coefficients as co
from mmxai_core.reader_study.agreement import agreement

N = np.nan
#: irrCAC `cac.raw4raters` (Gwet 2014, p. 120), cases x raters.
FOUR_RATERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, N],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T
#: irrCAC `cac.raw5obser`, cases x observers.
FIVE_OBSERVERS = np.array(
    [
        [1, 1, 2, N, 0, 0, 1, 1, 2, 2, N, 0, 1, 3, 1],
        [1, 1, 3, 0, 0, 0, 0, N, 2, 1, 1, 0, 2, 3, 1],
        [2, 0, 3, 0, 0, 0, 2, 2, 2, 1, 0, 0, 2, 2, 1],
        [N, 1, 3, N, N, N, N, 0, N, 1, 0, 0, 2, 2, N],
        [2, N, N, 0, 0, 0, 1, N, 2, N, N, N, N, 3, 1],
    ]
).T


def from_table(table: list[list[int]]) -> np.ndarray:
    """Two raters' contingency table as cases."""
    return np.array([(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)], float)


ABSTRACTORS = from_table([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
DIAGNOSES = from_table([[40, 6, 4, 15], [4, 25, 1, 5], [4, 2, 21, 9], [17, 13, 12, 45]])


def test_irrcac_raw_ratings() -> None:
    found = agreement(FOUR_RATERS, replicates=10)
    assert found.percent.value == pytest.approx(0.818, abs=5e-4)
    assert found.ac1.value == pytest.approx(0.775, abs=5e-4)
    assert found.ac2.value == pytest.approx(0.899, abs=5e-4)
    for weighting, value in (("quadratic", 0.914), ("linear", 0.859), ("identity", 0.775)):
        assert agreement(FOUR_RATERS, ac2_weighting=weighting, replicates=10).ac2.value == pytest.approx(
            value, abs=5e-4
        )
    five = agreement(FIVE_OBSERVERS, replicates=10)
    assert (five.percent.value, five.ac1.value) == pytest.approx((0.616, 0.497), abs=5e-4)


@pytest.mark.parametrize(
    ("ratings", "weighting", "kappa", "ac2"),
    [
        (ABSTRACTORS, "identity", 0.796, 0.849),
        (ABSTRACTORS, "linear", 0.843, 0.900),
        (ABSTRACTORS, "quadratic", 0.892, 0.940),
        (ABSTRACTORS, "ordinal", 0.872, 0.925),
        (DIAGNOSES, "identity", 0.432, 0.456),
        (DIAGNOSES, "linear", 0.407, 0.377),
        (DIAGNOSES, "quadratic", 0.383, 0.299),
        (DIAGNOSES, "ordinal", 0.390, 0.324),
    ],
)
def test_irrcac_tables(ratings: np.ndarray, weighting: co.Weighting, kappa: float, ac2: float) -> None:
    found = agreement(ratings, ac2_weighting=weighting, kappa_weighting=weighting, replicates=10)
    assert (found.kappa.value, found.ac2.value) == pytest.approx((kappa, ac2), abs=5e-4)


def test_krippendorff_alpha() -> None:
    # The krippendorff package's example, which differs from irrCAC's in the last case.
    data = FOUR_RATERS.copy()
    data[11] = [N, 3, N, N]
    assert agreement(data, replicates=10).alpha.value == pytest.approx(0.815, abs=5e-4)
    codes = np.where(np.isfinite(FOUR_RATERS), FOUR_RATERS - 1, -1).astype(np.intp)
    nominal = co.krippendorff(co.counts(codes, 5), np.ones((1, 12)), ordinal=False)
    assert nominal[0] == pytest.approx(0.743, abs=5e-4)  # irrCAC and krippendorff alike
    example = [
        [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
        [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
        [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
    ]
    codes = np.where(np.isfinite(example), np.asarray(example) - 1, -1).astype(np.intp).T
    assert co.krippendorff(co.counts(codes, 4), np.ones((1, 15)), ordinal=False)[0] == pytest.approx(0.691358, abs=1e-6)


def test_kappa_paradox() -> None:
    found = agreement(from_table([[90, 5], [5, 0]]), replicates=10)
    assert found.percent.value == pytest.approx(0.9)
    assert found.kappa.value == pytest.approx(-0.0526, abs=5e-5)
    assert found.ac1.value == pytest.approx(0.8895, abs=5e-5)


def test_intervals_hold_the_value_and_repeat_with_the_seed() -> None:
    found = agreement(ABSTRACTORS, seed=7)
    for e in found.estimates.values():
        assert e.low < e.value < e.high
    assert found == agreement(ABSTRACTORS, seed=7)
    assert found != agreement(ABSTRACTORS, seed=8)
    # irrCAC's analytic interval of AC1 on this table: 0.764 to 0.935.
    assert (found.ac1.low, found.ac1.high) == pytest.approx((0.764, 0.935), abs=0.02)
    json.dumps(found.to_json(), allow_nan=False)


def test_weights_equal_repeated_cases() -> None:
    codes = np.where(np.isfinite(FOUR_RATERS), FOUR_RATERS - 1, -1).astype(np.intp)[:9]
    w = np.random.default_rng(0).integers(0, 4, size=9)
    repeated = np.repeat(codes, w, axis=0)
    credit = co.category_weights("quadratic", 5)
    for f in (
        lambda c, k: co.gwet(co.counts(c, 5), credit, k),
        lambda c, k: co.krippendorff(co.counts(c, 5), k),
        lambda c, k: co.kappa(c[:, 1:], credit, k),
    ):
        assert f(codes, w[None].astype(float)) == pytest.approx(f(repeated, np.ones((1, len(repeated)))))


def test_identical_ratings_are_undefined_and_say_why() -> None:
    found = agreement([[3, 3], [3, 3], [3, 3]])
    assert found.percent.value == 1
    for e in (found.ac1, found.ac2, found.alpha, found.kappa):
        assert e.value is None
        assert "the same" in e.reason
    assert found.to_json()["kappa"]["value"] == "undefined"
    known_scale = agreement([[3, 3], [3, 3], [3, 3]], categories=range(1, 6))
    assert known_scale.ac2.value == 1
    assert known_scale.kappa.value is None
    assert known_scale.alpha.value is None


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [([[1], [2]], "at least 2 readers"), ([[1, N], [N, 2]], "No case was rated by 2"), ([[1, 2]], "No interval")],
)
def test_too_little_data(ratings: list[list[float]], reason: str) -> None:
    assert reason in agreement(ratings).ac2.reason


def test_a_reader_who_shares_no_case_makes_kappa_undefined() -> None:
    found = agreement([[1, 1, N], [2, 1, N], [1, N, 2], [2, N, 2]])
    assert found.kappa.value is None
    assert "shares no case" in found.kappa.reason
    assert found.ac2.value is not None


def test_a_value_off_the_scale_is_refused() -> None:
    with pytest.raises(StudyStoreError, match="got 6"):
        agreement([[1, 6]], categories=range(1, 6))
    with pytest.raises(StudyStoreError, match="cases x readers"):
        agreement([1, 2, 3])


@pytest.mark.parametrize("seed", range(6))
def test_alpha_agrees_with_the_krippendorff_package(seed: int) -> None:
    rng = np.random.default_rng(seed)
    readers, cases, steps = int(rng.integers(2, 6)), int(rng.integers(5, 40)), int(rng.integers(2, 6))
    truth = rng.integers(1, steps + 1, size=(cases, 1))
    noisy = np.clip(truth + rng.integers(-1, 2, size=(cases, readers)), 1, steps).astype(float)
    noisy[rng.random(noisy.shape) < 0.15] = N
    noisy[0, :2] = [1, steps]  # never all alike
    found = agreement(noisy, replicates=10)
    by_package = krippendorff.alpha(reliability_data=noisy.T, level_of_measurement="ordinal")
    assert found.alpha.value == pytest.approx(by_package, abs=1e-12)
