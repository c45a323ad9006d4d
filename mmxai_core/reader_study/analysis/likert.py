"""Likert answers as distributions and medians, overall and by arm (Figure 7 of the source paper)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mmxai_core.reader_study.analysis.answers import item_of, likert_items, wording
from mmxai_core.reader_study.analysis.charts import BarRow, DivergingBars
from mmxai_core.reader_study.analysis.section import Section, undefined
from mmxai_core.reader_study.questionnaire_registry import INSTRUMENTS, QUESTIONNAIRES

ID, TITLE = "likert", "Answers to the questions"
FIVE = ("1 strongly disagree", "2 disagree", "3 neither", "4 agree", "5 strongly agree")


def likert(answers: pd.DataFrame, wordings: Mapping[str, str]) -> Section:
    """Distribution of every item answered on a scale of 5 or 7 steps.

    Args:
        answers: From `answers.current`.
        wordings: Of the study's own items.
    """
    rows, lines = [], []
    bars: dict[tuple[str, str, int], list[BarRow]] = {}
    for instrument, item, by_arm in likert_items(answers):
        steps = _steps(instrument, item, by_arm["all"]["value"])
        title = INSTRUMENTS[instrument].title if instrument in INSTRUMENTS else instrument.replace("_", " ")
        for arm, mine in by_arm.items():
            values = mine["value"].dropna()
            counts = tuple(int((values == k).sum()) for k in range(1, steps + 1))
            refused = int((mine["state"] == "no_answer").sum())
            middle = (steps + 1) / 2
            agree = float((values > middle).mean()) if len(values) else None
            median = float(values.median()) if len(values) else None
            quartiles = values.quantile([0.25, 0.75]).tolist() if len(values) else [None, None]
            rows.append(
                {
                    "instrument": instrument, "item": item, "wording": wording(instrument, item, wordings), "arm": arm,
                    "readers": mine.loc[mine["value"].notna(), "reader"].nunique(), "answers": len(values),
                    "no_answer": refused, "median": median, "quartile_1": quartiles[0], "quartile_3": quartiles[1],
                    "share_above_middle": agree, **{f"count_{k}": n for k, n in enumerate(counts, start=1)},
                }
            )  # fmt: skip
            kind = "all" if arm == "all" else "arm"
            bar = BarRow(wording(instrument, item, wordings), arm, counts, refused)
            bars.setdefault((title, kind, steps), []).append(bar)
            if arm == "all" and median is not None and instrument not in QUESTIONNAIRES:
                readers = rows[-1]["readers"]
                lines.append(
                    f"“{wording(instrument, item, wordings)}”: median {median:g} of {steps}, {sum(values > middle)} of "
                    f"{len(values)} answers of {readers} reader{'s' * (readers != 1)} above the middle"
                    + (f", {refused} without an answer." if refused else ".")
                )
    if not rows:
        return undefined(ID, TITLE, "no question has been answered on a scale yet.")
    charts = tuple(
        DivergingBars(
            title + (" by arm" if kind == "arm" else ""), FIVE if steps == 5 else tuple(map(str, range(1, steps + 1))),
            tuple(found),
        )
        for (title, kind, steps), found in bars.items()
    )  # fmt: skip
    if not lines:
        lines.append("Only items of scored questionnaires were answered: see the charts, and their scores below.")
    return Section(
        ID, TITLE, tuple(lines), {"likert": pd.DataFrame(rows)}, charts,
        (
            "Items of scored questionnaires are in the charts and tables; their scores follow below.",
            "Distributions and medians: a mean of such answers would treat the steps as equally far apart.",
            "Agreement with a statement is not evidence that the explanation helps: see accuracy and reliance.",
        ),
    )  # fmt: skip


def _steps(instrument: str, item: str, values: pd.Series) -> int:
    known = item_of(instrument, item)
    if known is not None:
        return 5 if known.kind == "likert5" else int(known.maximum)
    return 5 if values.max() <= 5 else 7
