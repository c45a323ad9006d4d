from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generated_dicom import flat, write_series
from PIL import Image

from mmxai_core.cohorts.case import read_grey
from mmxai_core.cohorts.channels import read_channels
from mmxai_core.cohorts.duke_phases import phase_of
from mmxai_core.cohorts.duke_tables import read_boxes, read_clinical
from mmxai_core.cohorts.registry import load_cohort
from mmxai_core.errors import CohortError
from mmxai_core.training.data import load_arrays

COLUMNS = [
    "Patient ID", "Manufacturer", "Field Strength (Tesla)", "Date of Birth (Days)", "Menopause (at diagnosis)", "ER",
    "Staging(Nodes)#(Nx replaced by -1)[N]", "Nottingham grade", "Multicentric/Multifocal",
    "Lymphadenopathy or Suspicious Nodes", "Shape", "Shape",
]  # fmt: skip


def workbooks(root: Path, nodes: dict[str, object]) -> None:
    rows = [[p, 2, 3, -18262, 1, 1, n, 3, 0, "NC", "NC", 1] for p, n in nodes.items()]
    top = ["Patient Information", *[None] * (len(COLUMNS) - 1)]
    with pd.ExcelWriter(root / "Clinical_and_Other_Features.xlsx") as book:
        pd.DataFrame([top, COLUMNS, [None] * len(COLUMNS), *rows]).to_excel(
            book, sheet_name="Data", header=False, index=False
        )
    boxes = [[p, 5, 10, 3, 8, 2, 7] for p in nodes]
    names = ["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]
    pd.DataFrame(boxes, columns=names).to_excel(root / "Annotation_Boxes.xlsx", index=False)


def study(root: Path, patient: str, names: tuple[str, ...], slices: int = 8) -> None:
    folder = root / "Duke-Breast-Cancer-MRI" / patient / "01-01-1990-NA-MRI BREAST BILATERAL-97538"
    for phase, name in enumerate(names):
        write_series(
            folder / f"{phase + 3}.000000-{name.replace('/', '')}-{phase:05d}",
            patient=patient, modality="MR", description=name, number=phase + 3,
            slices=[flat(100 * phase + i) for i in range(slices)],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("description", "phase"),
    [
        ("ax dyn pre", 0), ("ax 3d dyn", 0), ("ax 3d dyn MP", 0), ("Ax Vibrant MultiPhase", 0), ("ax 3d pre", 0),
        ("t1fl3dtradynVIEWSspair pre", 0), ("ax dyn 1st pass", 1), ("ax dyn 1st pas", 1), ("Ph1/ax 3d dyn", 1),
        ("601.000000-Ph2ax 3d dyn MP-78912", 2), ("4th ax dyn", 4), ("Ph3/Ax Vibrant MultiPhase", 3),
        ("ax t1", None), ("ax t1 pre", None), ("ax t1 tse +c", None), ("Ax 3D T1 NON FS", None), ("Segmentation", None),
    ],
)  # fmt: skip
def test_phases_of_the_series_names_in_the_collection(description: str, phase: int | None) -> None:
    assert phase_of(description) == phase


@pytest.mark.parametrize(
    "names",
    [
        ("ax dyn pre", "ax dyn 1st pass", "ax dyn 2nd pass", "ax dyn 3rd pass", "ax dyn 4th pass", "ax t1"),
        ("ax 3d dyn", "Ph1/ax 3d dyn", "Ph2/ax 3d dyn", "Ph3/ax 3d dyn", "Ph4/ax 3d dyn", "Ax 3D T1 NON FS"),
    ],
)
def test_key_slices_and_phases_from_dicom(tmp_path: Path, names: tuple[str, ...]) -> None:
    workbooks(tmp_path, {"Breast_MRI_001": 0, "Breast_MRI_002": 2, "Breast_MRI_003": -1, "Breast_MRI_004": 1})
    for patient in ("Breast_MRI_001", "Breast_MRI_003"):
        study(tmp_path, patient, names)
    study(tmp_path, "Breast_MRI_002", names, slices=7)
    study(tmp_path, "Breast_MRI_004", names[:2])
    cohort = load_cohort("duke_breast_mri", tmp_path)
    # The box spans slices 2 to 7: 40 and 60 % of its depth are slices 4 and 5.
    assert [c.case_id[-9:] for c in cohort.cases] == ["slice_004", "slice_005"] * 2
    case = cohort.cases[0]
    assert [p.name for p in (case.image, *(c.path for c in case.channels))] == ["1-004.dcm"] * 4
    planes = read_channels(case)
    assert planes.shape == (3, 24, 20)
    assert planes[0].mean() < planes[1].mean() < planes[2].mean()  # one scale: enhancement survives
    assert planes[2].mean() - planes[1].mean() > 1.5 * (planes[1].mean() - planes[0].mean())  # late is the third phase
    assert case.boxes == ((2.0, 4.0, 8.0, 10.0),)
    assert case.clinical == {"age": 50.0, "menopause": "post", "multifocal": False, "er": True}
    assert cohort.schema["er"].describe(True) == "Positive" and cohort.schema["multifocal"].describe(False) == "no"
    assert case.strata == {"manufacturer": "Siemens", "field_strength_tesla": "3"}
    assert [c.label for c in cohort.cases] == ["node-negative"] * 2 + ["node-positive"] * 2
    assert dict(cohort.dropped) == {
        "nodal_status not stated": 1,
        "series before contrast, first and a later one after it not all found": 1,
    }
    arrays = load_arrays(cohort, schema=cohort.schema, canvas=24)
    assert arrays.labels.tolist() == [0, 0, 1, 1]
    assert arrays.grey.std() > 10


def test_phases_that_do_not_fit_are_reported(tmp_path: Path) -> None:
    workbooks(tmp_path, {"Breast_MRI_001": 0})
    study(tmp_path, "Breast_MRI_001", ("ax dyn pre", "ax dyn 1st pass", "ax dyn 2nd pass"), slices=6)
    with pytest.raises(CohortError, match="1: annotation box beyond the last slice"):
        load_cohort("duke_breast_mri", tmp_path)


def test_slice_layout_finds_images_by_stem(tmp_path: Path) -> None:
    workbooks(tmp_path, {"Breast_MRI_001": 1, "Breast_MRI_002": 0})
    (tmp_path / "slices.csv").write_text(
        "pid,slice_index,bbox_x,bbox_y,bbox_w,bbox_h\n"
        "Breast_MRI_001,6,1,2,3,4\nBreast_MRI_002,7,1,2,3,4\nBreast_MRI_009,7,1,2,3,4\n"
    )
    (tmp_path / "images").mkdir()
    colours = np.stack([np.full((8, 8), v, np.uint8) for v in (10, 60, 110)], axis=-1)
    for stem in ("Breast_MRI_001_slice_006.tif", "Breast_MRI_009_slice_007.png"):
        Image.fromarray(colours).save(tmp_path / "images" / stem)
    cohort = load_cohort("duke_breast_mri", tmp_path, task="grade")
    (case,) = cohort.cases
    assert (case.label, case.boxes) == ("high", ((1.0, 2.0, 4.0, 6.0),))
    assert np.allclose(read_channels(case)[:, 0, 0] * 255, (10, 60, 110))
    assert "er" not in case.clinical  # from the tissue that was graded
    assert dict(cohort.dropped) == {"image file missing": 1, "patient not in the clinical workbook": 1}


@pytest.mark.data
def test_real_workbooks_and_slices(data_dir: Path) -> None:
    root = data_dir / "duke_breast_mri"
    patients, boxes = read_clinical(root), read_boxes(root)
    assert len(boxes) == 922
    assert set(patients) <= set(boxes)
    first = patients["Breast_MRI_001"]
    assert first.code("Tumor Grade") == 3  # the first of three columns under this name
    assert "Shape" not in first.cells  # NC: not collected
    assert len({p.code("Staging(Nodes)") for p in patients.values()}) == 5
    for task in ("nodal_status", "grade"):
        cohort = load_cohort("duke_breast_mri", root, task=task)
        labels = [c.label for c in cohort.cases]
        # Two slices a patient of 218; what the workbook does not state is dropped, not guessed.
        assert (tuple(labels.count(c) for c in cohort.classes), dict(cohort.dropped)) == {
            "nodal_status": ((258, 170), {"nodal_status not stated": 8}),
            "grade": ((204, 102), {"grade not stated": 130}),
        }[task]
        for case in cohort.cases:
            cohort.schema.record(case.clinical)
        x0, y0, x1, y1 = cohort.cases[0].boxes[0]
        assert 0 <= x0 < x1 <= 224
        assert 0 <= y0 < y1 <= 224
    assert read_grey(cohort.cases[0].image).shape == (224, 224)


def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    workbooks(tmp_path, {"Breast_MRI_001": 0})
    boxes = tmp_path / "Annotation_Boxes.xlsx"
    table = pd.read_excel(boxes).astype(object)
    table.loc[0, "End Row"] = "far"
    table.to_excel(boxes, index=False)
    with pytest.raises(CohortError, match=r"Row 2 of Annotation_Boxes.xlsx: bounds must be whole numbers; got 'far'"):
        read_boxes(tmp_path)
    boxes.write_bytes(b"PK no zip")
    with pytest.raises(CohortError, match=r"Annotation_Boxes.xlsx is not the Duke workbook"):
        read_boxes(tmp_path)
