"""Phantoms as DICOM objects, and the samples that ship."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config

from mmxai_core.errors import ClinicalValueError
from mmxai_core.phantom import (
    MRI_SAMPLES,
    SAMPLES,
    Phantom,
    PhantomSpec,
    make_phantom,
    phantom_dataset,
    phantom_dicom,
    write_samples,
)
from mmxai_core.phantom.__main__ import main

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "samples"

# PS3.3 A.6.4-1 with the modules' own tables: Patient, General Study, General Series, General Equipment, General Image,
# Image Pixel, US Image, US Region Calibration, SOP Common.
TYPE_1 = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "SequenceOfUltrasoundRegions",
]
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "Laterality",
    "Manufacturer",
    "InstanceNumber",
    "PatientOrientation",
    "ImageType",
]
REGION_TYPE_1 = [
    "RegionLocationMinX0",
    "RegionLocationMinY0",
    "RegionLocationMaxX1",
    "RegionLocationMaxY1",
    "PhysicalUnitsXDirection",
    "PhysicalUnitsYDirection",
    "PhysicalDeltaX",
    "PhysicalDeltaY",
    "RegionSpatialFormat",
    "RegionDataType",
    "RegionFlags",
]


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(PhantomSpec(label="benign", laterality="R"), seed=1, clinical={"age": 44})


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom raises on every value that breaks its VR's rule, on reading and on writing."""
    monkeypatch.setattr(config.settings, "_writing_validation_mode", config.RAISE)
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.RAISE)


def read(content: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(content))


def test_object_is_valid_and_complete(phantom: Phantom, strict: None) -> None:
    ds = read(phantom_dicom(phantom))
    for keyword in TYPE_1:
        assert keyword in ds and not ds[keyword].is_empty, keyword
    for keyword in TYPE_2:
        assert keyword in ds, keyword
    region = ds.SequenceOfUltrasoundRegions[0]
    for keyword in REGION_TYPE_1:
        assert keyword in region and not region[keyword].is_empty, keyword
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPClassUID.name == "Ultrasound Image Storage"
    for uid in (ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.file_meta.ImplementationClassUID):
        assert uid.is_valid and uid.startswith("2.25.")
    for element in ds.iterall():
        assert element.VR != "UN" and not element.tag.is_private


def test_pixels_and_calibration_round_trip(phantom: Phantom) -> None:
    ds = read(phantom_dicom(phantom))
    assert np.array_equal(ds.pixel_array, phantom.pixels)
    region = ds.SequenceOfUltrasoundRegions[0]
    assert region.PhysicalUnitsXDirection == region.PhysicalUnitsYDirection == 3  # cm
    assert (region.PhysicalDeltaY * 10, region.PhysicalDeltaX * 10) == pytest.approx(phantom.spacing_mm)
    x0, y0, x1, y1 = phantom.field_box
    inside = (region.RegionLocationMinX0, region.RegionLocationMinY0)
    assert inside == (x0, y0)
    assert (region.RegionLocationMaxX1, region.RegionLocationMaxY1) == (x1 - 1, y1 - 1)


def test_tags_say_that_it_is_synthetic(phantom: Phantom) -> None:
    ds = phantom_dataset(phantom, number=7)
    assert ds.ImageType == ["DERIVED", "SECONDARY", "SYNTHETIC"]
    assert ds.SyntheticData == "YES"
    assert ds.ImageComments == "SYNTHETIC phantom, not a patient"
    assert (ds.PatientName, ds.PatientID, ds.PatientSex) == ("SYNTHETIC^PHANTOM", "SYNTH-0007", "F")
    assert (ds.Modality, ds.Laterality, ds.PatientAge) == ("US", "R", "044Y")


def test_age_is_left_out_where_it_is_unknown() -> None:
    quiet = make_phantom(PhantomSpec(label="benign"), seed=1, clinical={})
    assert "PatientAge" not in phantom_dataset(quiet)


def test_uids_follow_the_phantom(phantom: Phantom) -> None:
    other = make_phantom(phantom.spec, seed=2, clinical={})
    a, b = phantom_dataset(phantom), phantom_dataset(other)
    assert a.SOPInstanceUID == phantom_dataset(phantom).SOPInstanceUID
    assert len({a.SOPInstanceUID, a.StudyInstanceUID, a.SeriesInstanceUID, b.SOPInstanceUID, b.StudyInstanceUID}) == 5


def test_running_number_out_of_range_is_refused(phantom: Phantom) -> None:
    with pytest.raises(ClinicalValueError, match="10000"):
        phantom_dataset(phantom, number=10000)


def test_shipped_samples_are_made_again_byte_for_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.count(".dcm") == 10
    shipped = sorted(p.name for p in ASSETS.iterdir())
    assert shipped == sorted([*(s.file for s in (*SAMPLES, *MRI_SAMPLES)), "samples.json"])
    for name in shipped:
        assert (tmp_path / "new" / name).read_bytes() == (ASSETS / name).read_bytes(), name


def test_index_matches_the_files() -> None:
    index = json.loads((ASSETS / "samples.json").read_text(encoding="utf-8"))
    assert index["synthetic"] is True
    assert {e["truth"] for e in index["samples"] if e["cohort"] == "breast_lesions_usg"} == {"benign", "malignant"}
    assert {e["truth"] for e in index["samples"] if e["cohort"] != "breast_lesions_usg"} == {""}
    for entry in index["samples"]:
        ds = pydicom.dcmread(ASSETS / entry["file"])
        assert (ASSETS / entry["file"]).stat().st_size < 300_000
        assert ds.get("PatientAge") == (f"{entry['clinical']['age']:03d}Y" if "age" in entry["clinical"] else None)
        assert 0 < len(entry["clinical"]) < 18  # some fields are left unknown
        assert "not a patient" in entry["expected"]
        assert not {"benign", "malignant"} & set(entry["title"].lower().split())


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises(ClinicalValueError, match="cannot be written"):
        write_samples(tmp_path / "file")
