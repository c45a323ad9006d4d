"""One tidy CSV and one Parquet file a table; no cell is a formula to a spreadsheet."""

from __future__ import annotations

import io

import pandas as pd
from pandas.api.types import is_numeric_dtype

from mmxai_core.reader_study.export import safe_cell


def csv_bytes(frame: pd.DataFrame, *, notice: str) -> bytes:
    """UTF-8 with a byte-order mark (spreadsheets need it for umlauts), and the notice in a last column.

    Args:
        frame: Any table.
        notice: Research-use line.
    """
    safe = frame.copy()
    for column in safe.columns:
        if not is_numeric_dtype(safe[column]):
            safe[column] = [v if isinstance(v, int | float) else safe_cell(v) for v in safe[column]]
    safe["notice"] = notice
    return safe.to_csv(index=False, lineterminator="\n").encode("utf-8-sig")


def parquet_bytes(frame: pd.DataFrame, *, notice: str) -> bytes:
    """The same table with its types; a column of mixed texts and numbers becomes text.

    Args:
        frame: Any table.
        notice: Research-use line, in a last column.
    """
    typed = frame.copy()
    for column in typed.columns:
        if not is_numeric_dtype(typed[column]):
            numbers = pd.to_numeric(typed[column], errors="coerce")
            blank = typed[column].isna()
            texts = typed[column].map(lambda v: isinstance(v, str)).any()
            if blank.all() or (not texts and numbers[~blank].notna().all()):
                typed[column] = numbers.astype(float)
            else:
                typed[column] = [None if v is None or v != v else str(v) for v in typed[column]]
    typed["notice"] = notice
    out = io.BytesIO()
    typed.to_parquet(out, index=False)
    return out.getvalue()
