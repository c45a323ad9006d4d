"""Mammograms in CBIS-DDSM's own layout, from the tables to prepared pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from generated_dicom import uid, write_dicom, write_table
from preprocessing.generated_pictures import mammogram

from mmxai_core.cohorts.registry import load_cohort
from mmxai_core.preprocessing.cache import read_prepared
from mmxai_core.preprocessing.run import preprocess_cohort
from mmxai_core.preprocessing.settings import PreprocessSettings

HEADER = (
    "patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "mass shape", "mass margins", "assessment", "pathology", "subtlety", "image file path", "cropped image file path",
    "ROI mask file path",
)  # fmt: skip


def _write(root: Path) -> None:
    """Two patients: the same film of a left breast, and the same put in mirrored, as a right one's."""
    stored = np.round(mammogram() * 4095).astype(np.uint16)
    lesion = np.zeros(stored.shape, np.uint8)
    lesion[180:220, 60:100] = 255
    rows: list[tuple[str, ...]] = [HEADER]
    for patient, side in (("P_00001", "LEFT"), ("P_00002", "RIGHT")):
        name = f"Mass-Training_{patient}_{side}_CC"
        full, part = f"{name}/{uid(name)}/{uid(name, 'full')}", f"{name}_1/{uid(name)}/{uid(name, 1)}"
        turned = [np.ascontiguousarray(x[:, ::-1]) if side == "RIGHT" else x for x in (stored, lesion)]
        write_dicom(root / full / "1-1.dcm", turned[0], PatientID=name, Modality="MG")
        write_dicom(root / part / "1-1.dcm", turned[0][170:230, 100:200].copy(), Modality="MG")
        write_dicom(root / part / "1-2.dcm", turned[1], Modality="MG")
        paths = (f"{full}/000000.dcm", f"{part}/000000.dcm", f"{part}/000001.dcm")
        rows.append((patient, "2", side, "CC", "1", "mass", "OVAL", "CIRCUMSCRIBED", "4", "BENIGN", "3", *paths))
    write_table(root / "mass_case_description_train_set.csv", rows, ",")
    write_table(root / "mass_case_description_test_set.csv", [HEADER], ",")


def test_both_sides_come_out_alike_with_their_lesions(tmp_path: Path) -> None:
    _write(tmp_path / "cbis")
    cohort = load_cohort("cbis_ddsm", tmp_path / "cbis", task="mass")
    assert [c.strata["side"].lower() for c in cohort.cases] == ["left", "right"] and all(c.masks for c in cohort.cases)
    report = preprocess_cohort(cohort, tmp_path / "cache", settings=PreprocessSettings(on=True))
    found = report.to_json()
    assert (found["made"], found["modalities"], found["mirrored"], found["lesions_cut"]) == (2, {"MG": 2}, 1, 0)
    left, right = (read_prepared(tmp_path / "cache", o.key) for o in report.outcomes)
    assert left is not None and right is not None and left.lesion is not None and right.lesion is not None
    assert np.array_equal(left.levels, right.levels) and np.array_equal(left.lesion, right.lesion)
    assert left.lesion.sum() == 1600
    label = left.planes[0][:, -60:]  # the film's label lay at the far side, beyond the cut or blackened
    assert float(label[:40].max()) == 0.0
