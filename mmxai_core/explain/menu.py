"""The choice of saliency methods, side by side: each raw, with its layer, its unit, and what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import ExplanationError
from mmxai_core.explain import rollout as attention_rollout
from mmxai_core.explain import saliency
from mmxai_core.explain.cam_library import LAYERS, GlanceNetwork, Layer, LibraryMethod, library_map
from mmxai_core.explain.feature_methods import integrated_gradients, token_relevance
from mmxai_core.explain.grids import WHOLE, canvas_cells, place_values, to_source
from mmxai_core.explain.saliency import Score, box_of, grad_cam_pp
from mmxai_core.model.encoded import EncodedStudy, to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.glance import lesion_glance, whole_glance
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.worker import Cancelled, Progress, Ticket
from mmxai_core.predict import Predictor
from mmxai_core.preprocess import standardise
from mmxai_core.results import Prediction, SaliencyMap
from mmxai_core.types import FloatArray, FloatMap

Method = Literal[
    "grad_cam_pp", "grad_cam", "layer_cam", "eigen_cam", "score_cam", "rollout", "relevance", "integrated_gradients"
]


@dataclass(frozen=True)
class Entry:
    """One line of the menu.

    Attributes:
        name: As shown.
        by_class: Whether the map depends on the class.
        layers: Layers that can be chosen; the first is the default.
        unit: What 1.0 means.
        semantics: What the map means and what it does not.
        passes: Forward passes it costs, about.
    """

    name: str
    by_class: bool
    layers: tuple[Layer, ...]
    unit: str
    semantics: str
    passes: int


_ANY: tuple[Layer, ...] = get_args(Layer)
_NECK: tuple[Layer, ...] = ("neck",)
MENU: dict[Method, Entry] = {
    "grad_cam_pp": Entry("Grad-CAM++", True, _ANY, saliency.UNIT, saliency.SEMANTICS, 1),
    "grad_cam": Entry(
        "Grad-CAM", True, _ANY, "Mean gradient x activation, in points of the model's raw score.",
        "Support for this class where a channel helps on average over the whole glance; evidence that helps in one "
        "place and hurts in another cancels out.", 2,
    ),
    "layer_cam": Entry(
        "LayerCAM", True, _ANY, "Positive gradient x activation at each place, in points of the model's raw score.",
        "Support for this class place by place, without averaging a channel over the glance.", 2,
    ),
    "eigen_cam": Entry(
        "EigenCAM", False, _ANY, "First principal component of the activations; it has no unit.",
        "What stands out most in the features, whatever the class: it does not say why the model answered.", 2,
    ),
    "score_cam": Entry(
        "ScoreCAM", True, _ANY, "Activations weighted by the softmax, over channels, of the class score with only "
        "that channel's area shown.",
        "Areas that keep the score when the rest of the glance is darkened; slow, and darkening is itself unusual.",
        140,
    ),
    "rollout": Entry(
        attention_rollout.METHOD, False, _NECK, attention_rollout.UNIT, attention_rollout.SEMANTICS, 1
    ),
    "relevance": Entry(
        "Attention relevance", True, _NECK, "Attention weighted by its gradient, in points of the model's raw score.",
        "Which places fed what raised this class, through attention; only positive parts are followed.", 1,
    ),
    "integrated_gradients": Entry(
        "Integrated gradients on the features", True, _NECK, "Share of the model's raw score, against features of "
        "0; only positive shares are drawn.",
        "How the raw score is shared among the features of each place; against features of 0, which no image has.", 10,
    ),
}  # fmt: skip


def method_maps(
    network: FusedNetwork, canvas: torch.Tensor, image: ImageState, tokens: torch.Tensor, *, method: Method,
    target: int, layer: Layer = "neck", score: Score = "logit",
) -> list[FloatMap]:  # fmt: skip
    """Raw maps of the whole and the lesion glance; on the worker; `MENU` says what each costs.

    Args:
        network: In evaluation mode.
        canvas: (1, 1, S, S) standardised.
        image: Its state.
        tokens: (1, F, d) field tokens.
        method: A key of `MENU`.
        target: Index of the class.
        layer: One of the method's layers.
        score: What is differentiated.

    Returns:
        Two (g, g) float32 maps, at least 0, not normalised.

    Raises:
        ExplanationError: The method does not exist, or cannot read that layer.
    """
    if method not in MENU:
        raise ExplanationError(f"The method must be one of {', '.join(MENU)}; got {method!r}.")
    if layer not in MENU[method].layers:
        raise ExplanationError(f"{MENU[method].name} reads the layer {', '.join(MENU[method].layers)}; got {layer!r}.")
    found: FloatArray
    if method == "grad_cam_pp" and layer == "neck":
        found = grad_cam_pp(network, image, tokens, target=target, score=score).maps[0].cpu().numpy()
    elif method == "rollout":
        with torch.no_grad():
            read = network.image_encoder.read_features(
                image.features, boxes=image.boxes, lesion_logits=image.lesion_logits
            )
        flow = attention_rollout.rollout(read)[0].cpu().numpy()
        found = attention_rollout.glance_maps(flow)
    elif method == "relevance":
        found = token_relevance(network, image, tokens, target=target, score=score)
    elif method == "integrated_gradients":
        found = np.maximum(integrated_gradients(network, image, tokens, target=target, score=score)[0], 0)
    else:
        size = network.arch.glance
        glances = (whole_glance(canvas, size), lesion_glance(canvas, image.boxes, size))
        return [
            library_map(
                GlanceNetwork(network, image, tokens, i), glance, method=_library(method), layer=layer, target=target,
                score=score,
            )
            for i, glance in enumerate(glances)
        ]  # fmt: skip
    return [np.asarray(m, np.float32) for m in found]


def _library(method: Method) -> LibraryMethod:
    assert method in get_args(LibraryMethod)
    return method  # type: ignore[return-value]  # checked on the line above


def saliency_by_method(
    predictor: Predictor, encoded: EncodedStudy, record: ClinicalRecord, prediction: Prediction, *, method: Method,
    target_class: str | None = None, layer: Layer = "neck", score: Score = "logit",
    references: Mapping[str, float] | None = None, deadline_s: float | None = None, progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> SaliencyMap:  # fmt: skip
    """One method's map of the image that decided, through the predictor's worker.

    Args:
        predictor: What made the prediction.
        encoded: The study as `Predictor.encode` gave it.
        record: The record of the prediction.
        prediction: The prediction.
        method: A key of `MENU`.
        target_class: The class explained; None: the positive class.
        layer: One of the method's layers.
        score: What is differentiated.
        references: By method, the value a full colour stands for, where the bundle measured it.
        deadline_s: See `Predictor.submit`; ScoreCAM takes some 140 forward passes.
        progress: Called with each step.
        cancelled: Asked between steps.

    Raises:
        ExplanationError: The class, method or layer does not exist.
        DeadlineError: No answer in time.
        CancelledError: `cancelled` said so.
    """
    bundle, device = predictor.bundle, predictor.torch_device
    chosen = bundle.positive_class if target_class is None else target_class
    if chosen not in bundle.classes:
        raise ExplanationError(f"The class must be one of {', '.join(bundle.classes)}; got {chosen!r}.")
    index, target = prediction.image_index or 0, bundle.classes.index(chosen)
    geometry, clinical = encoded.geometries[index], bundle.schema.encode(record)

    def job(network: FusedNetwork, ticket: Ticket) -> tuple[list[FloatMap], tuple[float, float, float]]:
        ticket.step(f"Mapping the evidence by {MENU[method].name if method in MENU else method}", 0.0)
        image = to_device(encoded.image(index), device)
        grey = encoded.study.images[index].grey
        canvas = standardise(geometry.to_canvas(grey), geometry.content_mask())
        with torch.no_grad():
            tokens = network.encode_clinical(
                torch.from_numpy(clinical.values)[None].to(device), torch.from_numpy(clinical.known)[None].to(device)
            )
        maps = method_maps(
            network, torch.from_numpy(canvas)[None, None].to(device), image, tokens, method=method, target=target,
            layer=layer, score=score,
        )  # fmt: skip
        return maps, box_of(image)

    maps, box = predictor.submit(job, deadline_s=deadline_s, progress=progress, cancelled=cancelled)
    cells, entry = canvas_cells(bundle.arch), MENU[method]
    if method == "rollout":
        flow = np.concatenate([m.ravel() for m in maps])
        grid = (attention_rollout.attention_on_canvas(flow, box, cells) * cells**2).astype(np.float32)
    else:
        grid = place_values(maps[0], WHOLE, cells) + place_values(maps[1], box, cells)
    known = dict(references or {})
    if bundle.saliency_reference is not None and (method, layer) == ("grad_cam_pp", "neck"):
        known.setdefault(method, bundle.saliency_reference)
    if method == "rollout":
        known.setdefault(method, attention_rollout.REFERENCE)
    unit, reference = entry.unit, known.get(method)
    if reference is None:  # no absolute scale: said where the map is read
        reference = float(grid.max()) or 1.0
        unit += " This method has no measured colour scale: a full colour is this map's own maximum."
    return SaliencyMap(
        method=entry.name, layer=LAYERS[layer], target_class=chosen if entry.by_class else "any class", grid=grid,
        glances=dict(zip(("whole", "lesion"), maps, strict=True)), source=to_source(grid, geometry), unit=unit,
        reference=reference, semantics=entry.semantics,
    )  # fmt: skip
