"""PNG, JPEG, TIFF, BMP: depth, alpha, orientation, pages, damage."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmxai_core.errors import StudyReadError

RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (9, 7), dtype=np.uint8)


def save(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("array", [GREY, RGB], ids=["grey", "colour"])
def test_lossless_formats_keep_every_value(read_here, kind, array):
    study = read_here(save(Image.fromarray(array), kind), f"case7.{kind.lower()}")
    np.testing.assert_array_equal(np.rint(study.images[0].pixels * 255), array)
    assert study.source_format == kind.lower()
    assert study.images[0].label == "case7"
    assert study.images[0].geometry.spacing_mm is None


def test_jpeg(read_here):
    study = read_here(save(Image.fromarray(np.full((8, 8), 90, np.uint8)), "JPEG", quality=95))
    np.testing.assert_allclose(study.images[0].pixels * 255, 90, atol=1)


def test_content_decides_not_the_extension(read_here):
    assert read_here(save(Image.fromarray(GREY), "PNG"), "scan.dcm").source_format == "png"


def test_colour_with_equal_channels_is_grey(read_here):
    assert read_here(save(Image.fromarray(np.repeat(GREY[..., None], 3, 2)), "PNG")).images[0].pixels.shape == (9, 7)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_alpha_is_composited_on_black(read_here, kind):
    alpha = RNG.integers(0, 256, (9, 7, 1), dtype=np.uint8)
    study = read_here(save(Image.fromarray(np.concatenate([RGB, alpha], axis=2)), kind))
    np.testing.assert_allclose(study.images[0].pixels, RGB / 255.0 * (alpha / 255.0), atol=1e-6)
    assert "composited on black" in study.images[0].display[-1]


def test_grey_alpha_and_palette_transparency(read_here):
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(np.full_like(GREY, 51))])
    np.testing.assert_allclose(read_here(save(grey_alpha, "PNG")).images[0].pixels, GREY / 255.0 * 0.2, atol=1e-6)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([200, 0, 0, 0, 100, 0])
    shown = read_here(save(palette, "PNG", transparency=1)).images[0].pixels
    np.testing.assert_allclose(shown, [[[200 / 255, 0, 0], [0, 0, 0]]], atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_windowed_to_percentiles(read_here, kind):
    values = np.linspace(1000, 3000, 400).astype(np.uint16).reshape(20, 20)
    image = read_here(save(Image.fromarray(values), kind)).images[0]
    low, high = np.percentile(values, [0.5, 99.5])
    assert image.value_range == (low, high)
    np.testing.assert_allclose(image.pixels, np.clip((values - low) / (high - low), 0, 1), atol=1e-6)
    assert "16-bit grey" in image.display[0] and "percentiles" in image.display[-1]


def test_float_tiff(read_here):
    values = np.linspace(-1, 1, 100, dtype=np.float32).reshape(10, 10)
    image = read_here(save(Image.fromarray(values), "TIFF")).images[0]
    assert image.value_range == pytest.approx(tuple(np.percentile(values, [0.5, 99.5])))


@pytest.mark.parametrize(("mode", "kind"), [("1", "PNG"), ("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "TIFF")])
def test_unusual_modes_are_read(read_here, mode, kind):
    shown = read_here(save(Image.fromarray(RGB).convert(mode), kind)).images[0].pixels
    assert shown.shape[:2] == (9, 7)
    assert shown.max() > 0.3


def test_exif_orientation_is_honoured(read_here):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to be upright
    study = read_here(save(Image.fromarray(GREY), "PNG", exif=exif.tobytes()))
    np.testing.assert_array_equal(np.rint(study.images[0].pixels * 255), np.rot90(GREY, -1))
    assert "upright" in study.images[0].display[0]


def test_pages_of_a_tiff(read_here):
    pages = [Image.fromarray(np.full((4, 5), v, np.uint8)) for v in (10, 20, 30)]
    study = read_here(save(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "scan.tif")
    assert [round(float(i.pixels[0, 0]) * 255) for i in study.images] == [10, 20, 30]
    assert study.images[1].label == "scan, page 2"


def test_synthetic_text_chunk(read_here):
    info = PngInfo()
    info.add_text("Synthetic", "yes")
    assert read_here(save(Image.fromarray(GREY), "PNG", pnginfo=info)).synthetic
    assert not read_here(save(Image.fromarray(GREY), "PNG")).synthetic


def huge_png() -> bytes:
    """A 30,000 x 30,000 header with a few bytes of data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_huge_header_is_refused(read_here):
    with pytest.raises(StudyReadError, match="30000 x 30000 pixels; the limit is"):
        read_here(huge_png())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_cut_pictures_are_refused(read_here, kind):
    data = save(Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)), kind)
    for share in (0.5, 0.9):
        with pytest.raises(StudyReadError, match=kind):
            read_here(data[: int(len(data) * share)])


def test_too_many_pages_are_refused(read_here):
    pages = [Image.fromarray(GREY)] * 4
    with pytest.raises(StudyReadError, match="4 pages; the limit is 3"):
        read_here(save(pages[0], "TIFF", save_all=True, append_images=pages[1:]), frames=3)
