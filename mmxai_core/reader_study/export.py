"""Ratings as one tidy CSV: a row an answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from mmxai_core.reader_study.store import SurveyResponse

RESEARCH_USE = "Research use only, not for diagnosis"

COLUMNS = (
    "submission", "reader", "case", "instrument", "instrument_version", "iteration", "supersedes", "item", "state",
    "value", "text", "predicted_class", "probability", "bundle", "bundle_sha256", "explanation_id", "opened_at",
    "saved_at", "notice",
)  # fmt: skip

#: A spreadsheet runs a cell that starts with one of these (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: object) -> str:
    """Text that a spreadsheet shows and never runs: a leading apostrophe before a formula's first character."""
    cell = "" if value is None else str(value)
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell


def responses_csv(responses: Iterable[SurveyResponse]) -> bytes:
    """UTF-8 CSV with a byte-order mark (spreadsheets need it for umlauts), one row an answer; times in UTC, ISO 8601.

    Args:
        responses: In the order to write.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for r in responses:
        for a in r.answers:
            row = (
                r.id, r.reader, r.about.case_code, r.instrument, r.instrument_version, r.iteration, r.supersedes,
                a.item, a.state, a.value, a.text, r.about.predicted_class, f"{r.about.probability:.6f}",
                r.about.bundle, r.about.bundle_sha256, r.about.explanation_id, r.opened_at.isoformat(),
                r.saved_at.isoformat(), RESEARCH_USE,
            )  # fmt: skip
            writer.writerow([safe_cell(v) for v in row])
    return out.getvalue().encode("utf-8-sig")
