"""Three MR planes in one colour picture, with everything that is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmxai_core.phantom.cases import ClinicalValue
from mmxai_core.types import Mask

_MARK, _MARK_GREY, _AIR = "SYNTHETIC", 110, 8.0


@dataclass(frozen=True, eq=False, kw_only=True)
class MriPicture:
    """A synthetic MR slice as a secondary colour picture.

    Attributes:
        pixels: (H, W, 3) uint8: one MR plane a colour channel, "SYNTHETIC" burned in at a corner.
        lesion: (H, W) bool, True where the lesion's own tissue is, without what surrounds it.
        around: (H, W) bool, healthy tissue of the kind that it grew in, well away from it.
        planes: What red, green and blue are.
        spacing_mm: Row and column spacing, millimetres; the pixels are square.
        region: What was imaged.
        laterality: Side of a paired organ, or None.
        clinical: Known clinical values by field id.
        seed: The seed that gives these pixels again.
    """

    pixels: NDArray[np.uint8]
    lesion: Mask
    around: Mask
    planes: tuple[str, str, str]
    spacing_mm: float
    region: Literal["BRAIN", "BREAST"]
    laterality: Literal["L", "R"] | None
    clinical: Mapping[str, ClinicalValue]
    seed: int

    def __post_init__(self) -> None:
        """Keeps everything from being written to."""
        for name in ("pixels", "lesion", "around"):
            array = getattr(self, name).copy()
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "clinical", MappingProxyType(dict(self.clinical)))


def burned_in(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with its mark, in a corner of air where there is one: a screenshot has no tags, and must say it."""
    image = Image.fromarray(pixels)
    # The bitmap font ships inside Pillow: same glyphs on every machine.
    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = (int(side) for side in font.getbbox(_MARK))
    width, height = right - left, bottom - top
    rows, cols = pixels.shape[:2]
    corners = [(x, y) for y in (rows - height - 4, 4) for x in (cols - width - 4, 4)]

    def level(at: tuple[int, int]) -> float:
        # Below this it is air; then the first corner will do, the lower right.
        return max(_AIR, float(pixels[at[1] : at[1] + height, at[0] : at[0] + width].mean()))

    x, y = min(corners, key=level)
    ImageDraw.Draw(image).text((x, y), _MARK, fill=(_MARK_GREY,) * 3, font=font)
    return np.array(image)
