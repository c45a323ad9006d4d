"""Maps: saliency and cross-modal attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmxai_core.types import FloatMap


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """Raw evidence, never rescaled to its own maximum.

    Attributes:
        method: e.g. "Grad-CAM++".
        layer: The feature map it was read from.
        target_class: The class it explains.
        grid: (h, w) float32 on the canvas grid, both glances combined.
        glances: Raw maps by glance ("whole", "lesion"), each (h, w) float32 on its own grid.
        source: (H, W) float32 on the source image's pixels.
        unit: What 1.0 means, in words.
        reference: The value a full colour scale stands for: absolute, from the bundle, never this map's maximum.
        semantics: One sentence: what the map means and what it does not.
    """

    method: str
    layer: str
    target_class: str
    grid: FloatMap
    glances: Mapping[str, FloatMap]
    source: FloatMap
    unit: str
    reference: float
    semantics: str


@dataclass(frozen=True, eq=False)
class CrossModal:
    """Cross-modal attention, both directions, over known fields only.

    Attributes:
        fields: Ids of the known fields, F of them, in schema order.
        clinical_to_image: (F, h, w) float32 on the canvas grid; each field's map sums to 1 over the canvas.
        image_to_clinical: (M, F) float32: how much each of M image summary queries attends to each known field; rows
            sum to at most 1 (the rest goes to unknown tokens).
        clinical_to_image_source: (F, H, W) float32 on source pixels, relative to uniform attention (1 = average).
        semantics: One sentence.
    """

    fields: tuple[str, ...]
    clinical_to_image: FloatMap
    image_to_clinical: FloatMap
    clinical_to_image_source: FloatMap
    semantics: str
