"""DICOM objects: syntaxes, colour, frames, damage, and what is no image."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from mmxai_core.errors import StudyReadError


def stored(study, index: int = 0) -> np.ndarray:
    """8-bit display values, which for 8-bit input without window are the stored ones."""
    return np.rint(study.images[index].pixels * 255).astype(np.uint8)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless])
def test_compressed_syntaxes_give_the_same_pixels(make_dataset, encode_dataset, read_here, ramp8, syntax):
    pixels = np.tile(ramp8, (4, 4))  # OpenJPEG wants 32 pixels a side
    ds = make_dataset(pixels)
    ds.compress(syntax, generate_instance_uid=False)
    study = read_here(encode_dataset(ds))
    np.testing.assert_array_equal(stored(study), pixels)
    assert study.transfer_syntax == syntax.name


def test_implicit_and_deflated_syntaxes(make_dataset, encode_dataset, read_here, ramp8):
    for syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        ds = make_dataset(ramp8)
        ds.file_meta.TransferSyntaxUID = syntax
        np.testing.assert_array_equal(stored(read_here(encode_dataset(ds))), ramp8)


def test_big_endian(make_dataset, read_here, ramp16):
    ds = make_dataset(ramp16, WindowCenter=40, WindowWidth=400)
    little = io.BytesIO()
    dcmwrite(little, ds, enforce_file_format=True)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.PixelData = ramp16.byteswap().tobytes()
    big = io.BytesIO()
    dcmwrite(big, ds, enforce_file_format=True)
    np.testing.assert_array_equal(
        read_here(big.getvalue()).images[0].pixels, read_here(little.getvalue()).images[0].pixels
    )


def test_file_without_preamble_and_meta_opens_with_a_note(make_dataset, read_here, ramp8):
    ds = make_dataset(ramp8)
    out = io.BytesIO()
    del ds.file_meta
    ds.save_as(out, implicit_vr=True, little_endian=True, enforce_file_format=False)
    bare = out.getvalue().removeprefix(b"\0" * 128 + b"DICM")
    study = read_here(bare)
    np.testing.assert_array_equal(stored(study), ramp8)
    assert "(0002,0010)" in study.notes[0]


def test_hostile_preamble_is_not_shown_and_decides_nothing(make_dicom, read_here, ramp8):
    data = make_dicom(ramp8)
    polyglot = b"PK\x03\x04" + b"<script>alert(1)</script>".ljust(124, b"A") + data[128:]
    study = read_here(polyglot)
    assert study.source_format == "dicom"
    assert "script" not in repr(study) + repr(study.images[0].display)


def test_planes_and_pixels_give_the_same_colour(make_dicom, read_here):
    rgb = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    by_pixel = read_here(make_dicom(rgb))
    by_plane = read_here(make_dicom(rgb, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes()))
    np.testing.assert_array_equal(stored(by_pixel), rgb)
    np.testing.assert_array_equal(by_pixel.images[0].pixels, by_plane.images[0].pixels)


def test_equal_channels_become_grey(make_dicom, read_here, ramp8):
    study = read_here(make_dicom(np.repeat(ramp8[..., None], 3, axis=2)))
    assert study.images[0].pixels.shape == (16, 16)
    np.testing.assert_array_equal(stored(study), ramp8)


def test_ybr_full_becomes_rgb(make_dicom, read_here):
    # Pure blue: Y 29, Cb 255, Cr 107 (PS3.3 C.7.6.3.1.2).
    ybr = np.broadcast_to(np.array([29, 255, 107], np.uint8), (4, 4, 3)).copy()
    red, green, blue = stored(read_here(make_dicom(ybr, PhotometricInterpretation="YBR_FULL")))[0, 0]
    assert red <= 1 and green <= 1 and blue >= 253


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_colour(make_dataset, encode_dataset, read_here, ramp8, bits):
    ds = make_dataset(ramp8, PhotometricInterpretation="PALETTE COLOR")
    rng = np.random.default_rng(2)
    table = rng.integers(0, 2**bits, (3, 256)).astype(f"uint{bits}")
    for name, entries in zip(("Red", "Green", "Blue"), table, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
        setattr(ds, f"{name}PaletteColorLookupTableData", entries.tobytes())
    shown = read_here(encode_dataset(ds)).images[0].pixels
    np.testing.assert_allclose(shown, table.T[ramp8] / (2**bits - 1), atol=1e-6)


def test_palette_without_table_is_refused(make_dicom, read_here, ramp8):
    with pytest.raises(StudyReadError, match=r"palette \(0028,1101"):
        read_here(make_dicom(ramp8, PhotometricInterpretation="PALETTE COLOR"))


def test_frames_are_read_in_order_with_one_range(make_dicom, read_here):
    frames = np.stack([np.full((4, 4), value, np.uint16) for value in (100, 300, 200)])
    study = read_here(make_dicom(frames))
    assert [float(i.pixels[0, 0]) for i in study.images] == [0.0, 1.0, 0.5]
    assert [i.label for i in study.images] == ["Frame 1", "Frame 2", "Frame 3"]


def test_frames_with_positions_come_in_spatial_order(make_dataset, encode_dataset, read_here):
    ds = make_dataset(np.stack([np.full((4, 4), v, np.uint8) for v in (30, 10, 20)]))
    groups = []
    for z in (3, 1, 2):
        group, plane, tilt = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = [0, 0, z]
        tilt.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        group.PlanePositionSequence, group.PlaneOrientationSequence = [plane], [tilt]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    assert [int(stored(read_here(encode_dataset(ds)), i)[0, 0]) for i in range(3)] == [10, 20, 30]


def test_cut_multi_frame_keeps_whole_frames_and_says_so(make_dicom, read_here):
    frames = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    study = read_here(make_dicom(frames)[:-20])
    assert len(study.images) == 2
    assert "2 of 3 frames" in study.notes[0]
    np.testing.assert_array_equal(stored(study, 1), frames[1])


def test_cut_single_frame_is_refused_with_both_lengths(make_dicom, read_here, ramp8):
    with pytest.raises(StudyReadError, match=r"\(7FE0,0010\) is cut short: 256 bytes are needed, 206"):
        read_here(make_dicom(ramp8)[:-50])


def test_declared_length_beyond_the_file_is_refused(make_dicom, read_here, ramp8):
    data = make_dicom(ramp8)
    at = data.rindex(struct.pack("<HH", 0x7FE0, 0x0010))
    huge = data[: at + 8] + struct.pack("<I", 2**31 - 2) + data[at + 12 : at + 28]
    with pytest.raises(StudyReadError, match="cut short: 256 bytes are needed, 16"):
        read_here(huge)


def test_header_cut_anywhere_is_refused_or_read(make_dicom, read_here, ramp8):
    data = make_dicom(ramp8)
    for end in range(10, len(data) - 1, 23):
        with pytest.raises(StudyReadError):
            read_here(data[:end])


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"Rows": 0}, "0 x 16"),
        ({"Rows": 30000, "Columns": 30000}, "30000 x 30000 pixels; the limit is"),
        ({"NumberOfFrames": 5000}, "cut short: 1 of 5000|5,000 images|2 bytes"),
        ({"PhotometricInterpretation": "HSV"}, "HSV"),
        ({"BitsAllocated": 7}, "Bits Allocated"),
        ({"PixelData": None}, "no Pixel Data"),
        ({"Rows": None}, "without Rows"),
    ],
)
def test_impossible_images_are_refused(make_dicom, read_here, ramp8, tags, said):
    if "NumberOfFrames" in tags:
        tags |= {"PixelData": ramp8.tobytes() * 5000}
    with pytest.raises(StudyReadError, match=said):
        read_here(make_dicom(ramp8, **tags))


def test_float_pixels(make_dataset, encode_dataset, read_here):
    values = np.linspace(-2, 2, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0] = np.nan
    ds = make_dataset(
        np.zeros((8, 8), np.uint32), PixelData=None, BitsStored=None, HighBit=None, PixelRepresentation=None
    )
    ds.FloatPixelData = values.tobytes()
    study = read_here(encode_dataset(ds))
    assert study.images[0].pixels[0, 0] == 0.0
    assert study.images[0].value_range == pytest.approx(tuple(np.nanpercentile(values, [0.5, 99.5])))


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "PDF document"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "structured report"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "radiotherapy plan"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "structure set"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "waveform"),
        ("1.2.840.10008.1.3.10", "DICOMDIR"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "presentation state"),
        ("1.2.840.10008.5.1.4.1.1.66", "raw scanner data"),
    ],
)
def test_objects_without_image_are_refused_by_name(make_dicom, read_here, uid, words):
    with pytest.raises(StudyReadError, match=words):
        read_here(make_dicom(None, SOPClassUID=uid))


def test_overlays_are_noted(make_dataset, encode_dataset, read_here, ramp8):
    ds = make_dataset(ramp8)
    ds.add_new(0x60000010, "US", 16)
    assert "Overlays" in read_here(encode_dataset(ds)).notes[0]


def nested(depth: int, *, undefined: bool) -> Dataset:
    inner = Dataset()
    inner.CodeMeaning = "bottom"
    for _ in range(depth):
        outer = Dataset()
        outer.ConceptNameCodeSequence = [inner]
        outer["ConceptNameCodeSequence"].is_undefined_length = undefined
        inner.is_undefined_length_sequence_item = undefined
        inner = outer
    return inner


def nested_bytes(depth: int) -> bytes:
    """Undefined-length sequences, built by hand: pydicom cannot write this deep either."""
    opening = struct.pack("<HH2sHI", 0x0040, 0xA043, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return opening * depth + closing * depth


@pytest.mark.parametrize("undefined", [True, False])
def test_nesting_beyond_the_limit_is_refused(make_dataset, encode_dataset, read_here, ramp8, undefined):
    ds = make_dataset(ramp8)
    ds.update(nested(20, undefined=undefined))
    with pytest.raises(StudyReadError, match="more than 16 deep"):
        read_here(encode_dataset(ds))
    ds.update(nested(16, undefined=undefined))
    assert len(read_here(encode_dataset(ds)).images) == 1


def test_300_levels_are_refused_without_a_crash(make_dicom, read_here, ramp8):
    data = make_dicom(ramp8)
    at = data.rindex(struct.pack("<HH", 0x7FE0, 0x0010))
    with pytest.raises(StudyReadError, match="more than 16 deep"):
        read_here(data[:at] + nested_bytes(300) + data[at:])


def test_no_message_names_the_patient(make_dicom, read_here, ramp8):
    damaged = [
        make_dicom(ramp8, Rows=0),
        make_dicom(ramp8)[:-50],
        make_dicom(ramp8)[: make_dicom(ramp8).index(b"4711") + 20],
        make_dicom(ramp8, BitsAllocated=7),
        make_dicom(None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33"),
        make_dicom(ramp8, PatientAge="999Y", PixelSpacing=[0, 0]),
    ]
    for data in damaged:
        assert b"Secretname" in data
        try:
            study = read_here(data, "Secretname_Anna.dcm")
            said = " ".join(study.notes) + study.images[0].label + " ".join(study.images[0].display)
        except StudyReadError as error:
            said = str(error)
        assert "Secretname" not in said and "4711" not in said


def test_unknown_transfer_syntax_is_refused_by_name(make_dicom, read_here, ramp8):
    data = make_dicom(ramp8)
    known = dcmread(io.BytesIO(data)).file_meta.TransferSyntaxUID.encode()
    odd = data.replace(known, b"1.2.840.10008.9.9.9", 1)
    with pytest.raises(StudyReadError, match=r"\(0002,0010\) is 1\.2\.840\.10008\.9\.9\.9"):
        read_here(odd)
