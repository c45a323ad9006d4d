"""PNG, JPEG, TIFF and BMP -> images, through Pillow. Transparent pixels are composited on black.

A PNG is marked synthetic where it has a text chunk "Synthetic", before its pixels, that does not say no.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

from mmxai_core.errors import StudyReadError
from mmxai_core.io.frames import scale_colour
from mmxai_core.io.grayscale import display, robust_range
from mmxai_core.io.grey_rule import GreyRule
from mmxai_core.io.reading import Reading
from mmxai_core.io.refusal import READ_FAILURES, printable
from mmxai_core.io.sniff import Kind
from mmxai_core.study import PixelGeometry, StudyImage

# The budget checks every size before a pixel is decoded; Pillow's own, looser, check would only warn.
Image.MAX_IMAGE_PIXELS = None

_ORIENTATION = 0x0112  # EXIF and TIFF tag
_NO = ("", "0", "no", "false")


def read_raster(data: bytes, kind: Kind, label: str, reading: Reading) -> Iterator[StudyImage]:
    """Read a raster file.

    Args:
        data: The whole file.
        kind: "png", "jpeg", "tiff" or "bmp", as its content says.
        label: Label of the image, or beginning of the labels of several pages.
        reading: Limits and notes.

    Yields:
        The image; each page of a TIFF.

    Raises:
        StudyReadError: It is damaged, of an unusual kind, or breaks a limit.
    """
    name = kind.upper()
    try:
        picture = Image.open(BytesIO(data), formats=[name])
        pages = int(getattr(picture, "n_frames", 1)) if kind == "tiff" else 1
        if kind != "tiff" and int(getattr(picture, "n_frames", 1)) > 1:
            reading.note(f"The {name} holds several pictures; the first is shown.")
    except READ_FAILURES as error:
        raise StudyReadError(f"The {name} header is damaged or cut short.") from error
    if kind == "png" and str(picture.info.get("Synthetic", "")).strip().lower() not in _NO:
        reading.synthetic = True
    if pages > reading.limits.frames:
        raise StudyReadError(f"The TIFF has {pages:,} pages; the limit is {reading.limits.frames:,} images.")
    upper_byte_only = kind == "png" and data[24] == 16
    for number, page in enumerate(ImageSequence.Iterator(picture) if pages > 1 else [picture], start=1):
        reading.budget.take_images(page.height, page.width, samples=max(1, min(3, len(page.getbands()))))
        name_of_page = label if pages == 1 else f"{label}, page {number}"
        yield _page(page, name, name_of_page, upper_byte_only=upper_byte_only)


def _page(page: Image.Image, kind: str, label: str, *, upper_byte_only: bool) -> StudyImage:
    steps: list[str] = []
    try:
        if page.getexif().get(_ORIENTATION, 1) != 1:
            steps.append("Turned upright as its EXIF orientation says")
        page.load()
        upright = ImageOps.exif_transpose(page)
        array, alpha, step = _values(upright)
    except READ_FAILURES as error:
        raise StudyReadError(f"The {kind} is damaged or cut short: {printable(error, 100).rstrip('.')}.") from error
    if upper_byte_only and array.dtype == np.uint8:
        step += ", upper byte of 16 bits"
    steps.append(step)
    value_range = None
    if array.ndim == 3:
        pixels = scale_colour(array, 8)
    elif array.dtype == np.uint8:
        pixels = array.astype(np.float32) / np.float32(255.0)
    else:
        wide = GreyRule(bits=16)
        shown = display(array, wide, pixel_range=robust_range([array]))
        pixels, value_range = shown.pixels, shown.value_range
        steps.extend(shown.steps)
    if alpha is not None:
        opacity = alpha.astype(np.float32) / np.float32(255.0)
        pixels = pixels * (opacity if pixels.ndim == 2 else opacity[..., None])
        steps.append("Transparent pixels composited on black")
    return StudyImage(
        pixels=pixels,
        geometry=PixelGeometry((pixels.shape[0], pixels.shape[1])),
        label=label,
        value_range=value_range,
        display=tuple(steps),
    )


def _values(page: Image.Image) -> tuple[NDArray[Any], NDArray[np.uint8] | None, str]:
    """Pixel values, opacity where some pixel is not opaque, and what they are in words."""
    mode = page.mode
    if mode in ("I;16", "I;16L", "I;16B", "I", "F"):
        array = np.asarray(page)
        wide = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        return wide, None, "32-bit grey" if mode in ("I", "F") else "16-bit grey"
    if mode == "1":
        return np.asarray(page.convert("L")), None, "1-bit grey"
    if mode in ("PA", "La", "RGBa") or "transparency" in page.info:
        page = page.convert("LA" if mode in ("L", "La") else "RGBA")
    elif mode in ("P", "CMYK", "YCbCr", "HSV"):
        page = page.convert("RGB")
    if page.mode not in ("L", "LA", "RGB", "RGBA"):
        raise ValueError(f"pixel mode {mode} is not supported")
    array = np.asarray(page)
    words = "8-bit grey" if page.mode in ("L", "LA") else "8-bit colour"
    if page.mode in ("LA", "RGBA"):
        alpha = array[..., -1]
        colour = array[..., 0] if page.mode == "LA" else array[..., :3]
        return colour, alpha if bool((alpha < 255).any()) else None, words
    return array, None, words
