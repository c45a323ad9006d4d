"""The base rate: how frequent the positive class was among the cases a bundle was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.components.wording import cases_told, percent


@dataclass(frozen=True)
class BaseRate:
    """How frequent the positive class was among a bundle's training cases.

    Attributes:
        share: Above 0 and below 1.
        cases: How many cases, and of how many patients where these are fewer; "" where it is not told.
    """

    share: float
    cases: str = ""

    @property
    def short(self) -> str:
        """For a legend."""
        return f"base rate in the training data {percent(self.share)}"

    def sentence(self, name: str) -> str:
        """What it is, for a tooltip.

        Args:
            name: Of the positive class, in words.
        """
        cases = f"the {self.cases}" if self.cases else "the cases"
        return (
            f"Base rate: {percent(self.share)} of {cases} that the fused model was trained on are {name}. Of another "
            "such case, knowing nothing else, one would say the same."
        )


def base_rate(results: Any) -> BaseRate | None:
    """The base rate of the cases that a bundle's network was trained on; None where it was not written down.

    These are the cases of its cross-validation. A cohort that only prepared the image branch is not among them.

    Args:
        results: The bundle's results.json.
    """
    measured = results.get("cross_validation") if isinstance(results, Mapping) else None
    share = measured.get("prevalence") if isinstance(measured, Mapping) else None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not math.isfinite(share) or not 0 < share < 1:
        return None
    assert isinstance(measured, Mapping)
    n = measured.get("n")
    counted = isinstance(n, int) and not isinstance(n, bool) and n > 0
    return BaseRate(float(share), cases_told(n, measured.get("patients")) if counted else "")
