"""Cross-modal attention in both directions, for the known fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmxai_core.explain.grids import to_source
from mmxai_core.explain.rollout import attention_on_canvas
from mmxai_core.model.fusion import FieldTerms
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.results import CrossModal

SEMANTICS = (
    "Where each known field looks in the image (1 is an even spread), and how much each image summary looks at each "
    "field; attention says what was read, not what it changed."
)


def cross_modal(
    terms: FieldTerms,
    *,
    fields: Sequence[str],
    known: NDArray[np.bool_],
    box: tuple[float, float, float],
    cells: int,
    geometry: CanvasGeometry,
) -> CrossModal:
    """The attention of one case (batch of one), as the fusion used it.

    Clinical -> image is the mean over heads of softmax(Q K^T / sqrt(d)). Image -> clinical is the weight each summary
    query gives a field, over its sum across all fields, known or not.

    Args:
        terms: The fusion's terms of this case.
        fields: All field ids in schema order.
        known: (F,) bool.
        box: Second glance, parts of the canvas.
        cells: Rows and columns of the canvas grid.
        geometry: How the canvas lies on the source.
    """
    attention = terms.attention[0].mean(0).cpu().numpy()[known]
    weight = terms.weight[0].cpu().numpy()
    maps = attention_on_canvas(attention, box, cells)
    return CrossModal(
        fields=tuple(f for f, k in zip(fields, known, strict=True) if k),
        clinical_to_image=maps,
        image_to_clinical=(weight / weight.sum(1, keepdims=True))[:, known].astype(np.float32),
        clinical_to_image_source=to_source(maps * cells**2, geometry),
        semantics=SEMANTICS,
    )
