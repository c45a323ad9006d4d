"""Zips, and uploads that are nothing we read."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mmxai_core.errors import StudyReadError

MIB = 1024 * 1024


def png(value: int = 100) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((5, 4), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_pictures_come_in_natural_order(make_zip, read_here):
    study = read_here(
        make_zip({"v/img10.png": png(10), "v/img2.png": png(2), "__MACOSX/img2.png": b"x", ".DS_Store": b"y"})
    )
    assert [i.label for i in study.images] == ["img2", "img10"]
    assert study.source_format == "zip" and study.notes == ()


def test_names_are_never_used_as_paths(make_zip, read_here, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    study = read_here(
        make_zip({"../../../../tmp/evil.png": png(1), "/etc/passwd.png": png(2), "C:\\x\\..\\y.png": png(3)})
    )
    assert sorted(i.label for i in study.images) == ["evil", "passwd", "y"]
    written = [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.is_file()]
    assert written == []


def test_nested_zip_is_refused(make_zip, read_here):
    with pytest.raises(StudyReadError, match="unpack it first"):
        read_here(make_zip({"inner.zip": make_zip({"a.png": png()}), "b.png": png()}))


def test_zip_inside_a_zip_alone_is_refused(make_zip, read_here):
    with pytest.raises(StudyReadError, match="unpack it first"):
        read_here(make_zip({"inner": make_zip({"a.png": png()})}))


def test_encrypted_zip_is_refused(make_zip, read_here):
    data = bytearray(make_zip({"a.png": png()}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(StudyReadError, match="encrypted"):
        read_here(bytes(data))


def test_zip_bomb_is_refused_before_it_inflates(read_here):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.dcm", "w") as entry,
    ):
        for _ in range(80):
            entry.write(b"\0" * MIB)
    assert len(out.getvalue()) < MIB
    with pytest.raises(StudyReadError, match="200 to 1"):
        read_here(out.getvalue())
    with pytest.raises(StudyReadError, match="inflates to more than 32 MiB"):
        read_here(out.getvalue(), inflated_bytes=32 * MIB)


def test_entry_that_lies_about_its_size_is_refused(make_zip, read_here):
    data = bytearray(make_zip({"a.png": png(1) * 200}))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (50).to_bytes(4, "little")
    with pytest.raises(StudyReadError):
        read_here(bytes(data))


def test_deflated_dicom_bomb_is_refused(make_dataset, encode_dataset, read_here):
    ds = make_dataset(np.zeros((5000, 5000), np.uint8))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = encode_dataset(ds)
    assert len(data) < 100_000
    with pytest.raises(StudyReadError, match="inflates to more than 8 MiB"):
        read_here(data, inflated_bytes=8 * MIB)


def test_too_many_entries_are_refused(make_zip, read_here):
    with pytest.raises(StudyReadError, match="4 files; the limit is 3"):
        read_here(make_zip({f"{n}.png": png() for n in range(4)}), zip_entries=3)


def test_damaged_entry_is_refused(make_zip, read_here):
    data = bytearray(make_zip({"a.png": png(), "b.png": png()}))
    data[45] ^= 0xFF
    with pytest.raises(StudyReadError, match="damaged"):
        read_here(bytes(data))


@pytest.mark.parametrize("cut", [10, 60])
def test_cut_zip_is_refused(make_zip, read_here, cut):
    with pytest.raises(StudyReadError, match="zip is damaged"):
        read_here(make_zip({"a.png": png()})[:-cut])


def test_zip_without_images_is_refused(make_zip, read_here):
    with pytest.raises(StudyReadError, match="None of the 2 files is an image"):
        read_here(make_zip({"a.txt": b"hello", "b.txt": b"world"}))
    with pytest.raises(StudyReadError, match="holds no files"):
        read_here(make_zip({}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"patient,label\n1,0\n", "plain text"),
        (b"%PDF-1.7 ...", "PDF document"),
        (b"GIF89a" + b"\0" * 50, "GIF"),
        (bytes(range(256)) * 8, "not recognised"),
        (b"\x00\x00\x00\x18ftypmp42" + b"\0" * 50, "video"),
        (b"Rar!\x1a\x07\x00", "RAR"),
    ],
)
def test_other_files_are_refused_in_one_sentence(read_here, data, said):
    with pytest.raises(StudyReadError, match=said) as error:
        read_here(data, "scan.dcm")
    assert str(error.value).endswith(".") and "\n" not in str(error.value) and len(str(error.value)) < 200
