"""The unified multi-modal map over the image, signed, on an absolute colour scale."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from mmxai_core.figures.canvas import INK, caption, new_figure, style, to_png
from mmxai_core.figures.colour import AWAY, TOWARD, opacity_of
from mmxai_core.figures.toward import Toward
from mmxai_core.results import UnifiedMap
from mmxai_core.types import FloatMap, GreyImage


def signed_blend(grey: GreyImage, values: FloatMap, *, reference: float, opacity: float = 0.75) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: vermillion where the map is above 0, blue where it is below; at 0 the image is untouched.

    Args:
        grey: (H, W) in [0, 1].
        values: (H, W) on the same pixels, signed.
        reference: Absolute value that full colour stands for.
        opacity: [0, 1] at full colour.

    Raises:
        ValueError: The shapes differ, or the reference is not above 0.
    """
    if grey.shape != values.shape:
        raise ValueError(f"The map must lie on the image's {grey.shape} pixels; it has {values.shape}.")
    if not reference > 0:
        raise ValueError(f"The reference must lie above 0; got {reference:g}.")
    size: FloatMap = np.clip(np.abs(values) / reference, 0, 1).astype(np.float32)
    alpha = opacity_of(size, opacity=opacity)[..., None]
    colour = np.where(values[..., None] > 0, np.array(to_rgb(TOWARD)), np.array(to_rgb(AWAY)))
    mixed: NDArray[np.uint8] = np.round(255 * (grey[..., None] * (1 - alpha) + colour * alpha)).astype(np.uint8)
    return mixed


def unified_png(
    grey: GreyImage, unified: UnifiedMap, *, drawn: Toward, field: str = "", label: str = "", provenance: str = ""
) -> bytes:  # fmt: skip
    """Original and unified map side by side, or what making one field unknown takes from the map, as PNG.

    Args:
        grey: (H, W) display grey in [0, 1].
        unified: The map; it lies on the same pixels.
        drawn: Toward which class.
        field: A field id: its difference map; "": the whole map.
        label: What the field is called.
        provenance: Bundle and explanation, for the foot.
    """
    values = drawn.sign * (unified.difference(field) if field else unified.on_source())
    target = drawn.name
    height = min(max(4.2 * grey.shape[0] / grey.shape[1], 2.2), 6.5) + 1.35
    figure = new_figure(9.0, height)
    foot = 0.95 / height
    left, right = (figure.add_axes((x, foot, 0.475, 1 - 1.35 / height)) for x in (0.015, 0.51))
    left.imshow(grey, cmap="gray", vmin=0, vmax=1)
    right.imshow(signed_blend(grey, values, reference=unified.reference))
    heading = f"What {label or field} adds" if field else "Joint map"
    for axes, name in ((left, "Original"), (right, f"{heading}, toward {target}")):
        style(axes)
        axes.set_axis_off()
        axes.set_title(name, color=INK, fontsize=9)
    scale = f"Vermillion supports {target}, blue speaks against it; full colour at {unified.reference:g}. "
    caption(figure, scale + unified.semantics, y=0.26 / height)
    return to_png(figure, provenance=provenance)
