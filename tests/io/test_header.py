"""Facts from headers: age, sex, laterality, view, synthetic mark, spacing."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mmxai_core.io.header import age_years, is_synthetic, laterality, sex, view
from mmxai_core.io.limits import ReadLimits
from mmxai_core.io.reading import Reading
from mmxai_core.io.spacing import geometry

SHAPE = (16, 16)


def header(**tags) -> Dataset:
    ds = Dataset()
    for keyword, wanted in tags.items():
        setattr(ds, keyword, wanted)
    return ds


def reading() -> Reading:
    return Reading(ReadLimits())


def code(value: str, meaning: str) -> Dataset:
    return header(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)


@pytest.mark.parametrize(
    ("stated", "years"),
    [("045Y", 45.0), ("45Y", 45.0), ("018M", 1.5), ("026W", 0.498), ("010D", 0.027), ("062", 62.0), ("abc", None)],
)
def test_age_from_patient_age(stated, years):
    assert age_years(header(PatientAge=stated), reading()) == (
        None if years is None else pytest.approx(years, abs=1e-3)
    )


def test_age_from_dates():
    assert age_years(header(PatientBirthDate="19700101", StudyDate="20200702"), reading()) == pytest.approx(
        50.5, abs=0.01
    )


@pytest.mark.parametrize(
    ("born", "seen"), [("20200101", "20200101"), ("20210101", "20200101"), ("19991399", "20200101")]
)
def test_impossible_dates_leave_age_unknown(born, seen):
    assert age_years(header(PatientBirthDate=born, StudyDate=seen), reading()) is None


def test_age_400_is_left_unknown_and_said():
    mine = reading()
    assert age_years(header(PatientAge="400Y"), mine) is None
    assert "(0010,1010)" in mine.notes[0] and "400" in mine.notes[0]


@pytest.mark.parametrize(("stated", "expected"), [("F", "F"), ("m", "M"), ("O", "O"), ("", None), ("X", None)])
def test_sex(stated, expected):
    assert sex(header(PatientSex=stated)) == expected


def test_laterality_of_the_image_comes_before_that_of_the_series():
    assert laterality(header(ImageLaterality="R", Laterality="L")) == "R"
    assert laterality(header(Laterality="L")) == "L"
    assert laterality(header(ImageLaterality="U")) is None
    assert laterality(header()) is None


def test_laterality_of_a_frame():
    groups = [header(FrameAnatomySequence=[header(FrameLaterality=side)]) for side in "LR"]
    ds = header(PerFrameFunctionalGroupsSequence=groups)
    assert [laterality(ds, index) for index in (0, 1)] == ["L", "R"]


def test_view_from_position_code_or_meaning():
    assert view(header(ViewPosition="mlo")) == "MLO"
    assert view(header(ViewCodeSequence=[code("399162004", "cranio-caudal")])) == "CC"
    assert view(header(ViewCodeSequence=[code("1", "anti-radial")])) == "anti-radial"
    assert view(header()) is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "SYNTHETIC"]}, True),
        ({"ImageComments": "SYNTHETIC phantom, not a patient"}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY"], "ImageComments": "no synthetic part"}, False),
        ({}, False),
    ],
)
def test_synthetic_mark(tags, expected):
    assert is_synthetic(header(**tags)) is expected


def us_region(delta_y: float, delta_x: float, corner: int, **tags) -> Dataset:
    return header(
        PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=delta_x, PhysicalDeltaY=delta_y,
        RegionLocationMinX0=0, RegionLocationMinY0=0, RegionLocationMaxX1=corner, RegionLocationMaxY1=corner, **tags,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "spacing", "source"),
    [
        ({"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [1, 1]}, (0.5, 0.25), "PixelSpacing (0028,0030)"),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2), "ImagerPixelSpacing (0018,1164), at the detector"),
        ({"NominalScannedPixelSpacing": [0.3, 0.3]}, (0.3, 0.3), "NominalScannedPixelSpacing (0018,2010)"),
        ({}, None, None),
    ],
)
def test_spacing_and_its_source(tags, spacing, source):
    found = geometry(header(**tags), SHAPE, 0, reading())
    assert (found.spacing_mm, found.spacing_source) == (spacing, source)


def test_ultrasound_spacing_in_mm_of_the_largest_tissue_region():
    mine = reading()
    regions = [us_region(0.01, 0.02, 50), us_region(-0.03, 0.04, 400), us_region(0.9, 0.9, 900, RegionDataType=3)]
    found = geometry(header(SequenceOfUltrasoundRegions=regions), SHAPE, 0, mine)
    assert found.spacing_mm == pytest.approx((0.3, 0.4))
    assert "(0018,6011)" in found.spacing_source
    assert "different scales" in mine.notes[0]


def test_spacing_of_a_frame():
    groups = [header(PixelMeasuresSequence=[header(PixelSpacing=[step, step])]) for step in (0.5, 0.7)]
    found = geometry(header(PerFrameFunctionalGroupsSequence=groups, PixelSpacing=[9, 9]), SHAPE, 1, reading())
    assert found.spacing_mm == (0.7, 0.7)


@pytest.mark.parametrize("stated", [[0, 0], [-1, 1], [0.5]])
def test_impossible_spacing_is_ignored_and_said(stated):
    mine = reading()
    found = geometry(header(PixelSpacing=stated, ImagerPixelSpacing=[0.1, 0.1]), SHAPE, 0, mine)
    assert found.spacing_mm == (0.1, 0.1)
    assert "(0028,0030)" in mine.notes[0]


def test_pixel_aspect_without_spacing_is_noted():
    mine = reading()
    assert geometry(header(PixelAspectRatio=[4, 3]), SHAPE, 0, mine).spacing_mm is None
    assert "4:3" in mine.notes[0]


def test_facts_reach_the_study(make_dicom, read_here):
    pixels = np.zeros((8, 8), np.uint8)
    study = read_here(
        make_dicom(
            pixels,
            Modality="MG",
            PatientAge="051Y",
            PatientSex="F",
            ImageLaterality="L",
            ViewPosition="CC",
            ImageComments="SYNTHETIC phantom, not a patient",
        )
    )
    assert (study.modality, study.patient_age_years, study.patient_sex) == ("MG", 51.0, "F")
    assert (study.laterality, study.images[0].view, study.images[0].label) == ("L", "CC", "L CC")
    assert study.synthetic
    assert study.transfer_syntax == "Explicit VR Little Endian"
