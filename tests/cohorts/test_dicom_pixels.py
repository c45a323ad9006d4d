from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated_dicom import flat, write_dicom, write_series

from mmxai_core.cohorts.case import Case, Channel, read_grey, read_masks
from mmxai_core.cohorts.channels import read_channels
from mmxai_core.cohorts.dicom_pixels import modality_values
from mmxai_core.cohorts.dicom_tree import at_depths, by_instance, read_series
from mmxai_core.errors import CohortError


def test_grey_follows_the_window_and_inversion_of_the_header(tmp_path: Path) -> None:
    ramp = np.arange(0, 400, dtype=np.uint16).reshape(20, 20)
    tags = {"WindowCenter": 100, "WindowWidth": 100, "RescaleSlope": 1, "RescaleIntercept": -100, "Modality": "CT"}
    path = write_dicom(tmp_path / "a.dcm", ramp, **tags)
    grey = read_grey(path).ravel()
    # Modality values are stored - 100; the window runs from 50 to 149 (PS3.3 C.11.2.1.2).
    assert grey[150] == 0
    assert grey[249] == 1
    assert 0.4 < grey[200] < 0.6
    assert modality_values(path).ravel()[[0, 399]].tolist() == [-100, 299]
    inverted = write_dicom(tmp_path / "b.dcm", ramp, **tags, PhotometricInterpretation="MONOCHROME1")
    assert np.allclose(read_grey(inverted).ravel(), 1 - grey)


@pytest.mark.parametrize(("level", "dtype"), [(1, np.uint8), (255, np.uint8), (65535, np.uint16)])
def test_masks_of_any_full_scale(tmp_path: Path, level: int, dtype: type) -> None:
    mask = np.zeros((8, 6), dtype)
    mask[2:4, 1:5] = level
    path = write_dicom(tmp_path / "mask.dcm", mask)
    assert read_masks((path,), (8, 6)).sum() == 8
    with pytest.raises(CohortError, match=r"is \(8, 6\), its image \(9, 9\)"):
        read_masks((path,), (9, 9))


def test_damaged_files_get_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("not an image")
    whole = write_dicom(tmp_path / "cut.dcm", flat(0)).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-100])
    for name in ("text.dcm", "cut.dcm", "absent.dcm"):
        for read in (read_grey, modality_values):
            with pytest.raises(CohortError, match=name):
                read(tmp_path / name)
    with pytest.raises(CohortError, match=r"text\.dcm is not a DICOM file"):
        read_series(tmp_path)


def test_planes_must_be_of_one_size(tmp_path: Path) -> None:
    one, two = write_dicom(tmp_path / "1.dcm", flat(0)), write_dicom(tmp_path / "2.dcm", flat(0, (8, 8)))
    case = Case("c", "p", one, channels=(Channel("pre", one), Channel("early", two)))
    with pytest.raises(CohortError, match=r"differ in size: pre .24, 20., early .8, 8."):
        read_channels(case)
    assert read_channels(Case("c", "p", one)).shape == (1, 24, 20)


def test_loose_files_of_several_patients_are_told_apart(tmp_path: Path) -> None:
    for patient in ("A", "B"):
        files = write_series(tmp_path / patient, patient=patient, modality="CT", description="x", slices=[flat(0)] * 3)
        for file in files:
            file.rename(tmp_path / f"{file.stem}-{patient}.dcm")
    found = read_series(tmp_path)
    assert [(s.patient_id, len(s.files)) for s in found] == [("A", 3), ("B", 3)]
    # These names do not count 1 to n, so the headers do.
    assert [f.name for f in by_instance(found[0])] == ["1-001-A.dcm", "1-002-A.dcm", "1-003-A.dcm"]


@pytest.mark.parametrize(
    ("count", "places"), [(0, ()), (1, (0,)), (2, (0, 1)), (3, (1,)), (5, (2,)), (21, (8, 12)), (100, (40, 59))]
)
def test_key_depths(count: int, places: tuple[int, ...]) -> None:
    assert at_depths(range(count), (0.4, 0.6)) == places
