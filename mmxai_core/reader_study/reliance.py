"""Do readers lean on the AI where they should, and only there? Over-reliance, beneficial switching, confidence, time.

Each reading has an opinion committed unaided (`initial`) and one after the AI was shown (`final`). Intervals come from
a bootstrap that draws readers and cases, since readings of one reader, or of one case, are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmxai_core.reader_study.readings import checked_readings
from mmxai_core.reader_study.resampling import REPLICATES, Estimate, draws, interval
from mmxai_core.types import Json

Cluster = Literal["readers_and_cases", "readers", "cases"]

#: What each measure says, and what its value is undefined without.
MEASURES: Mapping[str, tuple[str, str]] = {
    "over_reliance": (
        "Followed a wrong AI away from a right opinion",
        "a reading that was right at first and met a wrong AI",
    ),
    "beneficial_switching": (
        "Followed a right AI away from a wrong opinion",
        "a reading that was wrong at first and met a right AI",
    ),
    "accuracy_initial": ("Right before the AI was shown", "a reading"),
    "accuracy_final": ("Right after the AI was shown", "a reading"),
    "accuracy_change": ("Gain in accuracy", "a reading"),
    "accuracy_change_ai_right": ("Gain in accuracy where the AI was right", "a reading that met a right AI"),
    "accuracy_change_ai_wrong": ("Gain in accuracy where the AI was wrong", "a reading that met a wrong AI"),
    "agreement_initial": ("Agreed with the AI before it was shown", "a reading"),
    "agreement_final": ("Agreed with the AI after it was shown", "a reading"),
    "confidence_change": ("Change in confidence", "a reading with confidence before and after"),
    "confidence_change_ai_right": (
        "Change in confidence where the AI was right",
        "a reading with confidence before and after that met a right AI",
    ),
    "confidence_change_ai_wrong": (
        "Change in confidence where the AI was wrong",
        "a reading with confidence before and after that met a wrong AI",
    ),
    "seconds_initial": ("Active seconds before the AI was shown", "a reading with its time"),
    "seconds_added": ("Active seconds after the AI was shown", "a reading with its time"),
}


@dataclass(frozen=True)
class Reliance:
    """Measures of one study.

    Attributes:
        by_arm: Arm -> measure -> estimate. Shares are in [0, 1]; times in seconds; confidence in the scale's unit.
        differences: "A - B" -> measure -> difference of two arms, from the same draws.
        cluster: What the bootstrap draws.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
    """

    by_arm: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    cluster: Cluster
    replicates: int
    seed: int

    def sentences(self) -> list[str]:
        """One plain line an arm."""
        lines = []
        for arm, found in self.by_arm.items():
            over, benefit = found["over_reliance"], found["beneficial_switching"]
            lines.append(
                f"{arm}: readers gave up a right opinion for a wrong AI in {_in_words(over)}, and a wrong opinion for "
                f"a right AI in {_in_words(benefit)}."
            )
        return lines

    def to_json(self) -> Json:
        """Plain values."""
        return {
            "by_arm": {a: {m: e.to_json() for m, e in found.items()} for a, found in self.by_arm.items()},
            "differences": {a: {m: e.to_json() for m, e in found.items()} for a, found in self.differences.items()},
            "cluster": self.cluster,
            "replicates": self.replicates,
            "seed": self.seed,
            "sentences": self.sentences(),
        }


def reliance(
    readings: pd.DataFrame,
    *,
    cluster: Cluster = "readers_and_cases",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Reliance:
    """Reliance on the AI by arm, and between arms.

    Over-reliance is P(final = AI | initial right, AI wrong); beneficial switching is P(final right | initial wrong, AI
    right), what Schemmer et al. 2023 call relative AI reliance.

    Args:
        readings: One row a reading, see `readings.checked_readings` for its columns.
        cluster: What the bootstrap draws: both, for other readers and other cases.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        StudyStoreError: A column is missing or a cell is wrong; the message names row and column.
    """
    frame = checked_readings(readings)
    codes = {"readers": frame["reader"], "cases": frame["case"]}
    chosen = ("readers", "cases") if cluster == "readers_and_cases" else (cluster,)
    clusters = [np.asarray(pd.factorize(codes[c])[0], np.intp) for c in chosen]
    arms = sorted(frame["arm"].unique())
    top, bottom = _parts(frame)
    in_arm = np.stack([(frame["arm"] == a).to_numpy(np.float64) for a in arms])
    # (arms x measures, rows): every measure is a weighted sum over another.
    numerator = (in_arm[:, None] * top).reshape(-1, len(frame))
    denominator = (in_arm[:, None] * bottom).reshape(-1, len(frame))
    blocks = [_ratio(w @ numerator.T, w @ denominator.T) for w in draws(clusters, replicates=replicates, seed=seed)]
    drawn = np.concatenate(blocks).reshape(-1, len(arms), len(MEASURES))
    point = _ratio(numerator.sum(axis=1), denominator.sum(axis=1)).reshape(len(arms), len(MEASURES))
    count = denominator.sum(axis=1).reshape(len(arms), len(MEASURES)).astype(int)
    single = min(int(c.max()) for c in clusters) < 1
    by_arm = {
        a: {m: _estimate(point[i, k], drawn[:, i, k], count[i, k], m, single) for k, m in enumerate(MEASURES)}
        for i, a in enumerate(arms)
    }
    differences = {
        f"{a} - {b}": {
            m: _estimate(
                point[i, k] - point[j, k], drawn[:, i, k] - drawn[:, j, k], min(count[i, k], count[j, k]), m, single
            )
            for k, m in enumerate(MEASURES)
        }
        for (i, a), (j, b) in combinations(enumerate(arms), 2)
    }
    return Reliance(by_arm, differences, cluster, replicates, seed)


def _parts(frame: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(measures, rows) numerators and denominators, in the order of `MEASURES`."""
    truth, ai, initial, final = (frame[c].to_numpy(bool) for c in ("truth", "ai", "initial", "final"))
    was_right, is_right, ai_right = initial == truth, final == truth, ai == truth
    everyone = np.ones(len(frame), bool)
    gain = is_right.astype(np.float64) - was_right
    confidence = (frame["confidence_final"] - frame["confidence_initial"]).to_numpy(np.float64)
    rated = np.isfinite(confidence)
    rows: dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {
        "over_reliance": ((final == ai).astype(np.float64), was_right & ~ai_right),
        "beneficial_switching": (is_right.astype(np.float64), ~was_right & ai_right),
        "accuracy_initial": (was_right.astype(np.float64), everyone),
        "accuracy_final": (is_right.astype(np.float64), everyone),
        "accuracy_change": (gain, everyone),
        "accuracy_change_ai_right": (gain, ai_right),
        "accuracy_change_ai_wrong": (gain, ~ai_right),
        "agreement_initial": ((initial == ai).astype(np.float64), everyone),
        "agreement_final": ((final == ai).astype(np.float64), everyone),
        "confidence_change": (confidence, rated),
        "confidence_change_ai_right": (confidence, rated & ai_right),
        "confidence_change_ai_wrong": (confidence, rated & ~ai_right),
    }
    for name, column in (("seconds_initial", "seconds_initial"), ("seconds_added", "seconds_final")):
        seconds = frame[column].to_numpy(np.float64)
        rows[name] = (seconds, np.isfinite(seconds))
    top = np.stack([np.where(rows[m][1], rows[m][0], 0.0) for m in MEASURES])
    return top, np.stack([rows[m][1] for m in MEASURES]).astype(np.float64)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)


def _estimate(value: float, drawn: NDArray[np.float64], n: int, measure: str, single: bool) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, None, None, int(n), f"It needs {MEASURES[measure][1]}, and there is none.")
    if single:
        return Estimate(float(value), None, None, int(n), "No interval: there is only 1 reader or 1 case to draw from.")
    low, high, why = interval(drawn)
    return Estimate(float(value), low, high, int(n), why)


def _in_words(e: Estimate) -> str:
    if e.value is None:
        return f"an undefined share of readings ({e.reason[0].lower()}{e.reason[1:].rstrip('.')})"
    span = " (no interval)"
    if e.low is not None and e.high is not None:
        span = f" (95 % interval {100 * e.low:.0f} % to {100 * e.high:.0f} %)"
    return f"{100 * e.value:.0f} % of {e.n} readings{span}"
