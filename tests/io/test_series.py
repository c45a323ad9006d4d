"""Order along the normal, duplicates, gaps, and what is kept of several series."""

from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import StudyReadError
from mmxai_core.io.series import Slice, order_slices

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def at(z: float, number: float = 0.0, orientation=AXIAL) -> Slice:
    return Slice((0.0, 0.0, z), orientation, number)


def test_slices_are_sorted_by_position_not_by_number():
    found = order_slices([at(5.0, 1), at(-2.5, 2), at(0.0, 3), at(2.5, 4)])
    assert found.indices == (1, 2, 3, 0)
    assert found.by_position and found.notes == ()


def test_oblique_slices_are_sorted_along_their_normal():
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    normal = np.cross(basis[0], basis[1])
    shuffled = rng.permutation(8)
    # A drift inside the plane, larger than the step along the normal, must not matter.
    slices = [Slice(tuple(normal * k + basis[0] * 40 * (k % 3)), (*basis[0], *basis[1]), 0) for k in shuffled]
    assert [int(shuffled[i]) for i in order_slices(slices).indices] == list(range(8))


def test_duplicates_are_dropped_and_noted():
    found = order_slices([at(0, 4), at(1, 2), at(0, 3), at(2, 1)])
    assert found.indices == (2, 1, 3)
    assert "already shown: 1" in found.notes[0]


def test_uneven_spacing_is_noted_in_mm():
    found = order_slices([at(z) for z in (0.0, 2.5, 5.0, 10.0)])
    assert "2.50 to 5.00 mm" in found.notes[0]


def test_other_orientations_are_left_out_and_noted():
    localizer = Slice((0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 0)
    found = order_slices([localizer, at(1), at(0), at(2)])
    assert found.indices == (2, 1, 3)
    assert "2 slice orientations" in found.notes[0]


def test_without_positions_the_instance_number_decides_and_it_is_said():
    found = order_slices([Slice(None, None, 3), Slice(None, None, 1), at(0, 2)])
    assert found.indices == (1, 2, 0)
    assert not found.by_position
    assert "Instance Number" in found.notes[0]


def slice_file(make_dicom, value: int, z: float, **tags) -> bytes:
    tags = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": list(AXIAL), **tags}
    return make_dicom(np.full((8, 8), value, np.uint8), **tags)


def test_zipped_series_comes_out_in_spatial_order(make_dicom, make_zip, read_here):
    files = {f"IM{n}": slice_file(make_dicom, 10 * z, z, InstanceNumber=n) for n, z in enumerate([3, 0, 2, 1])}
    study = read_here(make_zip(files))
    assert [round(float(i.pixels[0, 0]) * 255) for i in study.images] == [0, 10, 20, 30]
    assert [i.label for i in study.images] == ["Slice 1", "Slice 2", "Slice 3", "Slice 4"]
    assert study.source_format == "zip" and study.notes == ()


def test_loose_files_of_a_series_are_one_study(make_dicom, read_here):
    study = read_here([(f"{z}.dcm", slice_file(make_dicom, z, z)) for z in (2, 1)])
    assert [round(float(i.pixels[0, 0]) * 255) for i in study.images] == [1, 2]
    assert study.source_format == "dicom"


def test_copies_are_left_out(make_dicom, make_zip, read_here):
    one, two = slice_file(make_dicom, 1, 1), slice_file(make_dicom, 2, 2)
    study = read_here(make_zip({"a": one, "b": two, "c": one}))
    assert len(study.images) == 2
    assert "repeats: 1." in study.notes[0]


def test_largest_of_several_series_is_shown_and_said(make_dicom, make_zip, read_here):
    files = {f"a{z}": slice_file(make_dicom, 1, z) for z in range(2)}
    files |= {f"b{z}": slice_file(make_dicom, 2, z, SeriesInstanceUID="1.2.9") for z in range(3)}
    study = read_here(make_zip(files))
    assert [round(float(i.pixels[0, 0]) * 255) for i in study.images] == [2, 2, 2]
    assert "2 series" in study.notes[0] and "3 of 5" in study.notes[0]


def test_mammography_views_in_their_own_series_are_all_kept(make_dicom, make_zip, read_here):
    views = [("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")]
    files = {
        f"{n}.dcm": make_dicom(
            np.zeros((8, 8), np.uint16), Modality="MG", ImageLaterality=side, ViewPosition=position,
            SeriesInstanceUID=f"1.2.{n}", SeriesNumber=n, WindowCenter=100, WindowWidth=200,
        )
        for n, (side, position) in enumerate(views)
    }  # fmt: skip
    study = read_here(make_zip(files))
    assert [(i.laterality, i.view) for i in study.images] == views
    assert [i.label for i in study.images] == ["R CC", "L CC", "R MLO", "L MLO"]


def test_two_patients_in_one_zip_are_refused(make_dicom, make_zip, read_here):
    files = {"a": slice_file(make_dicom, 1, 1), "b": slice_file(make_dicom, 1, 2, PatientID="OTHER-99")}
    with pytest.raises(StudyReadError, match="more than one patient") as error:
        read_here(make_zip(files))
    assert "OTHER" not in str(error.value)


def test_series_without_window_has_one_range(make_dicom, make_zip, read_here):
    files = {
        f"{z}": make_dicom(
            np.full((8, 8), 1000 * (z + 1), np.uint16),
            ImagePositionPatient=[0, 0, z],
            ImageOrientationPatient=list(AXIAL),
        )
        for z in range(3)
    }
    study = read_here(make_zip(files))
    assert {i.value_range for i in study.images} == {(1000.0, 3000.0)}
    assert [float(i.pixels.max()) for i in study.images] == [0.0, 0.5, 1.0]
    assert "of the series" in study.images[0].display[-1]


def test_reports_beside_images_are_left_out_and_said(make_dicom, make_zip, read_here):
    report = make_dicom(None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR")
    study = read_here(make_zip({"a": slice_file(make_dicom, 1, 1), "sr": report, "notes.txt": b"hello there"}))
    assert len(study.images) == 1
    assert any("structured report" in note for note in study.notes)
    assert any("not DICOM: 1 of 3." in note for note in study.notes)


def test_total_size_of_a_series_is_checked_before_decoding(make_dicom, make_zip, read_here):
    files = {f"{z}": slice_file(make_dicom, 1, z) for z in range(4)}
    with pytest.raises(StudyReadError, match=r"192 pixel values; the limit is 150"):
        read_here(make_zip(files), total_values=150)
