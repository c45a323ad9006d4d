"""The table of readings that the reliance analysis works on, checked cell by cell."""

from __future__ import annotations

import pandas as pd

from mmxai_core.errors import StudyStoreError

#: Names.
LABELS = ("reader", "case")
#: 0 or 1: positive is 1.
BINARY = ("truth", "ai", "initial", "final")
#: Numbers that may be absent or blank; blank is left out, never imputed.
OPTIONAL = ("confidence_initial", "confidence_final", "seconds_initial", "seconds_final")


def checked_readings(readings: pd.DataFrame) -> pd.DataFrame:
    """A copy with the columns needed, in their types.

    Args:
        readings: One row a reading, with `reader`, `case`, the 0/1 columns `truth`, `ai` (what the AI said), `initial`
            (unaided) and `final` (after the AI was shown); and where known `arm`, `confidence_initial`,
            `confidence_final` (any one scale), `seconds_initial` and `seconds_final` (active time in each phase, not
            negative). Rows count from 2 in messages, as in a file with a header.

    Returns:
        These columns, `arm` "all" where it was absent, optional numbers as float with NaN where blank.

    Raises:
        StudyStoreError: A column is missing, the table is empty, a cell is wrong, a case has two truths, or a reader
            has two readings of one case in one arm.
    """
    if missing := [c for c in (*LABELS, *BINARY) if c not in readings.columns]:
        raise StudyStoreError(
            f"The readings need the columns {', '.join((*LABELS, *BINARY))}; {missing[0]} is missing."
        )
    if readings.empty:
        raise StudyStoreError("There are no readings.")
    out = pd.DataFrame(index=range(len(readings)))
    for column in (*LABELS, "arm"):
        values = readings[column] if column in readings.columns else pd.Series(["all"] * len(readings))
        blank = values.isna() | (values.astype(str).str.strip() == "")
        _refuse(column, blank, "must not be blank", values)
        out[column] = values.astype(str).str.strip().to_numpy()
    for column in BINARY:
        numbers = pd.to_numeric(readings[column], errors="coerce")
        _refuse(column, ~numbers.isin([0, 1]), "must be 0 or 1", readings[column])
        out[column] = numbers.to_numpy(int)
    for column in OPTIONAL:
        given = readings[column] if column in readings.columns else pd.Series([None] * len(readings))
        numbers = pd.to_numeric(given, errors="coerce").astype(float)
        filled = given.notna() & (given.astype(str).str.strip() != "")
        wrong = filled & (numbers.isna() | numbers.abs().eq(float("inf")))
        if column.startswith("seconds"):
            wrong |= numbers < 0
        _refuse(column, wrong, "must be a number" + (", 0 or more" * column.startswith("seconds")), given)
        out[column] = numbers.to_numpy()
    _refuse(
        "truth",
        out["truth"] != out.groupby("case")["truth"].transform("first"),
        "differs from the same case's first row",
        out["truth"],
    )
    _refuse(
        "case",
        out.duplicated(["reader", "case", "arm"]),
        "is a second reading of this case by this reader in this arm",
        None,
    )
    return out


def _refuse(column: str, wrong: pd.Series, rule: str, values: pd.Series | None) -> None:
    """Raises at the first wrong cell; the values of a column of names are not repeated."""
    if not wrong.any():
        return
    position = int(wrong.to_numpy().argmax())
    got = "" if values is None or column in (*LABELS, "arm") else f"; got {values.tolist()[position]!r}"
    raise StudyStoreError(f"Readings, row {position + 2}, column {column}: {rule}{got}.")
