"""NIfTI, MetaImage and NRRD: slices, orientation, spacing, and headers that point elsewhere."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its own short name

from mmxai_core.errors import StudyReadError
from mmxai_core.io.orient import through_plane

VOXELS = np.random.default_rng(4).integers(0, 1000, (5, 6, 7)).astype(np.int16)  # k, j, i


def write(
    path: Path, voxels: np.ndarray = VOXELS, *, spacing=(0.5, 0.6, 3.0), orientation: str = "LPS", **options
) -> bytes:
    image = sitk.GetImageFromArray(voxels, **options)
    image.SetSpacing(spacing[: image.GetDimension()])
    if image.GetDimension() == 3 and orientation != "LPS":
        image.SetDirection(sitk.DICOMOrientImageFilter.GetDirectionCosinesFromOrientation(orientation))
    sitk.WriteImage(image, str(path))
    return path.read_bytes()


def windowed(voxels: np.ndarray) -> np.ndarray:
    low, high = np.percentile(voxels, [0.5, 99.5])
    return np.clip((voxels - low) / (high - low), 0, 1)


@pytest.mark.parametrize(
    ("name", "source_format", "source"),
    [
        ("v.nii", "nifti", "NIfTI pixdim"),
        ("v.nii.gz", "nifti", "NIfTI pixdim"),
        ("v.mha", "metaimage", "MetaImage ElementSpacing"),
        ("v.nrrd", "nrrd", "NRRD space directions"),
    ],
)
def test_formats_give_the_same_slices(tmp_path, read_here, name, source_format, source):
    study = read_here(write(tmp_path / name), name)
    assert study.source_format == source_format
    assert np.allclose([i.pixels for i in study.images], windowed(VOXELS), atol=1e-6)
    assert study.images[0].geometry.spacing_mm == pytest.approx((0.6, 0.5))
    assert study.images[0].geometry.spacing_source == source
    assert study.images[0].label == "Axial slice 1"
    assert "of the volume" in study.images[0].display[-1]


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "ASL", "SPR", "PIR"])
def test_slices_are_turned_for_reading_as_simpleitk_would(tmp_path, read_here, orientation):
    path = tmp_path / "v.nii"
    data = write(path, spacing=(1.0, 1.0, 4.0), orientation=orientation)
    study = read_here(data)
    lps = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))  # z, y, x
    through = {"L": 2, "R": 2, "A": 1, "P": 1, "S": 0, "I": 0}[orientation[2]]
    expected = np.moveaxis(windowed(lps), through, 0)
    if through != 0:
        expected = expected[:, ::-1]  # rows run from the head down
    assert np.allclose([i.pixels for i in study.images], expected, atol=1e-6)
    assert study.images[0].label.startswith({0: "Axial", 1: "Coronal", 2: "Sagittal"}[through])


@pytest.mark.parametrize(("spacing", "axis"), [((1, 1, 5), 2), ((5, 1, 1), 0), ((1, 1, 1), 2), ((1.2, 1, 1), 2)])
def test_through_plane_axis(spacing, axis):
    assert through_plane(spacing) == axis


def test_header_and_raw_data_in_one_zip(tmp_path, make_zip, read_here):
    write(tmp_path / "v.mhd")
    study = read_here(
        make_zip({"a/v.mhd": (tmp_path / "v.mhd").read_bytes(), "a/v.raw": (tmp_path / "v.raw").read_bytes()})
    )
    assert np.allclose([i.pixels for i in study.images], windowed(VOXELS), atol=1e-6)
    assert study.source_format == "zip" and study.notes == ()


def test_detached_nrrd_as_loose_files(tmp_path, read_here):
    write(tmp_path / "v.nhdr")
    names = [path.name for path in tmp_path.iterdir() if path.is_file()]
    study = read_here([(name, (tmp_path / name).read_bytes()) for name in names])
    assert np.allclose([i.pixels for i in study.images], windowed(VOXELS), atol=1e-6)


@pytest.mark.parametrize("separator", [" = ", " : "])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_metaimage_cannot_read_files_of_this_machine(tmp_path, read_here, separator, end):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(64)))
    lines = [
        "ObjectType = Image",
        "NDims = 2",
        "DimSize = 8 8",
        "ElementType = MET_UCHAR",
        f"ElementDataFile{separator}{secret}",
    ]
    with pytest.raises(StudyReadError, match="names a file that is not in the upload"):
        read_here(end.join(line.encode() for line in lines) + end + b"\0" * 8)


@pytest.mark.parametrize("field", ["data file: ", "datafile: ", "Data File: "])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_nrrd_cannot_read_files_of_this_machine(tmp_path, read_here, field, end):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(64)))
    lines = ["NRRD0004", "type: uchar", "dimension: 2", "sizes: 8 8", "encoding: raw", f"{field}{secret}", "", ""]
    with pytest.raises(StudyReadError, match="names a file that is not in the upload"):
        read_here(end.join(line.encode() for line in lines))


def test_first_of_several_volumes_in_time(tmp_path, read_here):
    path = tmp_path / "v.nii"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(VOXELS + step) for step in (0, 100)]), str(path))
    study = read_here(path.read_bytes())
    assert np.allclose([i.pixels for i in study.images], windowed(VOXELS), atol=1e-6)
    assert "2 volumes" in study.notes[0]


def test_colour_volume(tmp_path, read_here):
    rgb = np.random.default_rng(6).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    study = read_here(write(tmp_path / "v.mha", rgb, isVector=True))
    np.testing.assert_array_equal(np.rint(np.stack([i.pixels for i in study.images]) * 255), rgb)


def test_spacing_that_is_not_stated_stays_unknown(read_here):
    header = b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 4\nencoding: raw\n\n"
    assert read_here(header + bytes(range(16))).images[0].geometry.spacing_mm is None


@pytest.mark.parametrize("name", ["v.nii", "v.mha", "v.nrrd"])
def test_cut_volumes_are_refused(tmp_path, read_here, name):
    data = write(tmp_path / name)
    with pytest.raises(StudyReadError):
        read_here(data[:-100])


def test_huge_volume_is_refused_by_its_header(read_here):
    header = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 30000 30000 30000\nendian: little\nencoding: raw\n\n"
    with pytest.raises(StudyReadError, match="30000 x 30000 pixels; the limit"):
        read_here(header + b"\0" * 100)


def test_gzip_that_inflates_too_far_is_stopped(tmp_path, read_here):
    data = gzip.compress(write(tmp_path / "v.nii") + b"\0" * 3_000_000)
    with pytest.raises(StudyReadError, match="inflates to more than 1 MiB"):
        read_here(data, inflated_bytes=1024 * 1024)


def test_damaged_gzip_is_refused(tmp_path, read_here):
    with pytest.raises(StudyReadError, match="gzip file is damaged"):
        read_here(gzip.compress(write(tmp_path / "v.nii"))[:-30])
