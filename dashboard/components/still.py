"""A still picture, sent with the element itself.

Streamlit's own way is a file that the browser fetches afterwards, and which is thrown away when a run no longer shows
it: a picture that a quick second run replaces was then fetched in vain, and a broken one stood there meanwhile.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from mmxai_core.types import GreyImage

#: Pixels of the longer side of a picture among several on a row, and of one that stands for itself.
SMALL, LARGE = 480, 1024
#: WebP's, 0 to 100.
QUALITY = 88


def encoded(pixels: NDArray[np.uint8] | GreyImage, *, side: int) -> bytes:
    """A WebP file, made smaller where a side is longer than `side` pixels.

    Args:
        pixels: (H, W) or (H, W, 3); 8 bit, or floats from 0 to 1, clipped.
        side: Pixels.
    """
    if pixels.dtype != np.uint8:
        pixels = np.round(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def still(pixels: NDArray[np.uint8] | GreyImage, *, alt: str, side: int = LARGE) -> None:
    """The picture, as wide as its column.

    Args:
        pixels: See `encoded`.
        alt: What it shows, in words.
        side: Pixels of the longer side, at most.
    """
    data = base64.b64encode(encoded(pixels, side=side)).decode("ascii")
    st.image(f"data:image/webp;base64,{data}", width="stretch", alt=alt)
