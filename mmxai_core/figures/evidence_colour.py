"""The colours of the evidence map: their scale, and how much of what is drawn lies inside the lesion's outline.

The reliability number counts the whole map, the faint part below the colours included: the figures of every cohort are
measured so. A reader sees the colours only, so the same question is answered here for what is drawn.
"""

from __future__ import annotations

import numpy as np

from mmxai_core.figures.colour import scale_map
from mmxai_core.results import EvidenceScale, Explanation, SaliencyMap
from mmxai_core.types import FloatMap, Mask

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
    """Share of the drawn colour, by its strength, inside the lesion's outline, in [0, 1].

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
    return _share(explanation.saliency, explanation.evidence_scale, outlined, step) if outlined.any() else None


def coloured_in_box(explanation: Explanation) -> float | None:
    """The same for the box of the second look: the region that the reader drew, where one was drawn.

    Args:
        explanation: The explanation.
    """
    box, saliency = explanation.prediction.lesion_box, explanation.saliency
    if saliency is None or box is None:
        return None
    rows, columns = saliency.source.shape
    step = max(1, max(rows, columns) // _SIDE)
    down, across = np.arange(0, rows, step) + 0.5, np.arange(0, columns, step) + 0.5
    inside: Mask = ((down >= box[1]) & (down < box[3]))[:, None] & ((across >= box[0]) & (across < box[2]))[None]
    return _share(saliency, explanation.evidence_scale, inside, step)


def _share(saliency: SaliencyMap, scale: EvidenceScale | None, region: Mask, step: int) -> float | None:
    floor, reference = colour_scale(saliency, scale)
    drawn: FloatMap = scale_map(np.asarray(saliency.source[::step, ::step]), reference=reference, floor=floor)
    total = float(drawn.sum(dtype=np.float64))
    return float(drawn[region].sum(dtype=np.float64)) / total if total > 0 else None


def counted(explanation: Explanation, name: str) -> str:
    """What a number on the evidence inside a region counts, and what the colours show; "" for other numbers.

    Args:
        explanation: The explanation.
        name: Name of the reliability number.
    """
    if explanation.saliency is None or not name.startswith("Evidence inside"):
        return ""
    drawn_box = "drawn" in name
    share = coloured_in_box(explanation) if drawn_box else coloured_inside(explanation)
    where = "the box" if drawn_box else "the outline"
    said = "Counts all evidence, also what is too faint to be coloured."
    return said + (f" Of the colour shown, {100 * share:.0f} % lies inside {where}." if share is not None else "")
