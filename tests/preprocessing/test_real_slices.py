"""Real slices of each cohort that the project holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmxai_core.cohorts.case import Case
from mmxai_core.cohorts.registry import load_cohort
from mmxai_core.preprocessing.prepared import prepare_case
from mmxai_core.preprocessing.recipes import cook
from mmxai_core.preprocessing.settings import PreprocessSettings
from mmxai_core.preprocessing.source import files_of, modality_of, read_source

pytestmark = pytest.mark.data
SETTINGS = PreprocessSettings(on=True)


@pytest.mark.parametrize(
    ("name", "folder", "task"),
    [("duke_breast_mri", "duke_breast_mri", "nodal_status"), ("tcga_lgg", "tcga_lgg_mri", "grade")],
)
def test_mr_slices_have_a_foreground_on_one_scale(data_dir: Path, name: str, folder: str, task: str) -> None:
    cohort = load_cohort(name, data_dir / folder, task=task)
    cases = cohort.cases[:: max(1, len(cohort.cases) // 6)][:6]
    for case in cases:
        assert modality_of(case, cohort=name, stated="") == "MR" and len(files_of(case)) == 1 + len(case.masks)
        got = prepare_case(case, "MR", SETTINGS)
        numbers = got.account["numbers"]
        assert got.levels.shape[0] == 3 and min(got.levels.shape[1:]) >= 64
        assert len(numbers["bias_spread"]) == (1 if name == "duke_breast_mri" else 3)
        assert all(0 < s < 1 for s in numbers["bias_spread"]) and 0.1 < numbers["foreground_share"] <= 1
        low, high = numbers["z_of_grey"]
        z = got.planes * (high - low) + low
        assert abs(float(np.median(z[:, z.shape[1] // 4 : -z.shape[1] // 4, z.shape[2] // 4 : -z.shape[2] // 4]))) < 1.5
        assert numbers.get("lesion_cut_off", 0.0) == 0.0
        assert all(x1 > 0 and y1 > 0 for _, _, x1, y1 in got.boxes)


def test_ct_slices_are_hounsfield_units_of_the_body(data_dir: Path) -> None:
    paths = sorted((data_dir / "tcga_luad_ct_dicom").glob("*.dcm"))[:4]
    assert paths
    for path in paths:
        case = Case("c", "p", path)
        assert modality_of(case, cohort="tcga_luad", stated="") == "CT"
        source = read_source(case, "CT")
        assert source.hounsfield and source.spacing_mm is not None and float(source.planes.min()) <= -900
        uncut = cook(source, "CT", replace(SETTINGS, crop=False))
        assert 0.1 < uncut.numbers["foreground_share"] < 0.95
        got = prepare_case(case, "CT", SETTINGS)
        assert got.levels.shape[1] < source.planes.shape[1] + 30 and got.account["steps"][0].startswith("HU")
        corners = uncut.planes[0][[0, 0, -1, -1], [0, -1, 0, -1]]
        assert corners.max() == 0.0


@pytest.mark.parametrize(("name", "folder"), [("breast_lesions_usg",) * 2, ("bus_bra",) * 2])
def test_ultrasound_lesions_survive_the_cut(data_dir: Path, name: str, folder: str) -> None:
    cohort = load_cohort(name, data_dir / folder)
    for case in cohort.cases[:: len(cohort.cases) // 8][:8]:
        got = prepare_case(case, modality_of(case, cohort=name, stated=""), SETTINGS)
        assert got.account["numbers"]["lesion_cut_off"] < 0.02
        assert got.lesion is not None and got.lesion.any()
