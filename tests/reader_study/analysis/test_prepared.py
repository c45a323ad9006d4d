from __future__ import annotations

import numpy as np
import pytest
from small_studies import golden, random_study, reading, tables

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.crossing import crossed
from mmxai_core.reader_study.analysis.prepared import prepare
from mmxai_core.reader_study.analysis.scales import choose_scale, rating_number


def test_one_arm_has_stages_and_several_arms_their_names() -> None:
    one = prepare(tables(golden()))
    assert one.conditions == ("unaided", "AI")
    assert [c.id for c in one.comparisons] == ["stages"]
    several = prepare(tables(random_study(arms=("unaided", "AI", "AI + map"))))
    assert several.conditions == ("unaided", "AI", "AI + map")
    assert several.comparisons[0].conditions == ("unaided", "AI", "AI + map")


def test_arms_that_share_readers_but_no_case_are_crossed_over_all_arms() -> None:
    rows = []
    for k in range(8):
        for j in range(2):
            arm = ("x", "y")[(j + k) % 2]
            for stage in ("unaided", "ai"):
                rows.append(reading(f"r{j}", f"c{k}", stage, 10 * k, k % 2, arm=arm))
    prepared = prepare(tables(rows))
    first = prepared.comparisons[0]
    assert (first.id, first.conditions) == ("stages_any_arm", ("unaided, any arm", "AI, any arm"))
    found = crossed(prepared.of(first), first.conditions)
    assert found.table.ratings.shape == (2, 2, 8)
    arms = prepared.comparisons[1]
    with pytest.raises(StudyStoreError, match="no reader read any case in every condition"):
        crossed(prepared.of(arms), arms.conditions)


def test_crossing_leaves_out_who_stopped_early_and_says_so() -> None:
    rows = [r for r in random_study(readers=3) if not (r["reader"] == "r2" and int(str(r["case"])[1:]) > 3)]
    rows = [r for r in rows if not (r["reader"] == "r0" and r["case"] == "c5" and r["arm"] == "ai")]
    prepared = prepare(tables(rows))
    found = crossed(prepared.frame, prepared.conditions)
    assert found.table.readers == ("r0", "r1")
    assert "c5" not in found.table.cases
    assert found.readers_left_out == ("r2",)
    # 8 readings of r2; of c5 two of r1 and one of r0.
    assert "1 cases and the readers r2 (11 readings)" in found.note
    assert found.table.treatments == ("ai", "unaided")  # later minus earlier


@pytest.mark.parametrize(
    ("text", "number"),
    [("4a", 4.25), ("BI-RADS 4C", 4.75), ("5", 5), ("0.5", 0.5), ("BIRADS3", 3), ("inf", np.nan), ("x", np.nan)],
)  # fmt: skip
def test_ratings_as_numbers(text: str, number: float) -> None:
    assert rating_number(text) == pytest.approx(number, nan_ok=True)


def test_thresholds_of_known_scales() -> None:
    def scale(scale_name: str, values: list[object], **more: object) -> tuple[float | None, str]:
        rows = [reading("r", f"c{k}", "unaided", v, 0) | {"scale": scale_name} for k, v in enumerate(values)]
        found = choose_scale(tables(rows).readings, **more)  # type: ignore[arg-type]
        return found.threshold, found.reason

    assert scale("probability", [10, 80])[0] == 50
    assert scale("probability", [0.1, 0.8])[0] == 0.5
    assert scale("BI-RADS", ["3", "4a"])[0] == 4
    assert scale("stars", [1, 2]) == (None, "no threshold is known for the scale 'stars'; give one")
    assert scale("stars", [1, 2], threshold=2)[0] == 2
    with pytest.raises(StudyStoreError, match="Scales in the readings are 'stars'; got 'x'"):
        scale("stars", [1], name="x")


def test_the_protocols_own_answer_comes_before_the_scales() -> None:
    """Positions of BI-RADS categories are no BI-RADS numbers: 6 is category 5 here, and positive from 3 on."""
    rows = [
        reading("r", f"c{k}", "unaided", k, 0) | {"scale": "birads categories", "positive": int(k >= 3)}
        for k in range(1, 7)
    ]
    prepared = prepare(tables(rows))
    assert prepared.frame["positive"].tolist() == [0, 0, 1, 1, 1, 1]
    assert prepared.scale.threshold == 3
    assert prepared.left_out == {}


def test_birads_0_and_6_are_left_out_and_counted() -> None:
    rows = [reading("r", f"c{k}", "unaided", v, 0) | {"scale": "birads"} for k, v in enumerate(["0", "4a", "6", "?"])]
    prepared = prepare(tables(rows))
    assert prepared.frame["rating"].notna().sum() == 1
    assert prepared.left_out == {"BI-RADS 0 or 6 is no degree of suspicion": 2, "the rating is no number": 1}
