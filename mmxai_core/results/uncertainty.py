"""How sure a prediction may be: the classes that cannot be ruled out at a stated coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: "one": one class remains. "several": the model abstains. "none": no class is usual, it abstains too.
SetOutcome = Literal["one", "several", "none", "not_calibrated"]


@dataclass(frozen=True)
class ClassCoverage:
    """What the calibration promises for one class, and what was measured.

    Attributes:
        class_id: The class.
        least_probability: The class is in the set when its probability is at least this; in [0, 1].
        cases: Calibration cases of the class.
        measured: Mean coverage of this class on held-out cases over repeated splits, in [0, 1]; None: not measured.
        low: 2.5th percentile of it over the splits.
        high: 97.5th percentile.
    """

    class_id: str
    least_probability: float
    cases: int
    measured: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class PredictionSet:
    """A split-conformal prediction set with class-conditional coverage (Vovk 2012; Angelopoulos and Bates 2023).

    Attributes:
        classes: The classes that cannot be ruled out, in the network's order.
        outcome: See `SetOutcome`.
        coverage: Asked-for share of cases, within each class, whose true class is in the set, e.g. 0.9; in (0, 1).
        level: The calibration used: the field groups known, e.g. "history+descriptor", or "image".
        by_class: Promise and measurement, by class; empty where there is no calibration.
        abstains: True where the set does not name exactly one class.
        sentence: What the set says, in words.
        computed_from: What it was calibrated on, in words.
    """

    classes: tuple[str, ...]
    outcome: SetOutcome
    coverage: float
    level: str
    by_class: Mapping[str, ClassCoverage]
    abstains: bool
    sentence: str
    computed_from: str
