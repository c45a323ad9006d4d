"""Every real file there is: opened or refused with a reason, in time, within memory."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.errors import StudyReadError
from mmxai_core.io import ReadLimits, read_files, read_study
from mmxai_core.io.sandbox import ReadCost, read_in_child
from mmxai_core.study import Study

pytestmark = [pytest.mark.data, pytest.mark.slow]

GIB = 1024**3
SECONDS = 30.0


def attempt(path: Path) -> tuple[Study | str, ReadCost]:
    costs: list[ReadCost] = []
    try:
        outcome: Study | str = read_in_child(
            [(path.name, path.read_bytes())], ReadLimits(seconds=SECONDS), observe=costs.append
        )
    except StudyReadError as error:
        outcome = str(error)
    return outcome, costs[0]


def test_robustness_files_open_or_are_refused_with_a_reason(data_dir):
    root = data_dir / "dicom_robustness"
    rows = list(csv.DictReader((root / "INDEX.csv").open()))
    assert len(rows) == 149
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda row: attempt(root / row["file"]), rows))
    for row, (outcome, cost) in zip(rows, outcomes, strict=True):
        name = row["file"]
        assert cost.seconds < SECONDS, name
        assert cost.peak_bytes is not None and cost.peak_bytes < GIB, name
        if row["decode"].startswith("("):
            assert isinstance(outcome, Study), f"{name}: {outcome}"
            assert outcome.images[0].geometry.shape == (float(row["Rows"]), float(row["Columns"])), name
            assert len(outcome.images) == int(row["NumberOfFrames"] or 1), name
        elif isinstance(outcome, str):
            assert outcome.endswith(".") and "\n" not in outcome and "its decoder stopped" not in outcome, (
                f"{name}: {outcome}"
            )
        else:
            assert name.endswith(".gz"), name  # a gzipped DICOM object, which INDEX.csv's reader did not unpack


def test_ct_slices_open_with_age_and_spacing(data_dir):
    for path in sorted((data_dir / "tcga_luad_ct_dicom").glob("*.dcm"))[:4]:
        study = read_study(path.read_bytes(), path.name)
        assert study.modality == "CT" and study.images[0].geometry.spacing_mm is not None
        assert study.patient_age_years == pytest.approx(float(path.name.split("_")[3]))


def test_ct_slices_of_different_patients_are_refused_together(data_dir):
    paths = sorted((data_dir / "tcga_luad_ct_dicom").glob("*.dcm"))[:2]
    with pytest.raises(StudyReadError, match="more than one patient"):
        read_files([(path.name, path.read_bytes()) for path in paths])


def test_uploaded_originals_flatten_to_the_grey_of_the_cohort(data_dir):
    folder = data_dir / "breast_lesions_usg"
    paths = sorted((folder / "originals_rgba").glob("*.png"))
    assert len(paths) == 12
    with ThreadPoolExecutor(2) as pool:
        studies = list(pool.map(lambda path: read_study(path.read_bytes(), path.name), paths))
    for path, study in zip(paths, studies, strict=True):
        flat = np.asarray(Image.open(folder / "BrEaST-Lesions_USG-images_and_masks" / path.name).convert("L"))
        assert study.images[0].label == path.stem
        np.testing.assert_allclose(study.images[0].grey * 255, flat, atol=1.01)


def test_tiff_and_jpeg_examples_open(data_dir):
    paths = [*(data_dir / "tcga_lgg_mri" / "raw_tif_examples").iterdir()]
    paths += sorted((data_dir / "bus_bra" / "Images").glob("*.jpg"))[:2]
    for path in paths:
        study = read_study(path.read_bytes(), path.name)
        with Image.open(path) as picture:
            assert study.images[0].geometry.shape == (picture.height, picture.width)
