"""Agreement between readers: on the ratings, on positive or negative, and on each question asked about a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mmxai_core.reader_study.agreement import Agreement, agreement
from mmxai_core.reader_study.analysis.answers import likert_items, wording
from mmxai_core.reader_study.analysis.charts import Forest, Point
from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.scales import is_birads
from mmxai_core.reader_study.analysis.section import Section, undefined

ID, TITLE = "agreement", "Agreement between readers"
NAMES = {
    "percent": "exact agreement",
    "ac1": "AC1",
    "ac2": "AC2",
    "alpha": "Krippendorff's alpha (ordinal)",
    "kappa": "weighted kappa",
}
#: Whole numbers up to this, and BI-RADS, are categories; other ratings, such as probabilities, are not.
_LAST_CATEGORY = 10


def agreement_section(
    prepared: Prepared | None, answers: pd.DataFrame, wordings: Mapping[str, str], *, replicates: int, seed: int
) -> Section:
    """Percent agreement, AC1, AC2, ordinal alpha and weighted kappa together, each with a case-bootstrap interval.

    Args:
        prepared: Readings, or None where there are none.
        answers: From `answers.current`.
        wordings: Of the study's own items.
        replicates: Of the bootstrap, which draws cases.
        seed: Of the bootstrap.
    """
    rows: list[dict[str, object]] = []
    lines: list[str] = []
    points: list[Point] = []

    def add(what: str, group: str, found: Agreement) -> None:
        lines.append(f"{what}, {group}: {found.sentence}")
        for name, e in found.estimates.items():
            rows.append(
                {"what": what, "condition": group, "coefficient": name, "value": e.value, "low": e.low, "high": e.high,
                 "readers": found.readers, "cases": found.cases, "reason": e.reason}
            )  # fmt: skip
        points.extend(
            Point(f"{what}, {group}: {NAMES[n]}", e.value, e.low, e.high, NAMES[n], e.reason)
            for n, e in found.estimates.items() if n != "ac1"
        )  # fmt: skip

    categorical = prepared is not None and _categorical(prepared)
    for condition in prepared.conditions if prepared is not None else ():
        mine = prepared.frame[prepared.frame["condition"] == condition]  # type: ignore[union-attr]  # not None here
        for what, column in (("Rating", "rating"), ("Positive or negative", "positive")):
            if mine[column].notna().any() and mine["reader"].nunique() > 1 and (column == "positive" or categorical):
                add(what, condition, _of(mine, column, replicates, seed, [0, 1] if column == "positive" else None))
    asked = answers[answers["case"] != ""]
    for instrument, item, by_arm in likert_items(asked) if asked["reader"].nunique() > 1 else ():
        steps = 5 if by_arm["all"]["value"].max() <= 5 else 7
        for arm, mine in by_arm.items():
            if len(by_arm) > 1 and arm == "all":
                continue  # one case may have been rated in two arms
            add(
                f"“{wording(instrument, item, wordings)}”",
                arm,
                _of(mine, "value", replicates, seed, range(1, steps + 1)),
            )
    if not rows:
        return undefined(ID, TITLE, "no two readers have rated a case in categories, or answered a question about one.")
    axis = "Coefficient (1 = full agreement)"
    return Section(
        ID, TITLE, tuple(lines), {"agreement": pd.DataFrame(rows)},
        (Forest("Agreement between readers", axis, tuple(points), 0.0, "chance", high=1.0),),
        (
            "AC2 with ordinal, kappa with quadratic weights; intervals by a bootstrap of cases. No single coefficient "
            "is enough: where one category prevails, kappa falls although readers agree.",
        ),
    )  # fmt: skip


def _categorical(prepared: Prepared) -> bool:
    values = prepared.frame["rating"].dropna()
    name = prepared.scale.name
    whole = bool((values % 1 == 0).all() and values.between(0, _LAST_CATEGORY).all())
    return is_birads(name) or (whole and "probab" not in name.lower() and "percent" not in name.lower())


def _of(
    mine: pd.DataFrame, column: str, replicates: int, seed: int, categories: Sequence[float] | range | None
) -> Agreement:
    table = mine.pivot_table(index="case", columns="reader", values=column, aggfunc="last")
    return agreement(
        table.to_numpy(float), categories=None if categories is None else list(categories), replicates=replicates,
        seed=seed,
    )  # fmt: skip
