from __future__ import annotations

from pathlib import Path

import pytest

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.cohorts.manifest import load
from mmxai_core.errors import ClinicalValueError, CohortError

SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110)),
        Field("palpable", "Palpable lump", "yes_no", "history"),
    )
)
HEADER = "case_id,patient_id,image,mask,label,age,palpable"
GOOD = "a1,p1,images/one.png,images/one_mask.png,malignant,57,yes"


def manifest(folder: Path, *rows: str, header: str = HEADER) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for name in ("one.png", "one_mask.png", "two.dcm", "second_mask.png"):
        (folder / "images" / name).write_bytes(b"")
    path = folder / "study.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_reads_cases(tmp_path: Path) -> None:
    path = manifest(tmp_path, GOOD, "a2,p1,images/two.dcm,,,,unknown")
    cohort = load(path, schema=SCHEMA)
    first, second = cohort.cases
    assert first.image == tmp_path / "images/one.png" and first.masks == (tmp_path / "images/one_mask.png",)
    assert first.label == "malignant" and first.clinical == {"age": 57.0, "palpable": True}
    assert second.label is None and second.masks == () and second.clinical == {}
    assert cohort.name == "manifest" and cohort.patients == 1 and cohort.schema is SCHEMA


def test_excel_exports_are_read(tmp_path: Path) -> None:
    path = manifest(tmp_path)
    text = f"{HEADER}\n\n{GOOD}\n,,,,,,\n".replace(",", ";").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(path, schema=SCHEMA).cases[0].clinical["age"] == 57


def test_several_masks_strata_and_a_missing_mask_column(tmp_path: Path) -> None:
    path = manifest(tmp_path, GOOD.replace("one_mask.png", "one_mask.png | images/second_mask.png") + ",Logiq",
                    header=HEADER + ",stratum_device")  # fmt: skip
    case = load(path, schema=SCHEMA).cases[0]
    assert len(case.masks) == 2 and case.strata == {"device": "Logiq"} and "device" not in case.clinical
    bare = manifest(tmp_path, "a,p,images/one.png,benign", header="case_id,patient_id,image,label")
    assert load(bare, schema=SCHEMA).cases[0].masks == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GOOD.replace("57", "400"), "Row 3, column age: Age must be from 10 to 110 years; got 400"),
        (GOOD.replace("yes", "perhaps"), "Row 3, column palpable: Palpable lump must be yes, no or unknown"),
    ],
)
def test_a_bad_clinical_value_names_row_column_rule_and_value(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ClinicalValueError, match=said):
        load(manifest(tmp_path, GOOD.replace("a1", "a0"), row), schema=SCHEMA)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GOOD.replace("malignant", "maligant"), "Row 3, column label: must be one of benign, malignant or blank; got"),
        (GOOD.replace("one.png", "none.png"), "Row 3, column image: no such file beside the manifest"),
        (GOOD.replace("one_mask.png", "none.png"), "Row 3, column mask: no such file"),
        (GOOD.replace("p1", ""), "Row 3, column patient_id: must not be blank"),
        (GOOD.replace("a1", "a0"), "Row 3, column case_id: must be unique; row 2 has the same"),
        (GOOD + ",more", "Row 3 has 8 cells; the header has 7"),
    ],
)
def test_a_bad_cell_names_row_and_column(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        load(manifest(tmp_path, GOOD.replace("a1", "a0"), row), schema=SCHEMA)


def test_messages_carry_no_patient_or_case_id(tmp_path: Path) -> None:
    with pytest.raises(CohortError) as refusal:
        load(manifest(tmp_path, GOOD.replace("a1,p1", "SECRET,P7"), GOOD.replace("a1,p1", "SECRET,P8")), schema=SCHEMA)
    assert "SECRET" not in str(refusal.value) and "P8" not in str(refusal.value)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER.replace("label", "truth"), "needs column label"),
        (HEADER.replace("palpable", "palpabel"), "unknown column 'palpabel'; clinical fields are age, palpable"),
        (HEADER.replace("palpable", "age"), "column 'age' twice"),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        load(manifest(tmp_path, GOOD, header=header), schema=SCHEMA)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"Cannot read the manifest .*No such file"):
        load(tmp_path / "none.csv", schema=SCHEMA)
    (tmp_path / "latin.csv").write_bytes("case_id,größe".encode("latin-1"))
    with pytest.raises(CohortError, match="must be UTF-8 text; byte 10"):
        load(tmp_path / "latin.csv", schema=SCHEMA)
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(CohortError, match=r"empty\.csv is empty"):
        load(tmp_path / "empty.csv", schema=SCHEMA)
    with pytest.raises(CohortError, match="lists no case"):
        load(manifest(tmp_path), schema=SCHEMA)
