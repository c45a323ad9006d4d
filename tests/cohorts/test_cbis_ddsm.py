from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from generated_dicom import flat, uid, write_dicom, write_table
from PIL import Image

from mmxai_core.cohorts import cbis_ddsm
from mmxai_core.cohorts.case import read_grey, read_masks
from mmxai_core.cohorts.cbis_tables import read_tables
from mmxai_core.cohorts.registry import load_cohort
from mmxai_core.errors import CohortError
from mmxai_core.training.data import load_arrays

HEADER = [
    "patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "mass shape", "mass margins", "assessment", "pathology", "subtlety", "image file path", "cropped image file path",
    "ROI mask file path",
]  # fmt: skip
CALC_COLUMNS = {"breast_density": "breast density", "mass shape": "calc type", "mass margins": "calc distribution"}
CALC_HEADER = [CALC_COLUMNS.get(c, c) for c in HEADER]
FULL = flat(900, (60, 40))
CROP = flat(900, (12, 10))
MASK = np.zeros((60, 40), np.uint8)
MASK[20:30, 10:18] = 255


def row(
    patient: str,
    kind: str = "Mass",
    part: str = "Training",
    *,
    pathology: str = "MALIGNANT",
    number: str = "1",
    findings: tuple[str, str] = ("OVAL-IRREGULAR", "ILL_DEFINED-SPICULATED"),
    density: str = "3",
) -> list[str]:
    name = f"{kind}-{part}_{patient}_LEFT_CC"
    series = f"{name}_{number}/{uid(name)}/{uid(name, number)}"
    paths = [f"{name}/{uid(name)}/{uid(name, 'full')}/000000.dcm", f"{series}/000000.dcm", f"{series}/000001.dcm\n"]
    return [patient, density, "LEFT", "CC", number, kind.lower(), *findings, "4", pathology, "3", *paths]


def pixels(root: Path, patient: str, *, kind: str = "Mass", part: str = "Training", number: str = "1",
           swapped: bool = False, style: str = "classic", mask: np.ndarray = MASK) -> None:  # fmt: skip
    """Full image, close-up and mask of one lesion, in either directory style of the NBIA retriever."""
    name = f"{kind}-{part}_{patient}_LEFT_CC"
    study = uid(name) if style == "classic" else "10-04-2016-DDSM-NA-09887"
    series = uid(name, "full") if style == "classic" else "1.000000-full mammogram images-24515"
    write_dicom(root / "CBIS-DDSM" / name / study / series / "1-1.dcm", FULL, PatientID=name, Modality="MG")
    lesion = root / "CBIS-DDSM" / f"{name}_{number}" / study
    first, second = (mask, CROP) if swapped else (CROP, mask)
    one = lesion / (uid(name, number) if style == "classic" else "1.000000-cropped images-42")
    two = one if style == "classic" else lesion / "1.000000-ROI mask images-43"
    write_dicom(one / "1-1.dcm", first, Modality="MG")
    write_dicom(two / "1-2.dcm", second, Modality="MG")


def tables(
    root: Path, mass_train: list[list[str]], mass_test: list[list[str]], calc: list[list[str]] | None = None
) -> None:
    write_table(root / "mass_case_description_train_set.csv", [HEADER, *mass_train], ",")
    write_table(root / "mass_case_description_test_set.csv", [HEADER, *mass_test], ",")
    if calc is not None:
        write_table(root / "calc_case_description_train_set.csv", [CALC_HEADER, *calc], ",")


@pytest.mark.data
def test_real_tables_give_the_published_counts(data_dir: Path) -> None:
    rows = read_tables(data_dir / "cbis_ddsm_tables")
    counts = {}
    for key in (("mass", "train"), ("mass", "test"), ("calcification", "train"), ("calcification", "test")):
        part = [r for r in rows if (r.lesion_type, r.split) == key]
        counts[key] = (len(part), len({r.patient_id for r in part}), sum(r.label == "malignant" for r in part))
    assert counts == {
        ("mass", "train"): (1318, 691, 637),
        ("mass", "test"): (378, 201, 147),
        ("calcification", "train"): (1546, 602, 544),
        ("calcification", "test"): (326, 151, 129),
    }
    assert len({r.lesion_folder for r in rows}) == len(rows)
    assert all(r.cells["image file path"].startswith(f"{r.image_folder}/") for r in rows)
    assert all(r.cells["ROI mask file path"].startswith(f"{r.lesion_folder}/") for r in rows)


@pytest.mark.data
def test_every_cell_of_the_real_tables_fits_the_schema(data_dir: Path) -> None:
    known: Counter[str] = Counter()
    for row in read_tables(data_dir / "cbis_ddsm_tables"):
        known.update(cbis_ddsm.schema(row.lesion_type).record(cbis_ddsm.clinical(row)).values.keys())
    assert known["breast_density"] == 3568 - 2  # density 0 is none
    assert known["birads"] == 3568 - 13 - 63 - 33 - 129  # assessment 0 asks for further imaging
    assert known["subtlety"] == 3568 - 2
    assert known["margin"] == 1696 - 17 - 43


@pytest.mark.data
def test_tables_without_pixels_say_what_is_missing(data_dir: Path) -> None:
    with pytest.raises(CohortError, match=r"3568 lesions \(1566 patients\)"):
        load_cohort("cbis_ddsm", data_dir / "cbis_ddsm_tables")


@pytest.mark.parametrize("style", ["classic", "descriptive"])
@pytest.mark.parametrize("swapped", [False, True])
def test_mask_and_close_up_are_told_apart_by_content(tmp_path: Path, style: str, swapped: bool) -> None:
    tables(tmp_path, [row("P_00001")], [])
    pixels(tmp_path, "P_00001", style=style, swapped=swapped)
    (case,) = load_cohort("cbis_ddsm", tmp_path, task="mass").cases
    assert case.crop is not None
    assert read_grey(case.image).shape == (60, 40)
    assert read_grey(case.crop).shape == (12, 10)
    assert np.array_equal(read_masks(case.masks, (60, 40)), MASK > 0)
    assert case.clinical == {
        "breast_density": "3",
        "subtlety": "3",
        "birads": "4",
        "shape": "irregular",
        "margin": "spiculated",
    }
    assert (case.label, case.split, case.case_id) == ("malignant", "train", "Mass-Training_P_00001_LEFT_CC_1")


def test_swapped_files_are_counted(tmp_path: Path) -> None:
    tables(tmp_path, [row("P_00001"), row("P_00002")], [])
    pixels(tmp_path, "P_00001", swapped=True)
    pixels(tmp_path, "P_00002")
    assert any(
        n.startswith("Close-up and mask files swapped") and n.endswith(": 1.")
        for n in load_cohort("cbis_ddsm", tmp_path).notes
    )


def test_series_folders_of_jpeg_copies_are_found_by_uid(tmp_path: Path) -> None:
    uids = [f"1.3.6.1.4.1.9590.100.1.2.{i}" for i in (11, 12)]
    cells = row("P_00001")
    cells[-3:] = [f"a/b/{uids[0]}/000000.dcm", f"a/b/{uids[1]}/000000.dcm", f"a/b/{uids[1]}/000001.dcm"]
    tables(tmp_path, [cells], [])
    for folder, name, array in ((uids[0], "1-1", FULL // 8), (uids[1], "1-2", MASK), (uids[1], "2-3", CROP // 8)):
        (tmp_path / "jpeg" / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array.astype(np.uint8)).save(tmp_path / "jpeg" / folder / f"{name}.jpg", quality=85)
    (case,) = load_cohort("cbis_ddsm", tmp_path).cases
    assert case.crop is not None
    assert (case.crop.name, case.masks[0].name) == ("2-3.jpg", "1-2.jpg")


def test_labels_splits_and_losses(tmp_path: Path) -> None:
    mass = [row("P_00001"), row("P_00002", pathology="BENIGN_WITHOUT_CALLBACK"), row("P_00003", pathology="BENIGN")]
    calc = [row("P_00004", "Calc", findings=("COARSE-LUCENT_CENTERED", "CLUSTERED"), density="0"),
            row("P_00009", "Calc", findings=("PLEOMORPHIC", "N/A"))]  # fmt: skip
    tables(tmp_path, mass, [row("P_00004", part="Test")], calc)
    for name in ("P_00001", "P_00002"):
        pixels(tmp_path, name)
    pixels(tmp_path, "P_00004", part="Test")
    pixels(tmp_path, "P_00004", kind="Calc")
    pixels(tmp_path, "P_00009", kind="Calc", mask=MASK[:50])
    cohort = load_cohort("cbis_ddsm", tmp_path)
    assert [(c.label, c.split) for c in cohort.cases] == [
        ("malignant", "train"), ("benign", "train"), ("malignant", "test"), ("malignant", "train"),
    ]  # fmt: skip
    # P_00004 has a mass in the test set: its calcification must not train.
    assert dict(cohort.dropped) == {
        "full mammogram missing": 1,
        "patient has other lesions in the published test set": 1,
    }
    assert cohort.cases[-1].masks == ()
    assert "ROI masks of another size than their mammogram, not used: 1." in cohort.notes
    assert cohort.account()[0] == "4 cases remain: 4 images of 4 patients (1 benign, 3 malignant)."
    assert [cohort.schema.record(c.clinical).get("lesion_type") for c in cohort.cases][-1] == "calcification"
    alone = load_cohort("cbis_ddsm", tmp_path, task="calcification")
    assert (alone.cases[0].patient_id, alone.cases[0].split) == ("cbis_ddsm-P_00004", "train")
    assert alone.cases[0].clinical["calcification_type"] == "lucent_center"
    assert "breast_density" not in alone.cases[0].clinical


def test_trains_from_generated_dicom(tmp_path: Path) -> None:
    tables(tmp_path, [row("P_00001"), row("P_00002", pathology="BENIGN")], [])
    for name in ("P_00001", "P_00002"):
        pixels(tmp_path, name)
    cohort = load_cohort("cbis_ddsm", tmp_path, task="mass")
    arrays = load_arrays(cohort, schema=cohort.schema, canvas=32)
    assert arrays.labels.tolist() == [1, 0]
    assert arrays.known.all()
    assert 0 < arrays.lesion.mean() < 0.1
    assert arrays.grey.max() > 200


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (row("P_00001", pathology="SOMETHING"), "Row 2 of mass_case_description_train_set.csv: pathology"),
        (row("P_00001", findings=("OVAL", "FUZZY")), "Unknown mass margins 'fuzzy'"),
    ],
)
def test_unknown_values_are_refused(tmp_path: Path, cells: list[str], message: str) -> None:
    tables(tmp_path, [cells], [])
    pixels(tmp_path, "P_00001")
    with pytest.raises(CohortError, match=message):
        load_cohort("cbis_ddsm", tmp_path)
