"""The fully crossed part of a study: the readers and cases that a multi-reader multi-case analysis can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.ratings import RatingTable, ratings_from_frame

#: A reader with fewer than this share of the busiest reader's cases is left out: one who stopped early would cost all.
_LEAST = 0.5


@dataclass(frozen=True)
class Crossed:
    """Ratings of every reader for every case in every condition.

    Attributes:
        table: The ratings.
        readings_left_out: Usable readings that are not in it.
        readers_left_out: Readers that are not in it.
        cases_left_out: Number of cases that are not in it.
    """

    table: RatingTable
    readings_left_out: int
    readers_left_out: tuple[str, ...]
    cases_left_out: int

    @property
    def note(self) -> str:
        """What was left out, or ""."""
        if not self.readings_left_out:
            return ""
        who = f" and the readers {', '.join(self.readers_left_out)}" if self.readers_left_out else ""
        return (
            f"Left out, because not read by every reader in every condition: {self.cases_left_out} cases{who} "
            f"({self.readings_left_out} readings)."
        )


def crossed(frame: pd.DataFrame, conditions: Sequence[str]) -> Crossed:
    """The largest crossed part that keeps every reader with at least half of the busiest reader's cases.

    The table's treatments are the conditions from last to first, so that differences are later minus earlier.

    Args:
        frame: With `reader`, `case`, `condition`, `rating`, `truth`.
        conditions: To cross.

    Raises:
        StudyStoreError: Too few readers or cases are crossed; the message says how many.
    """
    used = frame[frame["condition"].isin(conditions) & frame["rating"].notna() & frame["truth"].notna()]
    seen = used.groupby(["reader", "case"])["condition"].nunique()
    full = seen[seen == len(conditions)].reset_index()[["reader", "case"]]
    if full.empty:
        raise StudyStoreError("no reader read any case in every condition.")
    per_reader = full.groupby("reader").size()
    readers = sorted(per_reader.index[per_reader >= _LEAST * per_reader.max()])
    kept = full[full["reader"].isin(readers)].groupby("case").size()
    cases = list(kept.index[kept == len(readers)])
    if not cases:
        raise StudyStoreError("no case was read by every reader in every condition.")
    inside = used[used["reader"].isin(readers) & used["case"].isin(cases)]
    rows = inside.assign(treatment=inside["condition"], truth=inside["truth"].astype(int))
    table = ratings_from_frame(rows[["reader", "treatment", "case", "truth", "rating"]])
    order = [table.treatments.index(c) for c in reversed(conditions)]
    table = replace(table, treatments=tuple(reversed(conditions)), ratings=np.ascontiguousarray(table.ratings[order]))
    left = tuple(sorted(set(used["reader"]) - set(readers)))
    return Crossed(table, len(used) - len(inside), left, used["case"].nunique() - len(cases))
