"""Readings made ready for analysis: numbers instead of texts, and a name for every condition that is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mmxai_core.reader_study.analysis.scales import Scale, choose_scale, is_birads, rating_number
from mmxai_core.reader_study.study_tables import STAGES, StudyTables

STAGE_WORDS: Mapping[str, str] = {"unaided": "unaided", "ai": "AI", "explanation": "AI + explanation"}


@dataclass(frozen=True)
class Comparison:
    """Conditions that belong side by side.

    Attributes:
        id: snake_case name.
        title: For people.
        conditions: In the order shown; the first one is what the others are compared with.
        column: Of the frame that names the condition.
    """

    id: str
    title: str
    conditions: tuple[str, ...]
    column: str = "condition"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Readings on one scale.

    Attributes:
        frame: One row a reading: `reader, arm, stage, case, condition`, `rating` (float), `positive` (1, 0 or NaN),
            `truth` (1, 0 or NaN), `correct`, `confidence`, `seconds` (active, of this stage), `ai` (1, 0 or NaN: what
            the AI said), `ai_right`, `seeded_wrong`, `placebo`, `region`, `explanation_id`, `final` (True for the
            last stage that the reader committed in this arm), `any_arm` (the stage, whatever the arm).
        scale: The scale.
        conditions: Every condition, in order.
        comparisons: What is compared with what.
        left_out: Why readings were left out, by number; e.g. {"rating is no number": 2}.
    """

    frame: pd.DataFrame
    scale: Scale
    conditions: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    left_out: Mapping[str, int]

    def of(self, comparison: Comparison) -> pd.DataFrame:
        """The readings with the conditions of this comparison as `condition`."""
        return self.frame.assign(condition=self.frame[comparison.column])


def prepare(tables: StudyTables, *, scale: str | None = None, threshold: float | None = None) -> Prepared:
    """Readings on the scale that is analysed, with their conditions.

    A condition is an arm where each arm has one stage, a stage where there is one arm, and "arm (stage)" otherwise.

    Args:
        tables: The study.
        scale: Name of the rating scale; by default the commonest.
        threshold: From where on a rating is positive; by default what the scale means.

    Raises:
        StudyStoreError: No reading has that scale.
    """
    readings = tables.readings
    chosen = choose_scale(readings, name=scale, threshold=threshold)
    mine = readings[readings["scale"] == chosen.name].reset_index(drop=True)
    rating = mine["value"].map(rating_number).astype(float)
    left_out = {}
    protocol = mine["positive"] if threshold is None else pd.Series(np.nan, index=mine.index)
    if protocol.notna().any():
        chosen = replace(chosen, threshold=_lowest_positive(rating, protocol), reason="positive as the protocol says")
    elif is_birads(chosen.name) and (count := int(rating.isin([0, 6]).sum())):
        left_out["BI-RADS 0 or 6 is no degree of suspicion"] = count
        rating = rating.where(~rating.isin([0, 6]))
    blank = int(rating.isna().sum()) - sum(left_out.values())
    if blank:
        left_out["the rating is no number"] = blank
    frame = pd.DataFrame({c: mine[c] for c in ("reader", "arm", "stage", "case", "truth", "confidence")})
    frame["rating"] = rating
    by_scale = np.nan if chosen.threshold is None else (rating >= chosen.threshold).astype(float)
    frame["positive"] = protocol.astype(float).where(protocol.notna(), by_scale).where(rating.notna())
    frame["correct"] = (frame["positive"] == frame["truth"]).where(
        frame["positive"].notna() & frame["truth"].notna()
    ).astype(float)  # fmt: skip
    frame["seconds"] = mine["active_s"]
    frame["ai"], frame["ai_right"] = _ai(mine)
    frame["seeded_wrong"] = mine["ai_seeded_wrong"]
    frame["placebo"] = mine["placebo"]
    frame["region"], frame["explanation_id"] = mine["region"], mine["explanation_id"]
    frame["order"] = frame["stage"].map(STAGES.index).astype(int)
    usable = frame[frame["rating"].notna()]
    last = usable.groupby(["reader", "arm", "case"])["order"].transform("max")
    frame["final"] = False
    frame.loc[usable.index, "final"] = usable["order"] == last
    arms = list(dict.fromkeys(sorted(frame["arm"], key=_arm_order)))
    stages = {a: [s for s in STAGES if s in set(frame.loc[frame["arm"] == a, "stage"])] for a in arms}
    single = all(len(s) == 1 for s in stages.values())

    def label(arm: str, stage: str) -> str:
        if single:
            return arm
        return STAGE_WORDS[stage] if len(arms) == 1 else f"{arm} ({STAGE_WORDS[stage]})"

    frame["condition"] = [label(a, s) for a, s in zip(frame["arm"], frame["stage"], strict=True)]
    comparisons = [
        Comparison(
            f"stages_{n}" if len(arms) > 1 else "stages",
            "Before and after the AI" + (f", arm {arm}" if len(arms) > 1 else ""),
            tuple(label(arm, s) for s in found),
        )
        for n, (arm, found) in enumerate(stages.items(), start=1)
        if len(found) > 1
    ]
    if len(arms) > 1:
        comparisons.insert(
            0, Comparison("arms", "Arms, by their final answer", tuple(label(a, stages[a][-1]) for a in arms))
        )
    frame["any_arm"] = [f"{STAGE_WORDS[s]}, any arm" for s in frame["stage"]]
    several = [set(s) for s in stages.values() if len(s) > 1]
    once = not frame.duplicated(["reader", "case", "stage"]).any()
    if len(several) > 1 and once and len(common := [s for s in STAGES if all(s in o for o in several)]) > 1:
        # Each reader read each case in one arm: over all arms the stages are crossed, even where the arms are not.
        names = tuple(f"{STAGE_WORDS[s]}, any arm" for s in common)
        title = "Before and after the AI, all arms together"
        comparisons.insert(0, Comparison("stages_any_arm", title, names, "any_arm"))
    conditions = tuple(label(a, s) for a in arms for s in stages[a])
    return Prepared(frame.drop(columns="order"), chosen, conditions, tuple(comparisons), left_out)


def _lowest_positive(rating: pd.Series, positive: pd.Series) -> float:
    """A threshold that tells the protocol's positive from its negative ratings, for rows that lack the answer."""
    called = rating[(positive == 1) & rating.notna()]
    return float(called.min()) if len(called) else float("inf")


def _arm_order(arm: str) -> tuple[bool, str]:
    """The unaided arm first: it is what the others are compared with."""
    return "unaided" not in arm.lower() and "control" not in arm.lower(), arm


def _ai(mine: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """What the AI said (1 positive), and whether it was right; NaN where no AI was shown or it is not known."""
    truth = mine["truth"]
    right = mine["ai_correct"].astype(float)
    said = truth.where(right == 1, 1 - truth).where(right.notna())
    by_probability = (mine["ai_probability"] >= 0.5).astype(float).where(mine["ai_probability"].notna())
    said = said.fillna(by_probability)
    return said, right.fillna((said == truth).astype(float).where(said.notna() & truth.notna()))
