"""The unified multi-modal map: Grad-CAM++ where the fields look, weighted by what the fields contribute.

    U(x) = G(x) / reference * sum over fields of phi_f a_f(x)

with G the combined Grad-CAM++ map over the bundle's reference, phi_f the field's Shapley value in log-odds (fields and
whole image as players) and a_f(x) its attention density (1 = even). Attention depends on the field and the image only,
so that without a field the others look where they looked; their contributions and the Grad-CAM++ map change.

Cost: the contributions without a field come from the table of coalitions that is there already; the Grad-CAM++ maps
without each field take two passes of the Transformer (image and mirror image; not the CNN) with their gradient a field,
in batches of `BATCH`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain.grids import interpolation
from mmxai_core.explain.saliency import Score, grad_cam_pp, on_canvas
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.results.unified import SourceGrid, UnifiedMap
from mmxai_core.types import FloatArray, FloatMap

BATCH = 4
#: Full colour: evidence at the bundle's reference, read by fields worth 1 log-odds at twice the even density.
REFERENCE = 2.0
UNIT = "Grad-CAM++ over the bundle's reference x log-odds contributed x attention density (1 = even)."
SEMANTICS = (
    "Image evidence for the class that is called, where the known fields look, signed and weighted by what those "
    "fields contribute: the warm colour lies where fields look that speak for the class named at the scale, the cold "
    "one where fields look that speak against it; the product orders places, it is no share of the prediction."
)


def maps_without(
    network: FusedNetwork, image: ImageState, mirror: ImageState, values: Tensor, known: Tensor, *,
    box: tuple[float, float, float], cells: int, target: int, score: Score, check: Callable[[], None] = lambda: None,
) -> FloatMap:  # fmt: skip
    """The combined Grad-CAM++ map with each known field made unknown in turn. Runs on the predictor's worker.

    Args:
        network: The network.
        image: State of one image.
        mirror: State of its mirror image (`mmxai_core.explain.mirror.mirrored_state`): the map shown is their mean.
        values: (1, F) encoded values.
        known: (1, F) bool.
        box: Second glance, parts of the canvas.
        cells: Rows and columns of the canvas grid.
        target: Index of the class.
        score: What Grad-CAM++ differentiates.
        check: Called between batches; may raise.

    Returns:
        (P, cells, cells) float32, one map a known field.
    """
    chosen = known[0].nonzero()[:, 0]
    if not len(chosen):
        return np.zeros((0, cells, cells), np.float32)
    fewer = known.repeat(len(chosen), 1)
    fewer[torch.arange(len(chosen)), chosen] = False
    found = []
    for part in torch.split(fewer, BATCH):
        check()
        with torch.no_grad():
            tokens = network.encode_clinical(values.expand(len(part), -1), part)
        both = []
        for of in (image, mirror):
            states = replace(
                of, features=of.features.expand(len(part), -1, -1, -1, -1), boxes=of.boxes.expand(len(part), -1),
                lesion_logits=of.lesion_logits.expand(len(part), -1, -1, -1),
            )  # fmt: skip
            both.append(grad_cam_pp(network, states, tokens, target=target, score=score).maps)
        maps = ((both[0] + both[1].flip(-1)) / 2).cpu().numpy()
        found += [on_canvas(m, box, cells) for m in maps]
    return np.stack(found)


def unified_map(
    grid: FloatMap, without: FloatMap, *, density: FloatMap, values: NDArray[np.float64],
    values_without: NDArray[np.float64], fields: Sequence[str], geometry: CanvasGeometry,
    reference: float, target_class: str,
) -> UnifiedMap:  # fmt: skip
    """The map, each field's term, and the map without each field. Costs no pass.

    Args:
        grid: (h, w) combined Grad-CAM++ map.
        without: (F, h, w) the same without each field, from `maps_without`.
        density: (F, h, w) attention density of each known field, 1 = even.
        values: (F,) what each known field contributes, log-odds.
        values_without: (F, F) the same once the row's field is unknown, from `contributions_without`.
        fields: Ids of the known fields.
        geometry: How the source lies on the canvas.
        reference: Grad-CAM++ value that counts as 1.
        target_class: The class explained.
    """
    count = len(fields)
    terms = _terms(grid, density, values, reference)
    fewer = np.stack([_terms(without[i], density, values_without[i], reference).sum(0) for i in range(count)])
    return UnifiedMap(
        fields=tuple(fields), grid=terms.sum(0), field_grids=terms, without=fewer, source=source_grid(geometry, grid),
        target_class=target_class, reference=REFERENCE, unit=UNIT, semantics=SEMANTICS,
    )  # fmt: skip


def source_grid(geometry: CanvasGeometry, grid: FloatMap) -> SourceGrid:
    """How maps of this size are placed on the source image: the matrices of `mmxai_core.explain.grids.to_source`."""
    sides = []
    for axis in (0, 1):
        canvas = (np.arange(geometry.source_shape[axis]) + 0.5) * geometry.scale[axis] + geometry.offset[axis]
        size = grid.shape[axis]
        sides.append(interpolation(canvas * size / geometry.canvas, size).astype(np.float32))
    return SourceGrid(sides[0], sides[1])


def _terms(grid: FloatMap, density: FloatMap, values: FloatArray, reference: float) -> FloatMap:
    """(F, h, w): each field's own term."""
    weights = np.asarray(values, np.float32)[:, None, None]
    terms: FloatMap = (grid / reference * weights * density).astype(np.float32)
    return terms
