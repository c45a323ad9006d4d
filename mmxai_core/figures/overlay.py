"""A map over a grey image, on an absolute colour scale."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mmxai_core.figures.canvas import FAINT, INK, caption, new_figure, style, to_png
from mmxai_core.figures.colour import ColourMap, lookup_table, opacity_of, scale_map
from mmxai_core.types import Box, FloatMap, GreyImage


def blend(
    grey: GreyImage, values: FloatMap, *, reference: float, opacity: float, floor: float = 0.0,
    threshold: float = 0.0, colour_map: ColourMap = "inferno",
) -> NDArray[np.uint8]:  # fmt: skip
    """(H, W, 3) uint8: the image with the map over it. Where the map is at or below its floor, the image is untouched.

    Args:
        grey: (H, W) in [0, 1].
        values: (H, W) on the same pixels.
        reference: Value that full colour stands for; absolute.
        opacity: [0, 1] at full evidence.
        floor: Value that no colour stands for.
        threshold: Share of the scale below which nothing is drawn.
        colour_map: One of `COLOUR_MAPS`.

    Raises:
        ValueError: The shapes differ.
    """
    if grey.shape != values.shape:
        raise ValueError(f"The map must lie on the image's {grey.shape} pixels; it has {values.shape}.")
    scaled = scale_map(values, reference=reference, floor=floor)
    alpha = opacity_of(scaled, opacity=opacity, threshold=threshold)[..., None]
    colour = lookup_table(colour_map)[np.round(scaled * 255).astype(np.uint8)].astype(np.float32)
    mixed: NDArray[np.uint8] = np.round(grey[..., None] * 255 * (1 - alpha) + colour * alpha).astype(np.uint8)
    return mixed


def overlay_png(
    grey: GreyImage, saliency: FloatMap, *, reference: float, opacity: float = 0.6, floor: float = 0.0,
    box: Box | None = None, title: str = "", unit: str = "", semantics: str = "", provenance: str = "",
    colour_map: ColourMap = "inferno",
) -> bytes:  # fmt: skip
    """Original and overlay side by side with a colour bar in absolute units, contours and banner, as PNG.

    Args:
        grey: (H, W) display grey in [0, 1].
        saliency: (H, W) on the same pixels, raw.
        reference: Value that full colour stands for; from the bundle, never this map's maximum.
        opacity: [0, 1] at full evidence.
        floor: Value that no colour stands for.
        box: Lesion box in source pixels, or None.
        title: Heading of the right picture.
        unit: Label of the colour bar.
        semantics: What the picture means.
        provenance: Bundle and explanation, for the foot.
        colour_map: One of `COLOUR_MAPS`.

    Raises:
        ValueError: The shapes differ, or the reference is not above the floor.
    """
    h, w = grey.shape
    tall = min(max(4.2 * h / w, 2.2), 6.5)
    height = tall + 1.35
    figure = new_figure(9.6, height)
    foot, share = 0.95 / height, tall / height
    left, right = (figure.add_axes((x, foot, 0.43, share)) for x in (0.015, 0.455))
    left.imshow(grey, cmap="gray", vmin=0, vmax=1)
    right.imshow(blend(grey, saliency, reference=reference, opacity=opacity, floor=floor, colour_map=colour_map))
    levels = [floor + share * (reference - floor) for share in (0.25, 0.5, 0.75)]
    if float(saliency.max()) > levels[0] > float(saliency.min()):
        right.contour(saliency, levels=levels, colors="white", linewidths=(0.5, 0.9, 1.3))
    for axes, heading in ((left, "Original"), (right, title)):
        style(axes)
        axes.set_axis_off()
        axes.set_title(heading, color=INK, fontsize=9)
        if box is not None:
            x0, y0, x1, y1 = box
            axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="#7fe0c3", lw=1.2, ls="--"))
    bar = figure.add_axes((0.9, foot + 0.06 * share, 0.016, 0.88 * share))
    _colour_bar(figure, bar, reference=reference, floor=floor, unit=unit, colour_map=colour_map, opacity=opacity)
    caption(figure, semantics, y=0.33 / height)
    return to_png(figure, provenance=provenance)


def _colour_bar(
    figure: Figure, axes: Axes, *, reference: float, floor: float, unit: str, colour_map: ColourMap, opacity: float
) -> None:
    """The scale as it looks over mid-grey, at the opacity in use."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    seen = blend(np.full_like(ramp, 0.35), ramp, reference=1.0, opacity=opacity, colour_map=colour_map)[0]
    scale = ScalarMappable(Normalize(floor, reference), ListedColormap(seen / 255.0))
    bar = figure.colorbar(scale, cax=axes, extend="max")
    bar.ax.tick_params(colors=INK, labelsize=7)
    bar.set_label(unit, color=INK, fontsize=7)
    bar.outline.set_edgecolor(FAINT)
