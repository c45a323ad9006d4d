from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_studies import answers, golden, reading, tables

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.study_tables import files_of_zip, read_tables, tables_from_files, with_maps


def test_folder_zip_and_parquet_are_the_same_study(tmp_path: Path) -> None:
    frame = pd.DataFrame(golden())
    for name in ("plain", "parquet"):
        (tmp_path / name).mkdir()
    frame.to_csv(tmp_path / "plain" / "readings.csv", index=False)
    frame.astype(str).to_parquet(tmp_path / "parquet" / "readings.parquet")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(tmp_path / "plain" / "readings.csv", "my study/readings.csv")
    plain = read_tables(tmp_path / "plain")
    assert plain.readings.shape == (20, 26)
    assert list(plain.readers["reader"]) == ["r1", "r2"]
    assert plain.cases["truth"].tolist() == [1, 1, 0, 0, 0]
    for other in ("parquet", "study.zip"):
        columns = ["reader", "case", "stage", "truth", "ai_correct", "active_s"]
        pd.testing.assert_frame_equal(read_tables(tmp_path / other).readings[columns], plain.readings[columns])


def test_truth_comes_from_the_cases_where_readings_have_none() -> None:
    rows = pd.DataFrame([reading("r1", c, "unaided", 50, 0) for c in "ab"]).drop(columns="truth")
    cases = pd.DataFrame({"case": ["a", "b"], "truth": ["malignant", "benign"]})
    files = {n: f.to_csv(index=False).encode() for n, f in (("readings.csv", rows), ("cases.csv", cases))}
    assert tables_from_files(files, name="x").readings["truth"].tolist() == [1, 0]


def test_practice_is_left_out_everywhere() -> None:
    rows = [reading("r1", "p", "unaided", 1, 0, practice=1), reading("r1", "a", "unaided", 1, 0, practice=0)]
    kept = tables(rows, answers("sus", {"sus_1": 3}, practice=1) + answers("sus", {"sus_2": 3}))
    assert kept.readings["case"].tolist() == ["a"]
    assert kept.ratings["item"].tolist() == ["sus_2"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"stage": "later"},
            "Table readings, row 3, column stage: must be one of unaided, ai, explanation; got 'later'",
        ),
        ({"truth": "perhaps"}, "row 3, column truth: must be 0"),
        ({"confidence": "high"}, "row 3, column confidence: must be a number; got 'high'"),
        ({"active_s": -1}, "row 3, column active_s: must be 0 or more"),
        ({"ai_correct": 2}, "row 3, column ai_correct: must be 0 or 1"),
        ({"reader": " "}, "row 3, column reader: must not be blank"),
        ({"case": "a", "truth": 0}, "row 3, column truth: differs"),
        ({"case": "a"}, "row 3, column case: is a second reading"),
    ],
)
def test_a_wrong_cell_is_named(change: dict[str, object], expected: str) -> None:
    rows = [reading("r1", "a", "unaided", 10, 1), reading("r1", "b", "unaided", 10, 1) | change]
    with pytest.raises(StudyStoreError, match=expected):
        tables(rows)


def test_missing_columns_empty_studies_and_strange_files(tmp_path: Path) -> None:
    with pytest.raises(StudyStoreError, match=r"Table readings: needs the columns .*; stage is missing"):
        tables_from_files({"readings.csv": b"reader,arm,case,value\nr,a,c,1\n"}, name="x")
    with pytest.raises(StudyStoreError, match="neither readings nor ratings"):
        tables_from_files({"readers.csv": b"reader\nr1\n"}, name="x")
    with pytest.raises(StudyStoreError, match=r"no readings\.csv"):
        read_tables(tmp_path)
    with pytest.raises(StudyStoreError, match="is no zip of tables"):
        files_of_zip(b"no zip", name="a.zip")
    with pytest.raises(StudyStoreError, match=r"readings\.parquet: is no table"):
        tables_from_files({"readings.parquet": b"PAR?"}, name="x")


def test_maps_beside_tables_and_of_explain(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.savez(data, shape=np.array([40, 60]), saliency=np.ones((4, 6)))
    files = {"readings.csv": pd.DataFrame(golden()).to_csv(index=False).encode(), "maps/a.npz": data.getvalue()}
    kept = tables_from_files(files, name="x")
    assert kept.maps["a"]["saliency"].shape == (4, 6)
    assert kept.image_shapes["a"] == (40, 60)
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "saliency.npy", np.zeros((8, 9), np.float32))
    assert with_maps(kept, tmp_path).image_shapes == {"a": (40, 60), "b": (8, 9)}
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
        archive.write(tmp_path / "b" / "saliency.npy", "b/saliency.npy")
    assert list(with_maps(tables(golden()), tmp_path / "maps.zip").maps) == ["b"]
    with pytest.raises(StudyStoreError, match="holds no map"):
        with_maps(kept, tmp_path / "b")
    bad = io.BytesIO()
    np.savez(bad, saliency=np.full((2, 2), np.nan))
    with pytest.raises(StudyStoreError, match=r"a\.npz, map saliency: must be a finite 2-D array"):
        tables_from_files({**files, "maps/a.npz": bad.getvalue()}, name="x")


def test_a_formula_in_an_export_comes_back_as_it_was() -> None:
    files = {"readings.csv": b"reader,arm,case,stage,value\n'=r1,a,c,unaided,1\n"}
    assert tables_from_files(files, name="x").readings["reader"].tolist() == ["=r1"]
