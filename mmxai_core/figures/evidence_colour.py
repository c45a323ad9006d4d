"""The colours of the evidence map: their scale, and how much of what is drawn lies inside the lesion's outline.

The reliability number counts the whole map, the faint part below the colours included, in the largest part of the
lesion's map: the figures of every cohort are measured so. A reader sees the colours and the outline only, so what lies
where is said here of these, by the opacity with which they are drawn.
"""

from __future__ import annotations

import numpy as np

from mmxai_core.figures.colour import opacity_of, scale_map
from mmxai_core.results import EvidenceScale, Explanation, SaliencyMap
from mmxai_core.types import Mask

#: The lesion is outlined where its map reaches this probability: on the page, in the pictures and in the report.
OUTLINE = 0.5
#: Pixels looked at along the longer side: the maps come from a far coarser grid.
_SIDE = 512


def colour_scale(saliency: SaliencyMap, scale: EvidenceScale | None) -> tuple[float, float]:
    """(floor, reference) of the colours: absolute, blank up to where meaningless weights reach, where that is known."""
    floor, reference = (0.0, saliency.reference) if scale is None else (scale.floor, scale.reference)
    # A null louder than the whole scale says nothing of this map.
    return (floor if floor < reference else 0.0), reference


def coloured_inside(explanation: Explanation) -> float | None:
    """Share of the colour as drawn, by its opacity, inside the lesion's outline, in [0, 1].

    Args:
        explanation: The explanation.

    Returns:
        None where there is no map, nothing is coloured, or no lesion is outlined.
    """
    lesion = explanation.lesion_map
    if explanation.saliency is None or lesion is None:
        return None
    step = max(1, max(lesion.shape) // _SIDE)
    outlined: Mask = np.asarray(lesion[::step, ::step]) >= OUTLINE
    if not outlined.any():
        return None
    floor, reference = colour_scale(explanation.saliency, explanation.evidence_scale)
    scaled = scale_map(np.asarray(explanation.saliency.source[::step, ::step]), reference=reference, floor=floor)
    drawn = opacity_of(scaled, opacity=1.0)
    total = float(drawn.sum(dtype=np.float64))
    return float(drawn[outlined].sum(dtype=np.float64)) / total if total > 0 else None


def counted(explanation: Explanation, name: str) -> str:
    """What a number on the evidence inside a region counts, and what the colours show; "" for other numbers.

    Args:
        explanation: The explanation.
        name: Name of the reliability number.
    """
    if explanation.saliency is None or not name.startswith("Evidence inside"):
        return ""
    said = "Counts all evidence, also what is too faint to be coloured."
    # The region that a reader drew is not kept with the explanation: of it nothing is said.
    share = None if "drawn" in name else coloured_inside(explanation)
    return said + (
        f" Of the colour as drawn, {100 * share:.0f} % lies inside the outline." if share is not None else ""
    )
