"""From what the worker found to the explanation that is shown: maps on the source, accounts, reliability numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, EncodedRecord
from mmxai_core.explain import reliability, rollout, saliency
from mmxai_core.explain.coalition import CoalitionTable, log_odds
from mmxai_core.explain.cross_modal import cross_modal
from mmxai_core.explain.grids import canvas_cells, to_source
from mmxai_core.explain.shapley import attribute
from mmxai_core.explain.stability import CopyExplanations
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.encoded import EncodedStudy
from mmxai_core.results import Attribution, Explanation, Prediction, ReliabilityNumber, SaliencyMap
from mmxai_core.types import FloatMap, Json, Mask


@dataclass(frozen=True, eq=False)
class Request:
    """What is explained, and how.

    Attributes:
        encoded: The study as the image branch saw it, or None.
        record: The clinical record.
        clinical: The same, encoded.
        prediction: The prediction explained.
        target: Index of the class explained.
        score: What Grad-CAM++ differentiates.
        seed: Of the perturbations.
    """

    encoded: EncodedStudy | None
    record: ClinicalRecord
    clinical: EncodedRecord
    prediction: Prediction
    target: int
    score: saliency.Score
    seed: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the worker found, on the CPU.

    Attributes:
        read: The differentiated pass; None without an image.
        table: The outputs of all coalitions.
        base: (K,) logits of the network's own pass with every player removed, after temperature.
        copies: Explanations of perturbed copies; None without an image.
    """

    read: saliency.ReadOut | None
    table: CoalitionTable
    base: NDArray[np.float64]
    copies: CopyExplanations | None


def assemble(request: Request, evidence: Evidence, bundle: Bundle) -> Explanation:
    """The explanation as it is shown, without its times.

    Args:
        request: What was asked.
        evidence: What the worker found.
        bundle: The bundle that was asked.
    """
    prediction, encoded = request.prediction, request.encoded
    prediction = replace(prediction, versions=replace(prediction.versions, seed=request.seed))
    accounts = _accounts(evidence, prediction, request.target)
    numbers = [reliability.additivity(accounts)]
    target = bundle.classes[request.target]
    explanation = Explanation(
        id=_explanation_id(request, bundle.sha256), prediction=prediction, target_class=target, saliency=None,
        rollout=None, lesion_map=None, cross_modal=None, attribution=accounts[0],
        attribution_probability=accounts[1], reliability=tuple(numbers), geometry=None,
    )  # fmt: skip
    if encoded is None or evidence.read is None or evidence.copies is None:
        return explanation
    index, cells = prediction.image_index or 0, canvas_cells(bundle.arch)
    geometry, image = encoded.geometries[index], evidence.read.image
    box = saliency.box_of(image)
    glances = evidence.read.maps[0].numpy()
    grid = saliency.on_canvas(glances, box, cells)
    flow = rollout.rollout(image)[0].numpy()
    spread = rollout.attention_on_canvas(flow, box, cells) * cells**2
    lesion = torch.sigmoid(image.lesion_logits[0, 0]).numpy()
    numbers += _map_numbers(request, evidence.copies, grid, lesion)
    on_source = to_source(np.stack([grid, spread]), geometry)
    missing = " This bundle has no measured colour scale: 1 fills it." if bundle.saliency_reference is None else ""
    return replace(
        explanation,
        saliency=SaliencyMap(
            method=saliency.METHOD, layer=saliency.LAYER, target_class=target, grid=grid,
            glances={"whole": glances[0], "lesion": glances[1]}, source=on_source[0],
            unit=saliency.UNIT + missing, reference=bundle.saliency_reference or 1.0,
            semantics=saliency.SEMANTICS,
        ),
        rollout=SaliencyMap(
            method=rollout.METHOD, layer=rollout.LAYER, target_class=target, grid=spread,
            glances=dict(zip(("whole", "lesion"), rollout.glance_maps(flow), strict=True)), source=on_source[1],
            unit=rollout.UNIT, reference=rollout.REFERENCE, semantics=rollout.SEMANTICS,
        ),
        lesion_map=to_source(lesion, geometry),
        cross_modal=cross_modal(
            evidence.read.terms, fields=bundle.schema.ids, known=request.clinical.known, box=box, cells=cells,
            geometry=geometry,
        ) if prediction.known_fields else None,
        reliability=tuple(numbers),
        geometry=_geometry(encoded, prediction, cells),
    )  # fmt: skip


def _map_numbers(
    request: Request, copies: CopyExplanations, grid: FloatMap, lesion: FloatMap
) -> list[ReliabilityNumber]:
    """Stability of map and account, and where the evidence lies."""
    assert request.encoded is not None
    index, cells = request.prediction.image_index or 0, grid.shape[0]
    geometry = request.encoded.geometries[index]
    content: Mask = reliability.box_region(
        geometry.box_to_canvas((0, 0, geometry.source_shape[1], geometry.source_shape[0])), cells, geometry.canvas
    )
    numbers = [
        *reliability.map_stability(grid, copies.maps, copies.perturbed),
        *reliability.attribution_stability(copies.original, copies.copies, how=copies.how),
        reliability.evidence_inside(
            grid, reliability.lesion_region(lesion), content=content, name="Evidence inside the lesion region",
            where="the model's lesion region",
        ),
    ]  # fmt: skip
    if request.prediction.lesion_box_source == "reader" and request.encoded.roi is not None:
        drawn = reliability.box_region(geometry.box_to_canvas(request.encoded.roi), cells, geometry.canvas)
        numbers.append(
            reliability.evidence_inside(
                grid, drawn, content=content, name="Evidence inside the drawn region", where="the region you drew"
            )
        )
    return numbers


def _accounts(evidence: Evidence, prediction: Prediction, target: int) -> tuple[Attribution, Attribution]:
    """The Shapley accounts in log-odds and in probability."""
    table, players = evidence.table, evidence.table.players
    ends = [
        float(log_odds(logits, target))
        for logits in (evidence.base, np.array([prediction.logits[c] for c in prediction.classes]))
    ]
    likely = [float(1 / (1 + np.exp(-v))) for v in ends]
    return (
        attribute(table.log_odds(target), players=players, space="log_odds", base_value=ends[0], output=ends[1]),
        attribute(
            table.probability(target), players=players, space="probability", base_value=likely[0], output=likely[1]
        ),
    )


def _explanation_id(request: Request, bundle_sha256: str) -> str:
    """Hex sha256 of the inputs, the bundle and the settings: the same question has the same id."""
    encoded = request.encoded
    asked = {
        "study": None if encoded is None else encoded.study.sha256,
        "image": request.prediction.image_index,
        "roi": None if encoded is None or encoded.roi is None else [list(encoded.roi), encoded.roi_image],
        "record": dict(sorted(request.record.values.items())),
        "bundle": bundle_sha256,
        "settings": [request.target, request.score, request.seed],
        "mmxai": request.prediction.versions.mmxai,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _geometry(encoded: EncodedStudy, prediction: Prediction, cells: int) -> Json:
    geometry = encoded.geometries[prediction.image_index or 0]
    return {
        "image_index": prediction.image_index,
        "source_shape": list(geometry.source_shape),
        "canvas": geometry.canvas,
        "content": list(geometry.content),
        "offset": list(geometry.offset),
        "scale": list(geometry.scale),
        "grid": cells,
        "lesion_box": list(prediction.lesion_box) if prediction.lesion_box else None,
        "lesion_box_source": prediction.lesion_box_source,
        "drawn_region": list(encoded.roi) if encoded.roi and encoded.roi_image == prediction.image_index else None,
    }
