from __future__ import annotations

import pytest

from mmxai_core.reader_study.analysis.result_line import difference_line, points, three, value_line
from mmxai_core.reader_study.resampling import Estimate


@pytest.mark.parametrize(
    ("e", "expected"),
    [
        (Estimate(0.1, 0.02, 0.18, 9), "Accuracy is higher in “B” than in “A”: difference 0.100 (95 % interval 0.020 "
         "to 0.180)."),
        (Estimate(-0.1, -0.18, -0.02, 9), "Accuracy is lower in “B” than in “A”: difference -0.100"),
        (Estimate(0.1, -0.0001, 0.2, 9), "The data do not show a difference in accuracy between “B” and “A”: 0.100 "
         "(95 % interval -0.0001 to 0.200). Nor do they show that the two are alike"),
        (Estimate(0.1, 0.0, 0.2, 9), "The data do not show a difference"),
        (Estimate(0.1, None, None, 9, "Too few"), "without an interval, so that nothing can be concluded. Too few."),
        (Estimate(None, None, None, 0, "No case."), "“B” against “A”, accuracy: not defined. No case."),
    ],
)  # fmt: skip
def test_a_difference_is_claimed_only_where_the_interval_leaves_0_out(e: Estimate, expected: str) -> None:
    assert expected in difference_line("accuracy", "B", "A", e, three)


def test_values_and_points() -> None:
    assert value_line("AUC", Estimate(0.8, 0.7, 0.9, 12)) == "AUC: 0.800 (95 % interval 0.700 to 0.900; n = 12)."
    assert value_line("AUC", Estimate(None, None, None, 0, "No case.")) == "AUC: not defined. No case."
    assert points(-0.042) == "-4.2 points"
