"""One part of an analysis, in the form that page, report and files share: lines, tables, charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from mmxai_core.reader_study.analysis.charts import Chart
from mmxai_core.types import Json


@dataclass(frozen=True, eq=False)
class Section:
    """What one question's analysis found.

    Attributes:
        id: snake_case name, used in file names.
        title: For people.
        lines: The results in plain sentences; never more than the intervals support.
        tables: By snake_case name.
        charts: In the order shown.
        notes: How it was computed, and what to mind.
        undefined: Why there is no result, or "".
    """

    id: str
    title: str
    lines: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    undefined: str = ""

    def to_json(self) -> Json:
        """Plain values; what is undefined is null in tables, with its reason in the column `reason`."""
        return {
            "title": self.title,
            "lines": list(self.lines),
            "notes": list(self.notes),
            "undefined": self.undefined or None,
            "tables": {n: records(t) for n, t in self.tables.items()},
        }


def undefined(section: str, title: str, reason: str, *notes: str) -> Section:
    """A section without a result, with the reason."""
    return Section(section, title, (f"Not defined: {reason}",), notes=notes, undefined=reason)


def records(frame: pd.DataFrame) -> list[dict[str, Json]]:
    """Rows as plain values, NaN as None."""
    as_objects = frame.astype(object).where(frame.notna(), None)
    return [{str(k): _plain(v) for k, v in row.items()} for row in as_objects.to_dict("records")]


def _plain(value: object) -> Json:
    return value.item() if hasattr(value, "item") else value
