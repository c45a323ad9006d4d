"""Audited attention: of one field, where it looked, where that was relevant, and what knocking it out did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmxai_core.figures.cross_modal import DENSITY_FLOOR, DENSITY_REFERENCE
from mmxai_core.figures.overlay import blend
from mmxai_core.figures.toward import Toward
from mmxai_core.figures.unified import signed_blend
from mmxai_core.results import AttentionAudit, SourceGrid
from mmxai_core.types import FloatArray, FloatMap, GreyImage

#: Log-odds of one block that full colour stands for; absolute, the same for every field and case.
EFFECT_REFERENCE = 0.05


def relevance_density(audit: AttentionAudit, field: str, source: SourceGrid) -> FloatMap:
    """(H, W) relevance of a field on the source image's pixels, over its mean: 1 is even, as for attention.

    Args:
        audit: The audit.
        field: One of its fields.
        source: How the canvas grid lies on the image.
    """
    mass = audit.relevance[audit.fields.index(field)]
    mean = float(mass.mean())
    return source.on_source(mass / mean if mean > 0 else mass)


def effect_on_source(audit: AttentionAudit, field: str, source: SourceGrid) -> FloatMap:
    """(H, W) log-odds a field loses when it cannot see the block, on source pixels; blocks keep their edges.

    Args:
        audit: The audit.
        field: One of its fields.
        source: How the canvas grid lies on the image.
    """
    effect: FloatArray = audit.effect[audit.fields.index(field)]
    rows, columns = source.rows.argmax(1), source.columns.argmax(1)
    blocks = audit.blocks[np.ix_(rows, columns)]
    on_image: FloatMap = np.where(blocks >= 0, np.asarray(effect)[np.maximum(blocks, 0)], 0).astype(np.float32)
    return on_image


def audit_pictures(
    grey: GreyImage, attention: FloatMap, audit: AttentionAudit, field: str, source: SourceGrid, *, drawn: Toward
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """(H, W, 3) uint8: attention, relevance and measured effect over the image, each on its absolute scale.

    Args:
        grey: (H, W) display grey in [0, 1].
        attention: (H, W) attention density of the field, 1 = even.
        audit: The audit.
        field: One of its fields.
        source: How the canvas grid lies on the image.
        drawn: Toward which class the effect is.
    """
    return (
        blend(grey, attention, reference=DENSITY_REFERENCE, floor=DENSITY_FLOOR, opacity=0.7),
        blend(
            grey,
            relevance_density(audit, field, source),
            reference=DENSITY_REFERENCE,
            floor=DENSITY_FLOOR,
            opacity=0.7,
        ),
        signed_blend(
            grey, drawn.sign * effect_on_source(audit, field, source), reference=EFFECT_REFERENCE, opacity=0.6
        ),
    )
