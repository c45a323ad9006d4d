"""The explanation of one prediction: every part from one image encoding, on the predictor's worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import ExplanationError
from mmxai_core.explain import saliency
from mmxai_core.explain.assemble import Evidence, Request, assemble
from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.perturb import perturb
from mmxai_core.explain.stability import explain_copies
from mmxai_core.model.encoded import EncodedStudy, check_encoded, to_device
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.worker import Cancelled, Progress, Ticket
from mmxai_core.predict import Predictor
from mmxai_core.results import Explanation, Prediction
from mmxai_core.study import Study
from mmxai_core.types import Box


class Explainer:
    """Explains the predictions of one predictor. Safe to share between threads."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def explain(
        self,
        study: Study | None,
        record: ClinicalRecord,
        *,
        prediction: Prediction | None = None,
        encoded: EncodedStudy | None = None,
        target_class: str | None = None,
        score: saliency.Score = "logit",
        roi: Box | None = None,
        roi_image: int = 0,
        seed: int = 0,
        deadline_s: float | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Explanation:
        """Explains a prediction; makes it first where it is not given.

        Args:
            study: The study, or None: clinical data only.
            record: Known clinical values; none known: the image is the only player.
            prediction: What `Predictor.predict` said of these inputs, or None.
            encoded: The study as `Predictor.encode` gave it, or None.
            target_class: The class explained; None: the positive class.
            score: What Grad-CAM++ differentiates: the class logit, or its log-odds.
            roi: See `Predictor.encode`; read only where `encoded` is None.
            roi_image: See `Predictor.encode`.
            seed: Of the perturbations.
            deadline_s: Seconds the worker may take; None: the predictor's own limit.
            progress: Called with each step in plain words.
            cancelled: Asked between steps.

        Raises:
            ExplanationError: The class is not the bundle's, the prediction belongs to other inputs, or there are too
                many known fields for exact Shapley values.
            ClinicalValueError: The record does not fit the schema, or there is neither image nor known field.
            StudyReadError: The study cannot be encoded, or `encoded` belongs to another study or model.
            DeadlineError: No answer in time.
            CancelledError: `cancelled` said so.
        """
        predictor, bundle = self.predictor, self.predictor.bundle
        tell = progress or (lambda _, __: None)
        target = bundle.positive_class if target_class is None else target_class
        if target not in bundle.classes:
            raise ExplanationError(f"The class must be one of {', '.join(bundle.classes)}; got {target!r}.")
        seconds: dict[str, float] = {}
        record = predictor.check_record(study, record)
        with _timed(seconds, "encode"):
            if study is not None and encoded is None:
                encoded = predictor.encode(
                    study, roi=roi, roi_image=roi_image, cancelled=cancelled,
                    progress=lambda step, part: tell(step, 0.2 * part),
                )  # fmt: skip
            check_encoded(encoded, study, bundle.sha256)
        with _timed(seconds, "predict"):
            tell("Weighing image and clinical data", 0.2)
            if prediction is None:
                prediction = predictor.predict(study, record, encoded=encoded, cancelled=cancelled)
            _check_prediction(prediction, record, encoded, bundle.sha256)
        request = Request(
            encoded, record, bundle.schema.encode(record), prediction, bundle.classes.index(target), score, seed
        )
        evidence = predictor.submit(
            lambda network, ticket: self._work(network, ticket, request, seconds),
            deadline_s=deadline_s, progress=lambda step, part: tell(step, 0.25 + 0.65 * part), cancelled=cancelled,
        )  # fmt: skip
        tell("Drawing the maps on the image", 0.9)
        with _timed(seconds, "maps"):
            explanation = assemble(request, evidence, bundle)
        tell("Done", 1.0)
        return replace(explanation, seconds={**seconds, "total": sum(seconds.values())})

    def _work(self, network: FusedNetwork, ticket: Ticket, request: Request, seconds: dict[str, float]) -> Evidence:
        """Everything that needs the network, on the worker."""
        device, bundle = self.predictor.torch_device, self.predictor.bundle
        fields, encoded = bundle.schema.ids, request.encoded
        values = torch.from_numpy(request.clinical.values)[None].to(device)
        known = torch.from_numpy(request.clinical.known)[None].to(device)
        index = request.prediction.image_index or 0
        image = None if encoded is None else to_device(encoded.image(index), device)
        read = None
        if image is not None:
            ticket.step("Mapping the evidence in the image", 0.0)
            with _timed(seconds, "saliency"):
                with torch.no_grad():
                    tokens = network.encode_clinical(values, known)
                read = saliency.grad_cam_pp(network, image, tokens, target=request.target, score=request.score)
        ticket.step("Sharing the prediction among its inputs", 0.15)
        with _timed(seconds, "coalitions"):
            head = CoalitionHead(network, image, values, known, fields=fields)
            table = head.table(temperature=bundle.temperature, check=ticket.check)
            base = _nothing_known(network, values) / bundle.temperature
        copies = None
        if encoded is not None and image is not None:
            ticket.step("Testing how stable the explanation is", 0.4)
            with _timed(seconds, "stability"):
                geometry, grey = encoded.geometries[index], encoded.study.images[index].grey
                perturbed = perturb(
                    grey, geometry, cells=canvas_cells(bundle.arch), rng=np.random.default_rng(request.seed)
                )
                drawn = request.prediction.lesion_box_source == "reader"
                copies = explain_copies(
                    network, head, perturbed, values, known, fields=fields,
                    boxes=perturbed.boxes(saliency.box_of(image)) if drawn else None, target=request.target,
                    score=request.score, temperature=bundle.temperature, seed=request.seed, check=ticket.check,
                )  # fmt: skip
        return Evidence(None if read is None else read.cpu(), table, base, copies)


def _nothing_known(network: FusedNetwork, values: Tensor) -> NDArray[np.float64]:
    """(K,) raw logits of the network's own pass with every field unknown and no image."""
    with torch.no_grad():
        logits = network(None, values, torch.zeros_like(values, dtype=torch.bool)).logits[0]
    raw: NDArray[np.float64] = logits.double().cpu().numpy()
    return raw


def _check_prediction(
    prediction: Prediction, record: ClinicalRecord, encoded: EncodedStudy | None, bundle_sha256: str
) -> None:
    images = 0 if encoded is None else len(encoded.study.images)
    if (
        set(prediction.known_fields) != set(record.values)
        or prediction.versions.bundle_sha256 != bundle_sha256
        or len(prediction.image_scores) != images
    ):
        raise ExplanationError("The prediction to explain was made from other inputs or by another model.")


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start
