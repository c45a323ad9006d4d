"""From what the worker found to the first explanation that is shown: maps on the source and the account of inputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord, EncodedRecord
from mmxai_core.explain import reliability, rollout, saliency
from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.cross_modal import cross_modal
from mmxai_core.explain.grids import canvas_cells, to_source
from mmxai_core.explain.joint import Accounts
from mmxai_core.explain.regions import Partition
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.encoded import EncodedStudy
from mmxai_core.preprocess import prepare_image
from mmxai_core.results import Explanation, Prediction, SaliencyMap
from mmxai_core.types import Json


@dataclass(frozen=True, eq=False)
class Request:
    """What is explained, and how.

    Attributes:
        encoded: The study as the image branch saw it, or None.
        record: The clinical record.
        clinical: The same, encoded.
        prediction: The prediction explained.
        target: Index of the class the accounts are about.
        map_target: Index of the class the maps are about: the class called, unless one was asked for.
        score: What Grad-CAM++ differentiates.
        seed: Of every random number.
        partition: How the image is split into players of the joint account.
    """

    encoded: EncodedStudy | None
    record: ClinicalRecord
    clinical: EncodedRecord
    prediction: Prediction
    target: int
    map_target: int
    score: saliency.Score
    seed: int
    partition: Partition

    @property
    def index(self) -> int:
        """The image explained."""
        return self.prediction.image_index or 0

    def canvas(self, device: torch.device) -> torch.Tensor:
        """(1, 1, S, S) the image explained, standardised as it was encoded."""
        assert self.encoded is not None
        grey, size = self.encoded.study.images[self.index].grey, self.encoded.geometries[self.index].canvas
        return torch.from_numpy(prepare_image(grey, canvas=size)[0])[None, None].to(device)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the worker found.

    Attributes:
        read: The differentiated pass, on the CPU; None without an image.
        head: Coalitions of the known fields and the whole image, on the network's device.
        accounts: Their accounts.
        base: (K,) logits of the network's own pass with every player removed, after temperature.
    """

    read: saliency.ReadOut | None
    head: CoalitionHead
    accounts: Accounts
    base: NDArray[np.float64]


def assemble(request: Request, evidence: Evidence, bundle: Bundle) -> Explanation:
    """The explanation as it is shown, without its times.

    Args:
        request: What was asked.
        evidence: What the worker found.
        bundle: The bundle that was asked.
    """
    prediction, encoded = request.prediction, request.encoded
    prediction = replace(prediction, versions=replace(prediction.versions, seed=request.seed))
    accounts = evidence.accounts.log_odds, evidence.accounts.probability
    target, mapped = bundle.classes[request.target], bundle.classes[request.map_target]
    explanation = Explanation(
        id=_explanation_id(request, bundle.sha256), prediction=prediction, target_class=target, saliency=None,
        rollout=None, lesion_map=None, cross_modal=None, attribution=accounts[0],
        attribution_probability=accounts[1], reliability=(reliability.additivity(accounts),), geometry=None,
    )  # fmt: skip
    if encoded is None or evidence.read is None:
        return explanation
    cells = canvas_cells(bundle.arch)
    geometry, image = encoded.geometries[request.index], evidence.read.image
    box = saliency.box_of(image)
    glances = evidence.read.maps[0].numpy()
    grid = saliency.on_canvas(glances, box, cells)
    flow = rollout.rollout(image)[0].numpy()
    spread = rollout.attention_on_canvas(flow, box, cells) * cells**2
    lesion = torch.sigmoid(image.lesion_logits[0, 0]).numpy()
    on_source = to_source(np.stack([grid, spread]), geometry)
    missing = " This bundle has no measured colour scale: 1 fills it." if bundle.saliency_reference is None else ""
    return replace(
        explanation,
        saliency=SaliencyMap(
            method=saliency.METHOD, layer=saliency.LAYER, target_class=mapped, grid=grid,
            glances={"whole": glances[0], "lesion": glances[1]}, source=on_source[0],
            unit=saliency.UNIT + missing, reference=bundle.saliency_reference or 1.0,
            semantics=f"{saliency.SEMANTICS} Averaged over the image and its mirror image.",
        ),
        rollout=SaliencyMap(
            method=rollout.METHOD, layer=rollout.LAYER, target_class=mapped, grid=spread,
            glances=dict(zip(("whole", "lesion"), rollout.glance_maps(flow), strict=True)), source=on_source[1],
            unit=rollout.UNIT, reference=rollout.REFERENCE, semantics=rollout.SEMANTICS,
        ),
        lesion_map=to_source(lesion, geometry),
        cross_modal=cross_modal(
            evidence.read.terms, fields=bundle.schema.ids, known=request.clinical.known, box=box, cells=cells,
            geometry=geometry,
        ) if prediction.known_fields else None,
        geometry=_geometry(encoded, prediction, cells),
    )  # fmt: skip


def _explanation_id(request: Request, bundle_sha256: str) -> str:
    """Hex sha256 of the inputs, the bundle and the settings: the same question has the same id."""
    encoded = request.encoded
    asked = {
        "study": None if encoded is None else encoded.study.sha256,
        "image": request.prediction.image_index,
        "roi": None if encoded is None or encoded.roi is None else [list(encoded.roi), encoded.roi_image],
        "record": dict(sorted(request.record.values.items())),
        "bundle": bundle_sha256,
        "settings": [request.target, request.map_target, request.score, request.seed, request.partition],
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
