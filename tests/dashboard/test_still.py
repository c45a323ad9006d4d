"""Pictures among the text travel with their element: none is fetched afterwards, so none can be gone by then."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.components.still import encoded


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("shape", "size"), [((900, 600, 3), (320, 480)), ((100, 300), (300, 100))])
def test_a_picture_is_made_smaller_never_larger(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    image = _opened(encoded(np.full(shape, 128, np.uint8), side=480))
    assert (image.format, image.size) == ("WEBP", size)


def test_floats_and_bytes_show_the_same_and_what_is_no_number_is_black() -> None:
    ramp = np.linspace(0, 1, 256)[None].repeat(64, 0)
    assert encoded(ramp, side=480) == encoded(np.round(ramp * 255).astype(np.uint8), side=480)
    wild = np.array([[np.nan, -3.0], [2.0, 1.0]]).repeat(32, 0).repeat(32, 1)
    seen = np.asarray(_opened(encoded(wild, side=480)).convert("L")).astype(int)
    assert seen[5, 5] < 8 and seen[5, 60] < 8 and seen[60, 5] > 247 and seen[60, 60] > 247


def _page() -> None:
    import numpy as np

    from dashboard.components.still import still

    still(np.tile(np.linspace(0, 1, 64), (64, 1)), alt="A ramp from black to white")


def test_the_element_holds_the_picture_itself() -> None:
    at = AppTest.from_function(_page).run()
    assert not at.exception
    ((image,),) = [element.proto.imgs for element in at.get("image")]
    assert image.url.startswith("data:image/webp;base64,")
    assert image.alt == "A ramp from black to white"
