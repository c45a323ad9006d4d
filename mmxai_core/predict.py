"""Prediction: owns the network, its device and the one worker that touches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

import mmxai_core
from mmxai_core.clinical import ClinicalRecord, EncodedRecord
from mmxai_core.errors import ClinicalValueError, StudyReadError
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.device import choose_device, exact_arithmetic
from mmxai_core.model.encoded import EncodedStudy, check_encoded, concatenate, select, to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.glance import square_box
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.worker import Cancelled, Progress, Ticket, Worker
from mmxai_core.preprocess import ModelInput, prepare
from mmxai_core.results import ImageScore, Prediction, Versions
from mmxai_core.study import Study
from mmxai_core.types import Box, FloatArray

T = TypeVar("T")

#: Images encoded in one job: bounds memory, and lets another reader's job in between two parts of a long study.
CHUNK = 8
#: Images fused in one pass: the clinical -> image attention is the largest array, (B, heads, F, N).
FUSE_CHUNK = 64


class Predictor:
    """One bundle on one device. Safe to share between threads: all work on the network goes through one worker.

    Attributes:
        bundle: What it answers for.
        device: Label of the device it runs on, e.g. "cpu" or "cuda:0 (NVIDIA H100)".
        device_reason: Why that one, in one sentence.
    """

    def __init__(self, bundle: Bundle, *, device: str = "auto", queue_size: int = 16, deadline_s: float = 120) -> None:
        """Builds the network.

        Args:
            bundle: From `load_bundle`.
            device: "auto", "cpu", "cuda" or "cuda:N".
            queue_size: Most requests that may wait.
            deadline_s: Seconds a request may take, where it does not say itself.

        Raises:
            DeviceError: A CUDA device was asked for that is not there.
            BundleError: The weights do not fit.
        """
        self.bundle = bundle
        chosen = choose_device(device)
        self._torch_device, self.device, self.device_reason = chosen.torch_device, chosen.label, chosen.reason
        self._deadline_s = deadline_s
        self._network = bundle.build_network().to(self._torch_device)
        self._worker = Worker(f"mmxai-{bundle.name}", queue_size=queue_size)

    def close(self) -> None:
        """Ends the worker."""
        self._worker.close()

    @property
    def torch_device(self) -> torch.device:
        """Where tensors for the network belong."""
        return self._torch_device

    def versions(self, *, seed: int = 0) -> Versions:
        """Provenance of a result made now."""
        return Versions(
            self.bundle.name, self.bundle.sha256, mmxai_core.__version__, torch.__version__, self.device, seed
        )

    def submit(
        self,
        job: Callable[[FusedNetwork, Ticket], T],
        *,
        deadline_s: float | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> T:
        """Runs `job` with the network on the worker's thread, and waits for its result.

        Args:
            job: Gets the network, whose parameters ask for no gradient, and a ticket to check now and then.
            deadline_s: Seconds for waiting and running; None: the predictor's own.
            progress: Called on this thread with each step the job reports.
            cancelled: Asked on this thread.

        Raises:
            DeadlineError: The queue stayed full, or the job did not finish in time.
            CancelledError: `cancelled` said so.
        """

        def run(ticket: Ticket) -> T:
            with exact_arithmetic(self._torch_device):
                return job(self._network, ticket)

        return self._worker.submit(
            run, deadline_s=deadline_s or self._deadline_s, progress=progress, cancelled=cancelled
        )

    def encode(
        self,
        study: Study,
        *,
        roi: Box | None = None,
        roi_image: int = 0,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> EncodedStudy:
        """Runs the image branch over every image of a study.

        Args:
            study: The study.
            roi: Box in source pixels where the second glance shall look, or None: the model's own lesion map decides.
            roi_image: The image it was drawn on. The others keep the model's own box.
            progress: Called with each step.
            cancelled: Asked between images.

        Raises:
            StudyReadError: An image is too small, or the region lies outside its image.
            DeadlineError: No answer in time.
            CancelledError: `cancelled` said so.
        """
        if roi is not None and not 0 <= roi_image < len(study.images):
            raise StudyReadError(
                f"The region was drawn on image {roi_image + 1}, but the study has {len(study.images)}."
            )
        states, geometries = [], []
        for start in range(0, len(study.images), CHUNK):
            if progress is not None:
                many = f"Reading image {start + 1} of {len(study.images)}"
                progress(many if len(study.images) > 1 else "Reading the image", start / len(study.images))
            inputs = [
                prepare(
                    image, ClinicalRecord(), schema=self.bundle.schema, canvas=self.bundle.arch.canvas,
                    roi=roi if i == roi_image else None,
                )
                for i, image in enumerate(study.images[start : start + CHUNK], start)
            ]  # fmt: skip
            states.append(self.submit(lambda net, _, x=inputs: self._encode(net, x), cancelled=cancelled))  # type: ignore[misc]
            geometries += [x.geometry for x in inputs if x.geometry is not None]
        return EncodedStudy(study, concatenate(states), tuple(geometries), roi, roi_image, self.bundle.sha256)

    def _encode(self, network: FusedNetwork, inputs: Sequence[ModelInput]) -> ImageState:
        """On the worker: a chunk of images; those with a drawn region apart from the others, in order."""
        parts: list[ImageState] = []
        start = 0
        while start < len(inputs):
            end = start + 1
            while end < len(inputs) and inputs[end].roi is None and inputs[start].roi is None:
                end += 1
            canvas = torch.from_numpy(np.stack([x.canvas for x in inputs[start:end] if x.canvas is not None]))
            roi, size = inputs[start].roi, self.bundle.arch.canvas
            boxes = None if roi is None else torch.tensor([square_box(*(v / size for v in roi))])
            with torch.no_grad():  # not inference mode: explanations differentiate from these features on
                state = network.encode_image(
                    canvas.to(self._torch_device), boxes=None if boxes is None else boxes.to(self._torch_device)
                )
            parts.append(to_device(replace(state, block_attention=()), torch.device("cpu")))
            start = end
        return concatenate(parts)

    def predict(
        self,
        study: Study | None,
        record: ClinicalRecord,
        *,
        roi: Box | None = None,
        roi_image: int = 0,
        encoded: EncodedStudy | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Prediction:
        """A calibrated prediction. Every image is scored with the record; the bundle says how they become one answer.

        Args:
            study: The study, or None: clinical data only.
            record: Known clinical values; none known: image only.
            roi: See `encode`; read only where `encoded` is None.
            roi_image: See `encode`.
            encoded: The study as `encode` gave it, so that only the fusion runs.
            progress: Called with each step.
            cancelled: Asked now and then.

        Raises:
            ClinicalValueError: The record does not fit the schema, or there is neither image nor known field.
            StudyReadError: The study cannot be encoded, or `encoded` belongs to another study or bundle.
            DeadlineError: No answer in time.
            CancelledError: `cancelled` said so.
        """
        record = self.check_record(study, record)
        if study is not None and encoded is None:
            encoded = self.encode(study, roi=roi, roi_image=roi_image, progress=progress, cancelled=cancelled)
        check_encoded(encoded, study, self.bundle.sha256)
        if progress is not None:
            progress("Weighing image and clinical data", 0.95)
        clinical = self.bundle.schema.encode(record)
        logits, gates = self.submit(lambda network, _: self._fuse(network, encoded, clinical), cancelled=cancelled)
        return self._prediction(encoded, record, clinical, logits, gates)

    def check_record(self, study: Study | None, record: ClinicalRecord) -> ClinicalRecord:
        """The record, validated against this bundle's schema.

        Raises:
            ClinicalValueError: It does not fit, or there is neither an image nor a known field.
        """
        checked = self.bundle.schema.record(record.values)
        if study is None and not checked.values:
            raise ClinicalValueError("A prediction needs an image or at least one known clinical field; got neither.")
        return checked

    def _fuse(
        self, network: FusedNetwork, encoded: EncodedStudy | None, clinical: EncodedRecord
    ) -> tuple[FloatArray, FloatArray]:
        """On the worker: (B, K) raw logits and (B, 2) gates, float64; B = 1 without a study."""
        device = self._torch_device
        values = torch.from_numpy(clinical.values)[None].to(device)
        known = torch.from_numpy(clinical.known)[None].to(device)
        logits, gates = [], []
        with torch.no_grad():
            tokens = network.encode_clinical(values, known)
            count = 1 if encoded is None else len(encoded.state.tokens)
            for start in range(0, count, FUSE_CHUNK):
                if encoded is None:
                    state = network.encode_image(None)
                else:
                    state = to_device(select(encoded.state, slice(start, start + FUSE_CHUNK)), device)
                fused, _ = network.fuse(state, tokens.expand(len(state.tokens), -1, -1))
                logits.append(fused.logits.double().cpu().numpy())
                gates.append(fused.gate.double().cpu().numpy())
        return np.concatenate(logits), np.concatenate(gates)

    def _prediction(
        self, encoded: EncodedStudy | None, record: ClinicalRecord, clinical: EncodedRecord, raw: FloatArray,
        gates: FloatArray,
    ) -> Prediction:  # fmt: skip
        """Temperature, softmax, aggregation over images, notes."""
        bundle = self.bundle
        logits = raw / bundle.temperature
        odds = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = odds / odds.sum(1, keepdims=True)
        first = int(np.argmax(probabilities[:, bundle.positive_index]))  # aggregation "max": `Bundle` knows no other
        scores = () if encoded is None else tuple(
            ImageScore(i, image.label, float(p))
            for i, (image, p) in enumerate(
                zip(encoded.study.images, probabilities[:, bundle.positive_index], strict=True)
            )
        )  # fmt: skip
        drawn = encoded is not None and encoded.roi is not None and encoded.roi_image == first
        schema = bundle.schema
        return Prediction(
            classes=bundle.classes,
            positive_class=bundle.positive_class,
            probabilities={c: float(p) for c, p in zip(bundle.classes, probabilities[first], strict=True)},
            logits={c: float(v) for c, v in zip(bundle.classes, logits[first], strict=True)},
            temperature=bundle.temperature,
            branch_weights={"image": float(gates[first, 0]), "clinical": float(gates[first, 1])},
            known_fields=tuple(i for i in schema.ids if i in record.values),
            unknown_fields=schema.unknown(record),
            outlier_fields=clinical.outliers,
            threshold=bundle.threshold,
            lesion_box=None if encoded is None else encoded.lesion_box(first),
            lesion_box_source="none" if encoded is None else "reader" if drawn else "model",
            image_index=None if encoded is None else first,
            image_scores=scores,
            versions=self.versions(),
            notes=self._notes(encoded, record, clinical),
        )

    def _notes(self, encoded: EncodedStudy | None, record: ClinicalRecord, clinical: EncodedRecord) -> tuple[str, ...]:
        notes = []
        if encoded is None:
            notes.append("No image was given: the prediction rests on the clinical data alone.")
        elif len(encoded.study.images) > 1:
            notes.append("Every image was scored; the one with the highest probability decides.")
        if not record.values:
            notes.append("No clinical field is known: the prediction rests on the image alone.")
        for field_id in clinical.outliers:
            field = self.bundle.schema[field_id]
            lo, hi = field.usual
            unit = f" {field.unit}" if field.unit else ""
            notes.append(
                f"{field.label} {field.describe(record.get(field_id))} is outside the usual range of the training data "
                f"({lo:g} to {hi:g}{unit}) and was read as its nearest end."
            )
        return tuple(notes)
