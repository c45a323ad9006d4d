from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.imrmc import imrmc_frame, imrmc_text
from mmxai_core.reader_study.ratings import RatingTable, ratings_frame, ratings_from_frame, read_ratings

HEADER = "reader,treatment,case,truth,rating"


def rows() -> list[str]:
    """Two readers, two treatments, four cases; the patient's name stands for a case name that must not be repeated."""
    return [
        f"{r},{t},{c},{truth},{rating}"
        for r in ("9", "10")
        for t in ("ai", "unaided")
        for c, truth, rating in (("Doe^Jane", 0, 1), ("b", 0, 2), ("c", 1, 3), ("d", 1, 5))
    ]


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_columns_in_any_order_extra_columns_and_blank_lines_are_fine(tmp_path: Path) -> None:
    lines = [",".join([*reversed(r.split(",")), "x"]) for r in rows()]
    table = read_ratings(write(tmp_path / "a.csv", [*lines, ""], header="rating,truth,case,treatment,Reader,note"))
    assert table.readers == ("9", "10")  # as numbers
    assert table.treatments == ("ai", "unaided")
    assert table.ratings.shape == (2, 2, 4)
    assert table.positives == 2


def test_row_order_does_not_matter(tmp_path: Path) -> None:
    shuffled = list(np.random.default_rng(0).permutation(rows()))
    one = read_ratings(write(tmp_path / "a.csv", rows()))
    other = read_ratings(write(tmp_path / "b.csv", shuffled))
    assert np.array_equal(one.ratings, other.ratings)
    assert one.cases == other.cases


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: [*r[:3], r[3].replace(",5", ",high"), *r[4:]], "row 5, column rating: must be a number; got 'high'"),
        (lambda r: [*r[:3], r[3].replace(",5", ",nan"), *r[4:]], "row 5, column rating"),
        (lambda r: [r[0].replace(",0,1", ",2,1"), *r[1:]], "row 2, column truth: must be 0 (negative) or 1"),
        (lambda r: [*r[:4], r[4].replace(",0,1", ",1,1"), *r[5:]], "row 6, column truth: is 1, but row 2"),
        (lambda r: [r[0].replace("9,", ",", 1), *r[1:]], "row 2, column reader: must not be blank"),
        (lambda r: [*r, r[0]], "row 18: repeats row 2 (reader 9, treatment ai"),
        (lambda r: r[:-1], "reader 10, treatment unaided has no rating for 1 of 4 cases"),
        (lambda r: [r[0] + ",1", *r[1:]], "row 2: has 6 cells; the header has 5"),
        (lambda r: [x for x in r if ",d," not in x], "got 1 positive and 2 negative"),
        (lambda r: [], "has no ratings"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, change: object, expected: str) -> None:
    with pytest.raises(StudyStoreError) as error:
        read_ratings(write(tmp_path / "a.csv", change(rows())))  # type: ignore[operator]
    assert expected in str(error.value)
    assert "Doe" not in str(error.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyStoreError, match="one column 'rating', found 0"):
        read_ratings(write(tmp_path / "a.csv", rows(), header="reader,treatment,case,truth,score"))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyStoreError, match="not UTF-8"):
        read_ratings(tmp_path / "a.csv")
    with pytest.raises(StudyStoreError, match="cannot be read"):
        read_ratings(tmp_path / "missing.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(StudyStoreError, match="needs one column 'reader'"):
        read_ratings(tmp_path / "empty.csv")


def test_frame_there_and_back(tmp_path: Path) -> None:
    table = read_ratings(write(tmp_path / "a.csv", rows()))
    again = ratings_from_frame(ratings_frame(table))
    assert np.array_equal(table.ratings, again.ratings)
    assert np.array_equal(table.truth, again.truth)
    with pytest.raises(StudyStoreError, match="The table, row 2, column rating"):
        ratings_from_frame(ratings_frame(table).assign(rating=None))


def test_a_table_of_the_wrong_shape_cannot_exist() -> None:
    with pytest.raises(StudyStoreError, match="treatments x readers x cases"):
        RatingTable(("a",), ("r",), ("c",), np.array([True]), np.zeros((1, 2, 1)))


def test_imrmc_text_and_frame(tmp_path: Path) -> None:
    table = read_ratings(write(tmp_path / "a.csv", rows()))
    frame = imrmc_frame(table)
    assert list(frame.columns) == ["readerID", "caseID", "modalityID", "score"]
    truth = frame[frame["readerID"] == "truth"]
    assert dict(zip(truth["caseID"], truth["score"], strict=True)) == {"Doe^Jane": 0, "b": 0, "c": 1, "d": 1}
    assert len(frame) == 4 + 16
    head, data = imrmc_text(table, title="a\nstudy").split("BEGIN DATA:\n")
    assert {"N0: 2", "N1: 2", "NR: 2", "NM: 2"} <= set(head.splitlines())
    assert head.splitlines()[0] == "a study"
    lines = data.splitlines()
    assert lines[:4] == ["-1,Doe^Jane,0,0", "-1,b,0,0", "-1,c,0,1", "-1,d,0,1"]
    assert "10,d,unaided,5.0" in lines
    assert len(lines) == 20


def test_imrmc_refuses_reserved_and_unwritable_names() -> None:
    frame = pd.DataFrame(
        [(r, "t", c, c in "ab", 1.0) for r in ("truth", "x") for c in "abcd"],
        columns=["reader", "treatment", "case", "truth", "rating"],
    ).astype({"truth": int})
    with pytest.raises(StudyStoreError, match="keeps the name 'truth'"):
        imrmc_frame(ratings_from_frame(frame))
    with pytest.raises(StudyStoreError, match="no comma"):
        imrmc_text(ratings_from_frame(frame.replace("truth", "a,b")))
