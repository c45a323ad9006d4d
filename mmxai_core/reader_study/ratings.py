"""Ratings of a fully crossed reader study: every reader rates every case in every treatment."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmxai_core.errors import StudyStoreError

#: Columns a ratings file must have; others are ignored.
COLUMNS = ("reader", "treatment", "case", "truth", "rating")


@dataclass(frozen=True)
class RatingTable:
    """One rating for each treatment, reader and case.

    Attributes:
        treatments: (I,) names, sorted (as numbers where all are numbers).
        readers: (J,) names, sorted alike.
        cases: (K,) names, sorted alike.
        truth: (K,) bool, True where the case is positive (e.g. malignant).
        ratings: (I, J, K) float64, finite; larger means more suspicion. Any scale: only the order counts.
    """

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    truth: NDArray[np.bool_]
    ratings: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Checks shapes and numbers.

        Raises:
            StudyStoreError: Shapes disagree, a rating is not finite, or a class has fewer than 2 cases.
        """
        expected = (len(self.treatments), len(self.readers), len(self.cases))
        if self.ratings.shape != expected or self.truth.shape != expected[2:]:
            raise StudyStoreError(
                f"Ratings must be treatments x readers x cases = {expected}; got {self.ratings.shape}, and "
                f"{self.truth.shape} true states."
            )
        if not np.isfinite(self.ratings).all():
            raise StudyStoreError("Every rating must be a finite number; at least one is not.")
        if min(self.positives, self.negatives) < 2:
            raise StudyStoreError(
                f"Column truth: an ROC analysis needs at least 2 positive (1) and 2 negative (0) cases; got "
                f"{self.positives} positive and {self.negatives} negative."
            )

    @property
    def positives(self) -> int:
        """Number of positive cases."""
        return int(self.truth.sum())

    @property
    def negatives(self) -> int:
        """Number of negative cases."""
        return int((~self.truth).sum())


@dataclass(frozen=True)
class _Row:
    number: int
    reader: str
    treatment: str
    case: str
    truth: bool
    rating: float


def read_ratings(path: Path) -> RatingTable:
    """A ratings table from a CSV file with the columns `reader, treatment, case, truth, rating` in any order.

    Args:
        path: UTF-8 CSV, one row a rating; truth is 0 or 1, the same in every row of a case. Row 1 is the header.

    Raises:
        StudyStoreError: The file cannot be read, a column is missing, or a cell is wrong; the message names file, row
            and column. It never repeats a case name, which may identify a patient.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyStoreError(f"{path.name}: not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise StudyStoreError(f"{path.name}: cannot be read ({error.strerror}).") from error
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        return _table(path.name, _rows(path.name, enumerate(lines, start=1)))
    except csv.Error as error:
        raise StudyStoreError(f"{path.name}, row {lines.line_num}: not a CSV row ({error}).") from error


def ratings_from_frame(frame: pd.DataFrame) -> RatingTable:
    """The same from a data frame; the messages count its rows from 2, as in a file with a header.

    Args:
        frame: With the columns of `COLUMNS`.

    Raises:
        StudyStoreError: As `read_ratings`.
    """
    body = ([("" if pd.isna(v) else str(v)) for v in row] for row in frame.itertuples(index=False, name=None))
    header = [str(c) for c in frame.columns]
    return _table("The table", _rows("The table", enumerate([header, *body], start=1)))


def ratings_frame(table: RatingTable) -> pd.DataFrame:
    """One row a rating, with the columns of `COLUMNS`; truth as 0 or 1."""
    index = pd.MultiIndex.from_product([table.treatments, table.readers, table.cases])
    frame = pd.DataFrame({"rating": table.ratings.ravel()}, index=index).reset_index(
        names=["treatment", "reader", "case"]
    )
    frame["truth"] = np.tile(table.truth.astype(int), len(table.treatments) * len(table.readers))
    return frame[list(COLUMNS)]


def _rows(name: str, lines: Iterable[tuple[int, Sequence[str]]]) -> list[_Row]:
    numbered = iter(lines)
    _, first = next(numbered, (0, ()))
    header = [c.strip().lower() for c in first]
    for column in COLUMNS:
        if header.count(column) != 1:
            raise StudyStoreError(
                f"{name}: needs one column {column!r}, found {header.count(column)}. A ratings table has the columns "
                f"{', '.join(COLUMNS)}."
            )
    at = {c: header.index(c) for c in COLUMNS}
    rows = []
    for number, cells in numbered:
        if not any(c.strip() for c in cells):
            continue
        if len(cells) != len(header):
            raise StudyStoreError(f"{name}, row {number}: has {len(cells)} cells; the header has {len(header)}.")
        rows.append(_row(name, number, {c: cells[i].strip() for c, i in at.items()}))
    if not rows:
        raise StudyStoreError(f"{name}: has no ratings below its header.")
    return rows


def _row(name: str, number: int, cell: dict[str, str]) -> _Row:
    for column in ("reader", "treatment", "case"):
        if not cell[column]:
            raise StudyStoreError(f"{name}, row {number}, column {column}: must not be blank.")
    truth, rating = _number(cell["truth"]), _number(cell["rating"])
    if truth not in (0.0, 1.0):
        raise StudyStoreError(
            f"{name}, row {number}, column truth: must be 0 (negative) or 1 (positive); got {cell['truth']!r}."
        )
    if rating is None:
        raise StudyStoreError(f"{name}, row {number}, column rating: must be a number; got {cell['rating']!r}.")
    return _Row(number, cell["reader"], cell["treatment"], cell["case"], truth == 1.0, rating)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """As numbers where all are numbers, so that reader 10 follows reader 9; as text otherwise."""
    unique = set(names)
    if all(_number(n) is not None for n in unique):
        return tuple(sorted(unique, key=lambda n: (float(n), n)))
    return tuple(sorted(unique))


def _table(name: str, rows: Sequence[_Row]) -> RatingTable:
    treatments, readers = _sorted(r.treatment for r in rows), _sorted(r.reader for r in rows)
    cases = _sorted(r.case for r in rows)
    position = [{n: i for i, n in enumerate(names)} for names in (treatments, readers, cases)]
    seen: dict[tuple[int, int, int], int] = {}
    first_of: dict[int, _Row] = {}
    ratings = np.full((len(treatments), len(readers), len(cases)), np.nan)
    for row in rows:
        cell = (position[0][row.treatment], position[1][row.reader], position[2][row.case])
        if cell in seen:
            raise StudyStoreError(
                f"{name}, row {row.number}: repeats row {seen[cell]} (reader {row.reader}, treatment {row.treatment}, "
                f"same case). One rating each, please."
            )
        first = first_of.setdefault(cell[2], row)
        if first.truth != row.truth:
            raise StudyStoreError(
                f"{name}, row {row.number}, column truth: is {int(row.truth)}, but row {first.number} gives the same "
                f"case {int(first.truth)}."
            )
        seen[cell] = row.number
        ratings[cell] = row.rating
    missing = np.isnan(ratings).sum(axis=2)
    if missing.any():
        i, j = (int(x) for x in np.argwhere(missing)[0])
        raise StudyStoreError(
            f"{name}: reader {readers[j]}, treatment {treatments[i]} has no rating for {missing[i, j]} of "
            f"{len(cases)} cases. Every reader must rate every case in every treatment."
        )
    truth = np.array([first_of[k].truth for k in range(len(cases))])
    return RatingTable(treatments, readers, cases, truth, ratings)
