"""What has been collected: readers, cases, conditions, and what is still missing."""

from __future__ import annotations

import pandas as pd

from mmxai_core.reader_study.analysis.prepared import Prepared
from mmxai_core.reader_study.analysis.section import Section
from mmxai_core.reader_study.study_tables import StudyTables

ID, TITLE = "overview", "What was collected"


def overview(tables: StudyTables, prepared: Prepared | None) -> Section:
    """Counts by condition and reader, and the readings that the plan asks for but nobody has made yet.

    Args:
        tables: The study.
        prepared: Its readings; None where there are none.
    """
    lines, notes = [], []
    found: dict[str, pd.DataFrame] = {}
    if prepared is not None:
        frame = prepared.frame
        truth = frame.dropna(subset=["truth"]).drop_duplicates("case")["truth"]
        unknown = frame["case"].nunique() - len(truth)
        lines.append(
            f"{_count(frame['reader'].nunique(), 'reader')}, {_count(frame['case'].nunique(), 'case')} "
            f"({int(truth.sum())} positive, {int((truth == 0).sum())} negative"
            + (f", {unknown} of unknown truth" if unknown else "") + f"), {_count(len(frame), 'reading')} in "
            f"{_count(len(prepared.conditions), 'condition')}: {', '.join(prepared.conditions)}."
        )  # fmt: skip
        found["readings_by_reader"] = frame.pivot_table(
            index="reader", columns="condition", values="case", aggfunc="count", fill_value=0
        ).reindex(columns=list(prepared.conditions), fill_value=0).reset_index()  # fmt: skip
        if prepared.scale.others:
            notes.append(f"Not analysed here: readings on the scales {', '.join(prepared.scale.others)}.")
        shown = frame[frame["ai"].notna() & (frame["stage"] != "unaided")].drop_duplicates(["case", "arm"])
        if len(shown):
            wrong = shown[shown["ai_right"] == 0]
            lines.append(
                f"The AI was wrong in {len(wrong)} of {len(shown)} case presentations; "
                f"{int((wrong['seeded_wrong'] == 1).sum())} of these errors were planted by the study."
            )
        if (placebo := int((frame["placebo"] == 1).sum())) > 0:
            lines.append(f"{_count(placebo, 'reading')} had a placebo map.")
    answers = tables.ratings
    if len(answers):
        names = ", ".join(sorted(answers["instrument"].unique()))
        lines.append(
            f"{_count(len(answers), 'answer')} of {_count(answers['reader'].nunique(), 'reader')} to the instruments "
            f"{names}."
        )
    if len(tables.assignments):
        lines.append(_progress(tables, found))
    return Section(ID, TITLE, tuple(lines), found, (), tuple(notes))


def _progress(tables: StudyTables, found: dict[str, pd.DataFrame]) -> str:
    keys = ["reader", "arm", "case"] if (tables.assignments["arm"] != "").all() else ["reader", "case"]
    planned = tables.assignments.drop_duplicates(keys)
    read = tables.readings.drop_duplicates(keys)[keys].assign(read=1)
    joined = planned[keys].merge(read, on=keys, how="left")
    done = int(joined["read"].notna().sum())
    if (missing := len(joined) - done) == 0:
        return f"Every assigned case has been read ({done})."
    open_cases = joined[joined["read"].isna()].groupby("reader").size().rename("cases_open").reset_index()
    found["cases_open"] = open_cases
    if tables.closed:
        left = "was not read and will not be" if missing == 1 else "were not read and will not be"
        return f"The study is closed: {_count(missing, 'assigned case')} of {len(joined)} {left}."
    return f"{_count(missing, 'assigned case')} of {len(joined)} not read yet: results may change."


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
