from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.reliance import MEASURES, reliance


def readings(rows: list[tuple[int, int, int, int]], **more: object) -> pd.DataFrame:
    """(truth, ai, initial, final) of cases read by two readers in turn."""
    frame = pd.DataFrame(rows, columns=["truth", "ai", "initial", "final"])
    frame["reader"] = [f"r{n % 2}" for n in range(len(frame))]
    frame["case"] = [f"c{n}" for n in range(len(frame))]
    return frame.assign(**more)


#: 4 readings right at first that met a wrong AI, 1 followed it; 5 wrong at first that met a right AI, 3 followed it.
GOLDEN = readings(
    [
        *[(1, 0, 1, 0), (1, 0, 1, 1), (0, 1, 0, 0), (0, 1, 0, 0)],
        *[(1, 1, 0, 1), (1, 1, 0, 1), (0, 0, 1, 0), (0, 0, 1, 1), (0, 0, 1, 1)],
        *[(1, 1, 1, 1), (0, 1, 1, 1)],
    ],
    confidence_initial=[50.0] * 11,
    confidence_final=[60.0] * 4 + [80.0] * 6 + [None],
    seconds_initial=[30.0] * 11,
    seconds_final=list(range(11)),
)


def test_golden_shares() -> None:
    found = reliance(GOLDEN, replicates=200)
    values = {m: e.value for m, e in found.by_arm["all"].items()}
    assert values == pytest.approx(
        {
            "over_reliance": 1 / 4,
            "beneficial_switching": 3 / 5,
            "accuracy_initial": 5 / 11,
            "accuracy_final": 7 / 11,
            "accuracy_change": 2 / 11,
            "accuracy_change_ai_right": 3 / 6,
            "accuracy_change_ai_wrong": -1 / 5,
            "agreement_initial": 2 / 11,
            "agreement_final": 6 / 11,
            "confidence_change": (4 * 10 + 6 * 30) / 10,
            "confidence_change_ai_right": 30.0,
            "confidence_change_ai_wrong": 10.0,
            "seconds_initial": 30.0,
            "seconds_added": 5.0,
        }
    )
    counts = found.by_arm["all"]
    assert (counts["over_reliance"].n, counts["beneficial_switching"].n, counts["confidence_change"].n) == (4, 5, 10)
    assert "25 % of 4 readings" in found.sentences()[0]
    json.dumps(found.to_json(), allow_nan=False)


def study(readers: int = 12, cases: int = 40, follow: float = 0.3, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = readers * cases
    truth = np.tile(rng.integers(0, 2, cases), readers)
    ai = np.tile(rng.integers(0, 2, cases), readers)
    initial = np.where(rng.random(n) < 0.75, truth, 1 - truth)
    final = np.where(rng.random(n) < follow, ai, initial)
    return pd.DataFrame(
        {
            "reader": np.repeat(np.arange(readers), cases),
            "case": np.tile(np.arange(cases), readers),
            "truth": truth,
            "ai": ai,
            "initial": initial,
            "final": final,
        }
    )


def test_intervals_hold_the_truth_and_repeat_with_the_seed() -> None:
    found = reliance(study(), replicates=500, seed=3)
    for measure in ("over_reliance", "beneficial_switching"):
        e = found.by_arm["all"][measure]
        assert e.low < 0.3 < e.high
        assert e.low < e.value < e.high
    assert found == reliance(study(), replicates=500, seed=3)


def test_clusters_make_intervals_wider() -> None:
    """Whole readers that always, or never, follow: drawing readers must see that, drawing cases must not."""
    frame = study()
    frame["final"] = np.where(frame["reader"] % 2 == 0, frame["ai"], frame["initial"])
    width = {}
    for cluster in ("cases", "readers", "readers_and_cases"):
        e = reliance(frame, cluster=cluster, replicates=500).by_arm["all"]["over_reliance"]
        width[cluster] = e.high - e.low
    assert width["readers"] > 2 * width["cases"]
    assert width["readers_and_cases"] > width["cases"]


def test_arms_are_compared_on_the_same_draws() -> None:
    frame = pd.concat([study(follow=0.1).assign(arm="AI"), study(follow=0.8).assign(arm="AI + explanation")])
    found = reliance(frame, replicates=500)
    difference = found.differences["AI - AI + explanation"]["over_reliance"]
    arms = [found.by_arm[a]["over_reliance"].value for a in ("AI", "AI + explanation")]
    assert difference.value == pytest.approx(arms[0] - arms[1])
    assert difference.high < 0
    same = pd.concat([study().assign(arm="x"), study().assign(arm="y")])
    nothing = reliance(same, replicates=50).differences["x - y"]["over_reliance"]
    # Equal in every draw: an interval from 0 to 0 would claim certainty.
    assert (nothing.value, nothing.low, nothing.high) == (0, None, None)
    assert "every bootstrap replicate gives this same value" in nothing.reason


def test_undefined_says_what_is_missing() -> None:
    found = reliance(readings([(1, 1, 1, 1), (0, 0, 0, 0)])).by_arm["all"]
    assert found["over_reliance"].value is None
    assert "right at first and met a wrong AI" in found["over_reliance"].reason
    assert found["confidence_change"].value is None
    assert set(found) == set(MEASURES)
    one_reader = reliance(GOLDEN.assign(reader="r")).by_arm["all"]["over_reliance"]
    assert one_reader.value == 0.25
    assert one_reader.low is None
    assert "only 1 reader" in one_reader.reason


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"initial": [2] + [1] * 10}, "row 2, column initial: must be 0 or 1; got 2"),
        ({"ai": [1] * 10 + ["yes"]}, "row 12, column ai: must be 0 or 1; got 'yes'"),
        ({"seconds_final": [1.0] * 10 + [-1]}, "row 12, column seconds_final: must be a number, 0 or more"),
        ({"confidence_final": ["high"] * 11}, "row 2, column confidence_final: must be a number; got 'high'"),
        ({"reader": ["r"] * 5 + [None] * 6}, "row 7, column reader: must not be blank"),
        ({"case": ["Doe^Jane"] * 11, "truth": [1] * 11, "reader": "r"}, "row 3, column case: is a second reading"),
        ({"case": ["Doe^Jane"] * 11}, "row 4, column truth: differs"),
    ],
)
def test_a_wrong_cell_is_named(change: dict[str, object], expected: str) -> None:
    with pytest.raises(StudyStoreError) as error:
        reliance(GOLDEN.assign(**change))
    assert expected in str(error.value)
    assert "Doe" not in str(error.value)


def test_missing_columns_and_rows() -> None:
    with pytest.raises(StudyStoreError, match="final is missing"):
        reliance(GOLDEN.drop(columns="final"))
    with pytest.raises(StudyStoreError, match="no readings"):
        reliance(GOLDEN.iloc[:0])
