"""The explanation of one prediction, part by part, from one image encoding, on the predictor's worker.

First the check of the input and the prediction, then the maps and the account of inputs, then the parts that take
longer (`mmxai_core.explain.parts`): each is handed on as soon as it is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
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
from mmxai_core.explain.coalition import SEMANTICS, CoalitionHead
from mmxai_core.explain.conformal import prediction_set
from mmxai_core.explain.input_check import check_input
from mmxai_core.explain.joint import joint_accounts
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.parts import PARTS, Case, background_rows, case_tensors
from mmxai_core.explain.regions import Partition
from mmxai_core.explain.unmarked import unmarked
from mmxai_core.explain.what_if import WhatIf
from mmxai_core.model.encoded import EncodedStudy, check_encoded
from mmxai_core.model.field_statistics import bundle_statistics
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.reference import Reference, load_reference
from mmxai_core.model.worker import Cancelled, Progress, Ticket
from mmxai_core.predict import Predictor
from mmxai_core.results import Explanation, FirstAnswer, Prediction
from mmxai_core.study import Study
from mmxai_core.types import Box

#: Every part after the first maps and account, in order. "questions": certainty by branch,
#: what to ask next, similar training cases.
ALL_PARTS = (*PARTS, "questions")
#: Where each step begins, as a share of the whole.
_STARTS = {"encode": 0.0, "first": 0.12, "maps": 0.14, "joint": 0.2, "attention": 0.3, "strip": 0.4, "questions": 0.96}


class Explainer:
    """Explains the predictions of one predictor. Safe to share between threads.

    Attributes:
        predictor: The predictor.
        reference: What its bundle carries of the training cohort.
        statistics: Distributions of the fields, from training or from the bundle's background rows.
    """

    def __init__(self, predictor: Predictor) -> None:
        """Reads the bundle's reference and background rows.

        Args:
            predictor: The predictor.

        Raises:
            BundleError: One of them is not what a bundle holds.
            ClinicalValueError: A background value breaks its field's rule.
        """
        self.predictor = predictor
        self.reference: Reference = load_reference(predictor.bundle)
        self.statistics = bundle_statistics(predictor.bundle)
        values, known = background_rows(predictor.bundle)
        self._background = values.to(predictor.torch_device), known.to(predictor.torch_device)

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
        parts: Collection[str] = ALL_PARTS,
        partition: Partition = "lesion",
        on_first: Callable[[FirstAnswer], None] | None = None,
        on_part: Callable[[Explanation], None] | None = None,
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
            target_class: The class explained; None: accounts explain the positive class, and maps the class called,
                since they show the evidence for the answer given.
            score: What Grad-CAM++ differentiates: the class logit, or its log-odds.
            roi: See `Predictor.encode`; read only where `encoded` is None.
            roi_image: See `Predictor.encode`.
            seed: Of every random number.
            parts: Which of `ALL_PARTS` to compute after the first maps and account.
            partition: How the image is split into players of the joint account: "lesion" (lesion, perilesional ring,
                rest, by the model's own lesion map) or "grid" (3 x 3).
            on_first: Called on this thread with input check, prediction and prediction set, before any explanation.
            on_part: Called on this thread with the explanation so far, after the maps and after each part.
            deadline_s: Seconds the worker may take for the maps, and for each part; None: the predictor's own limit.
            progress: Called with each step in plain words.
            cancelled: Asked between steps.

        Raises:
            ExplanationError: The class or a part does not exist, or the prediction belongs to other inputs.
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
        if unknown := sorted(set(parts) - set(ALL_PARTS)):
            raise ExplanationError(f"The parts of an explanation are {', '.join(ALL_PARTS)}; got {unknown[0]!r}.")
        seconds: dict[str, float] = {}
        record = predictor.check_record(study, record)
        with _timed(seconds, "encode"):
            if study is not None and encoded is None:
                encoded = predictor.encode(
                    study, roi=roi, roi_image=roi_image, cancelled=cancelled,
                    progress=lambda step, part: tell(step, _STARTS["first"] * part),
                )  # fmt: skip
            check_encoded(encoded, study, bundle.sha256)
        with _timed(seconds, "predict"):
            tell("Weighing image and clinical data", _STARTS["first"])
            if prediction is None:
                prediction = predictor.predict(study, record, encoded=encoded, cancelled=cancelled)
            _check_prediction(prediction, record, encoded, bundle.sha256)
        with _timed(seconds, "input_check"):
            first = self.first_answer(prediction, encoded, record)
        if encoded is not None and encoded.roi is not None:
            with _timed(seconds, "unmarked"):
                first = replace(first, unmarked=unmarked(predictor, encoded, record, cancelled=cancelled))
        if on_first is not None:
            on_first(first)
        request = Request(
            encoded, record, bundle.schema.encode(record), prediction, bundle.classes.index(target),
            bundle.classes.index(target_class or prediction.predicted_class), score, seed, partition,
        )  # fmt: skip
        evidence = predictor.submit(
            lambda network, ticket: self._work(network, ticket, request, seconds), deadline_s=deadline_s,
            progress=_within(tell, "maps"), cancelled=cancelled,
        )  # fmt: skip
        with _timed(seconds, "maps"):
            explanation = replace(
                assemble(request, evidence, bundle), input_check=first.input_check,
                prediction_set=first.prediction_set, parts=("maps",), missing=self.reference.missing,
            )  # fmt: skip
        values, known, image = case_tensors(request, predictor.torch_device)
        case = Case(request, evidence, bundle, self.reference, self._background, values, known, image)
        hear = on_part or (lambda _: None)
        explanation = _with_seconds(explanation, seconds)
        hear(explanation)
        for name in (n for n in ALL_PARTS if n in parts):
            with _timed(seconds, name):
                if name == "questions":
                    tell("Asking what is worth knowing next", _STARTS[name])
                    explanation = self._questions(case, explanation)
                else:
                    explanation = self._part(
                        name, case, explanation, deadline_s=deadline_s, progress=_within(tell, name),
                        cancelled=cancelled,
                    )  # fmt: skip
            explanation = _with_seconds(replace(explanation, parts=(*explanation.parts, name)), seconds)
            hear(explanation)
        tell("Done", 1.0)
        return explanation

    def first_answer(self, prediction: Prediction, encoded: EncodedStudy | None, record: ClinicalRecord) -> FirstAnswer:
        """What is shown before any explanation. No forward pass.

        Args:
            prediction: What `Predictor.predict` said.
            encoded: The study as `Predictor.encode` gave it, or None.
            record: The clinical record.
        """
        check = check_input(
            encoded, record, inputs=self.reference.inputs, statistics=self.statistics,
            planes=self.predictor.bundle.planes, trained_on=self.reference.training_images,
        )  # fmt: skip
        kept = prediction_set(prediction, self.reference.conformal, schema=self.predictor.bundle.schema)
        return FirstAnswer(check, prediction, kept)

    def _part(
        self, name: str, case: Case, so_far: Explanation, *, deadline_s: float | None, progress: Progress,
        cancelled: Cancelled | None,
    ) -> Explanation:  # fmt: skip
        words, run = PARTS[name]

        def job(network: FusedNetwork, ticket: Ticket) -> Explanation:
            ticket.step(words, 0.0)
            return run(network, ticket, case, so_far)

        return self.predictor.submit(job, deadline_s=deadline_s, progress=progress, cancelled=cancelled)

    def _questions(self, case: Case, so_far: Explanation) -> Explanation:
        """Certainty by branch, what to ask next, similar training cases. Below one forward pass's time."""
        if not self.predictor.bundle.schema.fields:
            return so_far
        asked = WhatIf(
            self.predictor, case.encoded, case.request.record, prediction=case.request.prediction,
            statistics=self.statistics,
        )  # fmt: skip
        return replace(
            so_far, branches=asked.modalities(seed=case.request.seed), questions=asked.ask(), similar=asked.similar()
        )

    def _work(self, network: FusedNetwork, ticket: Ticket, request: Request, seconds: dict[str, float]) -> Evidence:
        """The first maps and the account of inputs, on the worker."""
        bundle = self.predictor.bundle
        values, known, image = case_tensors(request, self.predictor.torch_device)
        read = None
        if image is not None:
            ticket.step("Mapping the evidence in the image", 0.0)
            with _timed(seconds, "saliency"):
                with torch.no_grad():
                    tokens = network.encode_clinical(values, known)
                read = mirrored_grad_cam_pp(
                    network, request.canvas(values.device), image, tokens, target=request.map_target,
                    score=request.score,
                )  # fmt: skip
        ticket.step("Sharing the prediction among its inputs", 0.5)
        with _timed(seconds, "coalitions"):
            prediction = request.prediction
            head = CoalitionHead(network, image, values, known, fields=bundle.schema.ids)
            base = _nothing_known(network, values) / bundle.temperature
            accounts = joint_accounts(
                head, temperature=bundle.temperature, target=request.target, base=base,
                full=np.array([prediction.logits[c] for c in prediction.classes]), seed=request.seed,
                semantics=SEMANTICS, check=ticket.check,
            )  # fmt: skip
        return Evidence(None if read is None else read.cpu(), head, accounts, base)


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


def _with_seconds(explanation: Explanation, seconds: dict[str, float]) -> Explanation:
    """The times so far, and their sum."""
    return replace(explanation, seconds={**seconds, "total": sum(seconds.values())})


def _within(tell: Progress, name: str) -> Progress:
    """Progress of one step as a part of the whole."""
    low, high = _STARTS[name], min(v for v in (*_STARTS.values(), 1.0) if v > _STARTS[name])
    return lambda step, part: tell(step, low + (high - low) * min(max(part, 0.0), 1.0))
