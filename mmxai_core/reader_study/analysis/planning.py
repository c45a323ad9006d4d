"""How many readers and cases the next study needs, with this one as its pilot."""

from __future__ import annotations

import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.charts import Curve, Curves
from mmxai_core.reader_study.analysis.comparison import WORDS, Compared
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.power import plan, plan_table

ID, TITLE = "planning", "Power and sample size"
EFFECTS = (0.03, 0.05, 0.1)


def planning(
    found: tuple[Compared, ...], *, effects: tuple[float, ...] = EFFECTS, power: float = 0.8, alpha: float = 0.05
) -> Section:
    """Cases needed for 2 to 12 readers, by the AUC difference to find.

    Args:
        found: The comparisons; the first one with variance components is the pilot.
        effects: Differences of AUC.
        power: To reach.
        alpha: Level of significance.
    """
    pilots = [c for c in found if c.primary is not None and c.primary.generalise == "readers_and_cases"]
    if not pilots or pilots[0].primary is None:
        return undefined(
            ID, TITLE, "a pilot needs at least 2 readers who read the same cases, 2 positive and 2 negative, in 2 "
            "conditions.",
        )  # fmt: skip
    primary, title = pilots[0].primary, pilots[0].comparison.title
    parts = primary.components
    rows, curves, lines = [], [], []
    for effect in effects:
        try:
            plans = plan_table(parts, effect=effect, readers=range(2, 13), power=power, alpha=alpha)
        except StudyStoreError as error:
            return undefined(ID, TITLE, str(error))
        rows += [
            {"effect": effect, "readers": p.readers, "cases": p.cases, "positives": p.positives, "power": p.power}
            for p in plans
        ]
        if plans:
            curves.append(
                Curve(f"AUC difference {effect:g}", tuple(float(p.readers) for p in plans),
                      tuple(float(p.cases) for p in plans))
            )  # fmt: skip
            best = min(plans, key=lambda p: p.readers * p.cases)
            lines.append(f"Fewest readings: {best.sentence}")
        else:
            lines.append(f"No number of readers from 2 to 12 finds an AUC difference of {effect:g} with that power.")
    cases = parts.positives + parts.negatives
    same = [
        {"effect": e, "readers": parts.readers, "cases": cases,
         "power": plan(parts, effect=e, readers=parts.readers, cases=cases, alpha=alpha).power}
        for e in effects
    ]  # fmt: skip
    lines += [
        f"A study of this size ({parts.readers} readers, {cases} cases) finds a true AUC difference of {s['effect']:g} "
        f"with a power of {100 * s['power']:.0f} %."
        for s in same
    ]
    chart = Curves(
        f"Cases needed for a power of {100 * power:.0f} %", "Readers", "Cases", tuple(curves), markers=True,
    )  # fmt: skip
    empty = pd.DataFrame(columns=["effect", "readers", "cases", "positives", "power"])
    return Section(
        ID, TITLE, tuple(lines),
        {"planning": pd.DataFrame(rows) if rows else empty, "planning_this_size": pd.DataFrame(same)},
        (chart,) if curves else (),
        (
            f"Pilot: {title}. Power of the two-sided test at p < {alpha:g} that speaks of {WORDS['readers_and_cases']} "
            "(Hillis, Obuchowski and Berbaum 2011).",
            "The variances come from this study and are uncertain where it is small; no power is computed for the "
            "difference that was observed, which would only restate its p value.",
        ),
    )  # fmt: skip
