from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated_dicom import flat, write_series, write_table
from PIL import Image

from mmxai_core.cohorts.case import read_grey, read_masks
from mmxai_core.cohorts.channels import read_channels
from mmxai_core.cohorts.registry import cohort_names, cohort_tasks, load_cohort
from mmxai_core.errors import CohortError
from mmxai_core.training.data import load_arrays

A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003"
BIOTAB = "nationwidechildrens.org_clinical_patient_{}.txt"


def biotab(root: Path, project: str, columns: dict[str, list[str]]) -> None:
    """Three header rows, then a row for each of A, B ..."""
    names = ["bcr_patient_uuid", "bcr_patient_barcode", *columns]
    rows = [["u", barcode, *cells] for barcode, *cells in zip((A, B, C), *columns.values(), strict=False)]
    write_table(root / BIOTAB.format(project), [names, names, ["CDE_ID:"] * len(names), *rows])


def tcia(root: Path, patient: str, modality: str, series: dict[str, int]) -> None:
    for number, (name, count) in enumerate(series.items(), start=1):
        folder = root / patient / "1.3.6.1.4.1.14519.5" / f"1.3.6.1.4.1.14519.5.{number}"
        write_series(folder, patient=patient, modality=modality, description=name, number=number,
                     slices=[flat(40 * i) for i in range(count)])  # fmt: skip


def slice_pair(image: Path, mask: Path, *, lit: bool = True) -> None:
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(colours).save(image)
    outline = np.zeros((16, 16), np.uint8)
    outline[4:9, 4:9] = 255 * lit
    Image.fromarray(outline).save(mask)


@pytest.mark.parametrize(
    ("name", "modality", "series", "chosen"),
    [
        ("tcga_brca", "MR", {"SAG T1": 30, "Scout": 40, "Sag Vibrant DYN": 21, "AX T2": 25}, "Sag Vibrant DYN"),
        ("tcga_luad", "CT", {"SCOUT": 2, "CHEST 2.5": 21, "ABDOMEN": 30}, "CHEST 2.5"),
        ("tcga_lgg", "MR", {"AX T1 POST": 23, "AX FLAIR": 21, "AX T2": 24}, "AX FLAIR"),
        ("tcga_gbm", "MR", {"AX T1 POST GD": 21, "AX FLAIR": 23}, "AX T1 POST GD"),
    ],
)
def test_key_slices_from_tcia_folders(
    tmp_path: Path, name: str, modality: str, series: dict[str, int], chosen: str
) -> None:
    tcia(tmp_path / "manifest-1" / name.upper().replace("_", "-"), A, modality, series)
    tcia(tmp_path / "manifest-1" / name.upper().replace("_", "-"), B, "SEG", {"mask": 1})
    columns = {
        "ajcc_nodes_pathologic_pn": "N0", "ajcc_pathologic_tumor_stage": "Stage IIA", "tumor_grade": "G3",
        "death_days_to": "100", "gender": "FEMALE", "age_at_initial_pathologic_diagnosis": "55",
    }  # fmt: skip
    biotab(tmp_path, name.removeprefix("tcga_"), {k: [v, v] for k, v in columns.items()})
    cohort = load_cohort(name, tmp_path)
    # 35, 50 and 65 % of 21 slices.
    assert [c.image.name for c in cohort.cases] == ["1-008.dcm", "1-011.dcm", "1-014.dcm"]
    assert cohort.cases[0].strata == {"site": "AA", "manufacturer": "MAKER", "series": chosen}
    assert dict(cohort.dropped) == {"patient without a series that fits the cohort": 1}
    assert {c.patient_id for c in cohort.cases} == {A}
    assert cohort.cases[0].clinical["age"] == 55
    arrays = load_arrays(cohort, schema=cohort.schema, canvas=24)
    assert len(arrays) == 3
    assert arrays.grey.std() > 10


def test_slices_follow_position_not_instance_number(tmp_path: Path) -> None:
    folder = tmp_path / "TCGA-LGG" / A / "study" / "series"
    files = write_series(folder, patient=A, modality="MR", description="AX FLAIR", slices=[flat(i) for i in range(3)])
    files[0].rename(folder / "1-999.dcm")
    biotab(tmp_path, "lgg", {"tumor_grade": ["G2"]})
    cohort = load_cohort("tcga_lgg", tmp_path)
    assert [c.image.name for c in cohort.cases] == ["1-002.dcm"]  # all three depths round to the middle


def test_kaggle_layout_of_the_lgg_slices(tmp_path: Path) -> None:
    folder = tmp_path / "kaggle_3m" / "TCGA_AA_0001_19960909"
    for number, lit in ((1, True), (2, False)):
        stem = f"TCGA_AA_0001_19960909_{number}"
        slice_pair(folder / f"{stem}.tif", folder / f"{stem}_mask.tif", lit=lit)
    other = tmp_path / "kaggle_3m" / "TCGA_AA_0002_19960909" / "TCGA_AA_0002_19960909_1"
    slice_pair(other.with_suffix(".tif"), other.parent / f"{other.name}_mask.tif")
    write_table(tmp_path / "kaggle_3m" / "data.csv", [
        ["Patient", "neoplasm_histologic_grade", "gender", "age_at_initial_pathologic"],
        ["TCGA_AA_0001", "1", "2", "41"], ["TCGA_AA_0002", "", "", ""],
    ], ",")  # fmt: skip
    cohort = load_cohort("tcga_lgg", tmp_path)
    (case,) = cohort.cases
    assert (case.label, case.patient_id) == ("grade 2", A)
    assert case.clinical == {"age": 41.0, "sex": "male"}
    assert [c.name for c in case.channels] == ["pre", "flair", "post"]
    with Image.open(case.image) as picture:
        assert np.allclose(read_channels(case)[1] * 255, np.asarray(picture)[..., 1])
    assert dict(cohort.dropped) == {"no tumour outlined on the slice": 1, "grade not stated": 1}


def test_masks_beside_images_and_loose_examples(tmp_path: Path) -> None:
    slice_pair(tmp_path / "images" / f"{A}_007.png", tmp_path / "masks" / f"{A}_007.png")
    slice_pair(tmp_path / "raw_tif_examples" / f"{B}_1.tif", tmp_path / "raw_tif_examples" / f"{B}_1_mask.tif")
    biotab(tmp_path, "gbm", {"death_days_to": ["20", "20"]})
    (case,) = load_cohort("tcga_gbm", tmp_path).cases
    assert read_masks(case.masks, read_grey(case.image).shape).sum() == 25  # type: ignore[arg-type]


def test_implausible_numbers_become_unknown_and_are_counted(tmp_path: Path) -> None:
    tcia(tmp_path / "TCGA-LUAD", A, "CT", {"CHEST": 3})
    biotab(
        tmp_path, "luad", {"ajcc_pathologic_tumor_stage": ["Stage I"], "fev1_percent_ref_prebroncholiator": ["1.95"]}
    )
    cohort = load_cohort("tcga_luad", tmp_path)
    assert "fev1_percent" not in cohort.cases[0].clinical
    assert cohort.notes[-1] == "FEV1, implausible values taken as unknown: 1."


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("tcga_gbm", "empty", "No image of a patient with a TCGA barcode"),
        ("tcga_gbm", "images", "No clinical table of tcga_gbm"),
        ("tcga_gbm", "nowhere", "does not exist"),
        ("tcga_nothing", "empty", "Unknown cohort 'tcga_nothing'"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, name: str, folder: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    slice_pair(tmp_path / "images" / f"{A}_007.png", tmp_path / "masks" / f"{A}_007.png")
    with pytest.raises(CohortError, match=message):
        load_cohort(name, tmp_path / folder)


@pytest.mark.parametrize("name", ["cbis_ddsm", "duke_breast_mri", "tcga_brca", "tcga_luad", "tcga_gbm", "tcga_lgg"])
def test_tasks_are_named(tmp_path: Path, name: str) -> None:
    assert name in cohort_names()
    assert cohort_tasks(name)
    with pytest.raises(CohortError, match=f"Tasks of cohort {name} are {cohort_tasks(name)[0]}"):
        load_cohort(name, tmp_path, task="nonsense")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "patients", "counts", "dropped"),
    [
        ("tcga_lgg", "tcga_lgg_mri", 87, (82, 92), {"grade not stated": 2}),
        ("tcga_gbm", "tcga_gbm_mri", 22, (23, 30), {"survival_1y not stated": 11}),
        ("tcga_luad", "tcga_luad_ct_dicom", 10, (5, 5), {}),
    ],
)
def test_real_images_join_the_real_tables(
    data_dir: Path, name: str, folder: str, patients: int, counts: tuple[int, int], dropped: dict[str, int]
) -> None:
    cohort = load_cohort(name, data_dir / folder)
    labels = [c.label for c in cohort.cases]
    assert (cohort.patients, tuple(labels.count(c) for c in cohort.classes)) == (patients, counts)
    assert dict(cohort.dropped) == dropped
    for case in cohort.cases:
        cohort.schema.record(case.clinical)
    case = cohort.cases[0]
    image = read_grey(case.image)
    assert image.std() > 0.01
    if name != "tcga_luad":
        assert all(c.masks for c in cohort.cases)
        assert read_masks(case.masks, image.shape).any()  # type: ignore[arg-type]
