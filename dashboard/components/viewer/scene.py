"""What the viewer draws: pictures at full depth, maps on their own grids, and what belongs to a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.tiles import Raster
from mmxai_core.study import GreyLevels, StudyImage
from mmxai_core.types import Box, DisplayImage, FloatArray, FloatMap


@dataclass(frozen=True, eq=False)
class Layer:
    """A map the viewer can lay over the image.

    Attributes:
        id: Stable name.
        label: What the button shows.
        group: Heading the button stands under.
        values: (H, W) float32 on the image's pixels, raw.
        floor: Value that no colour stands for.
        reference: Value that full colour stands for; absolute.
        unit: What the numbers are.
        semantics: One or two sentences shown with the picture.
        signed: True where values below 0 speak against the class; `floor` is 0 then.
        field: The clinical field it belongs to, or "".
    """

    id: str
    label: str
    group: str
    values: FloatMap
    floor: float
    reference: float
    unit: str
    semantics: str
    signed: bool = False
    field: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, a slice or a view.

    Attributes:
        pixels: (H, W) or (H, W, 3) float32 in [0, 1].
        spacing_mm: (row, column) spacing, or None.
        title: Heading of its pane.
        levels: The values before the window, or None.
        value_range: The values that display 0 and 1 stand for, or None.
        source: The pixels it was made of, where it shows them otherwise, as grey; None: it shows its own.
    """

    pixels: DisplayImage
    spacing_mm: tuple[float, float] | None = None
    title: str = ""
    levels: GreyLevels | None = None
    value_range: tuple[float, float] | None = None
    source: DisplayImage | None = None

    @classmethod
    def of(cls, image: StudyImage, title: str = "") -> Picture:
        """A study's image.

        Args:
            image: The image.
            title: Heading; its own label where empty.
        """
        return cls(image.pixels, image.geometry.spacing_mm, title or image.label, image.levels, image.value_range)

    def raster(self) -> Raster:
        """What its tiles are cut from: the stored values, else the 8 or 16 bits of the display."""
        if self.levels is not None:
            return Raster(self.levels.stored)
        return Raster(_eight_bits(self.pixels))

    def head(self, raster: Raster) -> dict[str, object]:
        """What the browser must know of it.

        Args:
            raster: From `raster`.
        """
        width, height = raster.size
        window = tuple(sorted(self.value_range)) if self.value_range else None
        if self.levels is not None:
            lv = self.levels
            low, high = int(lv.stored.min()), int(lv.stored.max())
            slope, intercept, unit, inverted, padding = lv.slope, lv.intercept, lv.unit, lv.inverted, lv.padding
        else:
            top = 255 if raster.values.dtype == np.uint8 else 65535
            ends = self.value_range or (0.0, float(top))
            slope, intercept, unit, inverted, padding = (ends[1] - ends[0]) / top, ends[0], "", False, None
            # A range that falls from black to white is an inversion, so that windows always rise.
            inverted = slope < 0
            low, high = 0, top
        span = sorted((slope * low + intercept, slope * high + intercept))
        if span[0] == span[1]:
            span[1] = span[0] + 1.0
        return {
            "width": width, "height": height, "channels": self.pixels.shape[2] if self.pixels.ndim == 3 else 1,
            "tile": raster.tile, "levels": raster.levels, "title": self.title, "spacing": self.spacing_mm,
            "slope": slope, "intercept": intercept, "unit": unit, "inverted": inverted, "padding": padding,
            "window": window if window and window[1] > window[0] else span, "range": span,
        }  # fmt: skip


def _eight_bits(pixels: DisplayImage) -> NDArray[np.uint8] | NDArray[np.float32]:
    """The pixels as 8 bits where these hold all of them; looked at in a few rows first, since most are not."""
    sample = pixels[:: max(1, len(pixels) // 16)] * np.float32(255)
    if np.abs(sample - np.rint(sample)).max() > 1e-3:
        return pixels
    steps = pixels * np.float32(255)
    whole = np.rint(steps)
    return whole.astype(np.uint8) if np.abs(steps - whole).max() <= 1e-3 else pixels


@dataclass(frozen=True, eq=False)
class Brush:
    """What links a place in the image to the fields; sent once, so that a click costs no run.

    Attributes:
        target: The class the numbers speak of.
        fields: (id, label, contribution in log-odds) of each known field.
        effects: By field id, (H, W) log-odds the field loses where it cannot see the place; measured. May be empty.
        labels: (H, W) index of the image region a pixel lies in, -1 outside all; None where there are none.
        regions: What the regions are called.
        interactions: (F, R) Shapley interaction of field and region, log-odds; None where there are none.
    """

    target: str
    fields: tuple[tuple[str, str, float], ...]
    effects: dict[str, FloatMap]
    labels: NDArray[np.int8] | None = None
    regions: tuple[str, ...] = ()
    interactions: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """Pictures and maps.

    Attributes:
        pixels: (H, W) or (H, W, 3) float32 in [0, 1].
        spacing_mm: (row, column) spacing, or None.
        layers: Maps; none gives a plain viewer.
        box: The region of the second look, image pixels, or None.
        box_label: What the box is.
        height: Largest height of a pane, CSS pixels.
        region_tool: True where the reader may mark the lesion.
        title: Heading of the original's pane.
        levels: The values before the window, or None.
        value_range: The values that display 0 and 1 stand for, or None.
        modality: DICOM code ("CT"), for window presets, or None.
        slices: A series, in order; the picture above is the one at `start`. Empty: that one picture.
        start: Index of the slice shown first, which the layers belong to.
        side_by_side: Indices of slices shown in panes of their own at first: two views, prior and current.
        brush: What links places and fields, or None.
        follows: True where window, zoom and what is drawn on a picture go with it to other scenes that say so, on
            whichever page.
        owner: The case or the reading it belongs to: what is done in one is not seen in another, though they show the
            same picture. The browser is told a hash of it.
        source: Of the one picture; see `Picture`.
    """

    pixels: DisplayImage
    spacing_mm: tuple[float, float] | None = None
    layers: tuple[Layer, ...] = ()
    box: Box | None = None
    box_label: str = ""
    height: int = 440
    region_tool: bool = False
    title: str = "Original"
    levels: GreyLevels | None = None
    value_range: tuple[float, float] | None = None
    modality: str | None = None
    slices: tuple[Picture, ...] = ()
    start: int = 0
    side_by_side: tuple[int, ...] = ()
    brush: Brush | None = None
    follows: bool = False
    owner: str = ""
    source: DisplayImage | None = None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The series, or the one picture."""
        if self.slices:
            return self.slices
        return (Picture(self.pixels, self.spacing_mm, self.title, self.levels, self.value_range, self.source),)
