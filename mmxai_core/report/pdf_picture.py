"""The image and its Grad-CAM++ overlay: embedded pixels, with contour, scale bar and colour bar as vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

from mmxai_core.figures.colour import lookup_table
from mmxai_core.figures.evidence_colour import OUTLINE, colour_scale, coloured_inside
from mmxai_core.figures.overlay import blend
from mmxai_core.report.page import FAINT, INK, RULE, Page
from mmxai_core.report.wording import class_name, percent
from mmxai_core.results import Explanation
from mmxai_core.study import StudyImage
from mmxai_core.types import Box, FloatMap

#: mm: between the pictures, of a title, of the words below a picture, and the least width of words beside it.
_GAP, _TITLE, _UNDER, _BESIDE = 6.0, 4.0, 8.5, 26.0
#: Longer side of an embedded picture, pixels: 92 mm of it at 280 dots an inch.
LONGEST = 1000
#: Lengths of scale bars, mm.
_BARS = (1, 2, 5, 10, 20, 50, 100)
_CONTOUR_INK, _BOX_INK = (0, 210, 230), (127, 224, 195)


@dataclass(frozen=True)
class Frame:
    """Where a picture lies on the page.

    Attributes:
        x: Left end, mm.
        y: Top, mm.
        width: mm.
        height: mm.
        shape: (rows, columns) of the source image.
    """

    x: float
    y: float
    width: float
    height: float
    shape: tuple[int, int]

    @classmethod
    def within(cls, image: StudyImage, x: float, y: float, width: float, height: float) -> Frame:
        """The largest frame of the image's true proportions inside a box; anisotropic pixels are respected."""
        rows, columns = image.geometry.shape
        down, across = image.geometry.spacing_mm or (1.0, 1.0)
        tall, wide = rows * down, columns * across
        scale = min(width / wide, height / tall)
        w, h = wide * scale, tall * scale
        return cls(x, y, w, h, (rows, columns))

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Source pixel position -> mm on the page."""
        return self.x + column / self.shape[1] * self.width, self.y + row / self.shape[0] * self.height


def pictures(page: Page, image: StudyImage, explanation: Explanation, box: tuple[float, float, float, float]) -> None:
    """The original and the overlay side by side, with the lesion's contour on both.

    Args:
        page: The page.
        image: The explained image.
        explanation: Its explanation.
        box: (x, y, width, height) in mm.
    """
    x, y, width, height = box
    half = (width - _GAP) / 2
    saliency = explanation.saliency
    tall = Frame.within(image, x, y + _TITLE, half, height - _TITLE - 1.5)
    beside = half - tall.width >= _BESIDE  # a narrow picture leaves room for its words at its side
    left = tall if beside else Frame.within(image, x, y + _TITLE, half, height - _TITLE - _UNDER)
    right = replace(left, x=x + half + _GAP)
    over, down = (left.width + 2, 0.0) if beside else (0.0, left.height + 1)
    room = half - over
    page.one_line("Image", x, y, half, size=7, bold=True)
    _embed(page, np.round(np.repeat(image.grey[..., None], 3, axis=2) * 255).astype(np.uint8), left)
    if saliency is None:
        page.block("No Grad-CAM++ map was computed.", x + half + _GAP, y, half, 8, size=7, colour=FAINT)
    else:
        floor, reference = colour_scale(saliency, explanation.evidence_scale)
        title = f"{saliency.method} for {class_name(saliency.target_class)}"
        page.one_line(title, right.x, y, half, size=7, bold=True)
        _embed(page, blend(image.grey, saliency.source, reference=reference, floor=floor, opacity=0.6), right)
        bar = (right.x + over, right.y + down + 0.2, room, left.height if beside else _UNDER - 1)
        _colour_bar(page, bar, floor, reference, saliency.unit, below=beside)
    drawn = [left] if saliency is None else [left, right]
    for frame in drawn:
        _contours(page, explanation.lesion_map, frame)
    if explanation.prediction.lesion_box is not None:
        _dashed(page, explanation.prediction.lesion_box, left)
    scale = _scale_bar(page, image, left)
    whose = {"reader": "marked by the reader", "model": "found by the model"}.get(
        explanation.prediction.lesion_box_source, ""
    )
    share = coloured_inside(explanation)
    inside = "" if share is None else f" {percent(share)} of the colour as drawn lies inside the solid line."
    note = f"{scale} Solid line: lesion map at {100 * OUTLINE:.0f} % or more. Dashed: second look, {whose}.{inside}"
    page.block(note, x + over, left.y + down, room, left.height if beside else _UNDER - 1, size=5.8, colour=FAINT)


def highest(image: StudyImage, width: float) -> float:
    """The height of the box, mm, beyond which `pictures` could not draw larger: each then fills half of the width.

    Args:
        image: The explained image.
        width: Of the box, mm.
    """
    return Frame.within(image, 0, 0, (width - _GAP) / 2, math.inf).height + _TITLE + _UNDER


def _embed(page: Page, rgb: NDArray[np.uint8], frame: Frame) -> None:
    picture = Image.fromarray(rgb)
    if max(picture.size) > LONGEST:
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    page.image(picture, frame.x, frame.y, frame.width, frame.height)


def _contours(page: Page, lesion: FloatMap | None, frame: Frame) -> None:
    """The outline of the model's lesion map; a region that reaches the border is closed along it."""
    if lesion is None:
        return
    page.set_draw_color(*_CONTOUR_INK)
    page.set_line_width(0.3)
    for outline in find_contours(np.pad(np.asarray(lesion, np.float32), 1), OUTLINE):
        points = approximate_polygon(outline, tolerance=max(frame.shape) / 1500) - 0.5
        if len(points) > 3:
            page.polyline([frame.at(column, row) for row, column in np.clip(points, 0, frame.shape)])


def _dashed(page: Page, box: Box, frame: Frame) -> None:
    x0, y0 = frame.at(max(box[0], 0), max(box[1], 0))
    x1, y1 = frame.at(min(box[2], frame.shape[1]), min(box[3], frame.shape[0]))
    page.set_draw_color(*_BOX_INK)
    page.set_line_width(0.25)
    page.set_dash_pattern(dash=1.2, gap=0.9)
    page.rect(x0, y0, x1 - x0, y1 - y0)
    page.set_dash_pattern()


def _scale_bar(page: Page, image: StudyImage, frame: Frame) -> str:
    """A bar of a round length at the foot of the image; returns the sentence for the caption."""
    spacing = image.geometry.spacing_mm
    if spacing is None:
        return "No scale bar: the file states no pixel spacing."
    shown = image.geometry.shape[1] * spacing[1] / frame.width  # mm of tissue for a mm of paper
    length = max((b for b in _BARS if b / shown <= 0.35 * frame.width), default=_BARS[0])
    x, y, wide = frame.x + 2, frame.y + frame.height - 2.5, length / shown
    for colour, width in (((0, 0, 0), 1.1), ((255, 255, 255), 0.6)):
        page.set_draw_color(*colour)
        page.set_line_width(width)
        page.line(x, y, x + wide, y)
    page.one_line(f"{length} mm", x, y - 3.1, 20, size=6, bold=True, colour=(255, 255, 255))
    return f"Bar: {length} mm ({image.geometry.spacing_source or 'spacing of the file'})."


def scale_ends(floor: float, reference: float) -> tuple[str, str]:
    """Both ends of the colours as the page's viewer writes them: three digits, and what lies beyond has the last."""
    return f"{floor:.3g}", f"{reference:.3g} or more"


def _colour_bar(
    page: Page, box: tuple[float, float, float, float], floor: float, reference: float, unit: str, *, below: bool
) -> None:  # fmt: skip
    """The colours with their numbers, in absolute units; the unit at their side or below."""
    x, y, width, height = box
    table, steps, wide = lookup_table("inferno"), 64, (1.0 if below else 0.4) * width
    for i in range(steps):
        page.set_fill_color(*(int(c) for c in table[round(i / (steps - 1) * 255)]))
        page.rect(x + i * wide / steps, y, wide / steps + 0.05, 1.6, style="F")
    page.set_draw_color(*RULE)
    page.set_line_width(0.1)
    page.rect(x, y, wide, 1.6)
    low, high = scale_ends(floor, reference)
    page.one_line(low, x, y + 1.9, 12, size=5.6, colour=INK)
    page.one_line(high, x + wide - 20, y + 1.9, 20, size=5.6, align="R", colour=INK)
    at = (x, y + 5, width, height - 5) if below else (x + wide + 2, y - 0.3, width - wide - 2, 7.0)
    page.block(unit, *at, size=5.6, colour=FAINT)
