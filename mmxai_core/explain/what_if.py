"""What-if questions about one case: only the fusion and the head run, never the image branch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import ExplanationError
from mmxai_core.explain.certainty import branch_account, what_to_ask
from mmxai_core.explain.counterfactual import search, value_change
from mmxai_core.explain.options import UNKNOWN, FieldOptions, OptionHead, positive_probability, with_option
from mmxai_core.explain.plausible import OptionChances
from mmxai_core.explain.similar import bundle_prototypes, similar_groups
from mmxai_core.model.encoded import EncodedStudy, check_encoded, concatenate, to_device
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.field_statistics import FieldStatistics, bundle_statistics
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.worker import Cancelled, Ticket
from mmxai_core.predict import Predictor
from mmxai_core.results import Prediction
from mmxai_core.results.certainty import BranchAccount, Questions
from mmxai_core.results.similar import SimilarGroups
from mmxai_core.results.what_if import CounterfactualSearch, FieldResponse, ResponsePoint, WhatIfAnswer, points_apart

T = TypeVar("T")

#: Images of a study that take part in curves and searches: those with the highest probability now.
MAX_IMAGES = 8


class WhatIf:
    """Answers about one case. Never changes after it is built, so several threads may ask it.

    Building it costs one prediction on cached tokens and two passes of the fusion over some hundred field values:
    about a quarter of a forward pass. Every answer afterwards costs the fusion (`answer`) or rows of the head.

    Attributes:
        prediction: Of the case as it is.
        record: Its clinical values.
    """

    def __init__(
        self,
        predictor: Predictor,
        encoded: EncodedStudy | None,
        record: ClinicalRecord,
        *,
        prediction: Prediction | None = None,
        statistics: FieldStatistics | None = None,
    ) -> None:
        """Prepares the case.

        Args:
            predictor: The predictor.
            encoded: The study as `Predictor.encode` gave it, or None: clinical data only.
            record: Known clinical values.
            prediction: What `Predictor.predict` said of these inputs, or None: made here.
            statistics: Distributions of the fields; None: those the bundle carries from training, or else its
                background rows.

        Raises:
            ClinicalValueError: The record does not fit the schema, or there is neither image nor known field.
            StudyReadError: `encoded` belongs to another model.
            ExplanationError: The bundle has no clinical field, or the prediction is of other inputs.
            BundleError: The bundle's statistics or background rows do not fit its schema.
        """
        bundle = predictor.bundle
        if not bundle.schema.fields:
            raise ExplanationError("This bundle has no clinical field, so there is nothing to change.")
        study = None if encoded is None else encoded.study
        check_encoded(encoded, study, bundle.sha256)
        self._predictor, self._encoded = predictor, encoded
        self.record = predictor.check_record(study, record)
        if prediction is not None and set(prediction.known_fields) != set(self.record.values):
            raise ExplanationError("The prediction was made from other clinical values.")
        self.prediction = prediction or predictor.predict(study, self.record, encoded=encoded)
        self._options = FieldOptions.make(bundle.schema, self.record)
        self._chances = OptionChances.make(statistics or bundle_statistics(bundle), self._options)
        self._head, self._absent = predictor.submit(lambda network, _: self._heads(network))

    def _heads(self, network: FusedNetwork) -> tuple[OptionHead, OptionHead]:
        """On the worker: with the images, and without."""
        bundle = self._predictor.bundle

        def make(state: ImageState) -> OptionHead:
            return OptionHead(
                network, state, self._options, temperature=bundle.temperature, positive=bundle.positive_index
            )

        with torch.no_grad():
            absent = make(network.encode_image(None))
        if self._encoded is None:
            return absent, absent
        scores = np.array([s.probability for s in self.prediction.image_scores])
        used = np.sort(np.argsort(-scores, kind="stable")[:MAX_IMAGES])
        state = concatenate([self._encoded.image(int(i)) for i in used])
        return make(to_device(state, self._predictor.torch_device)), absent

    def _work(self, job: Callable[[Ticket], T]) -> T:
        return self._predictor.submit(lambda _, ticket: job(ticket))

    def answer(self, changes: Mapping[str, Any] | None = None, *, without_image: bool = False) -> WhatIfAnswer:
        """The prediction of the case with some fields changed. Costs the fusion over the cached tokens.

        Args:
            changes: New raw values by field id; None, "" and "unknown" make a field unknown.
            without_image: Take the image away.

        Raises:
            ClinicalValueError: A value breaks its field's rule, or nothing would be left to predict from.
        """
        start = time.perf_counter()
        schema, raw = self._predictor.bundle.schema, dict(changes or {})
        changed = schema.record({**self.record.values, **raw})
        encoded = None if without_image else self._encoded
        prediction = self._predictor.predict(None if encoded is None else encoded.study, changed, encoded=encoded)
        moves = tuple(
            value_change(schema[i], self.record.get(i), changed.get(i))
            for i in schema.ids
            if self.record.get(i) != changed.get(i)
        )
        turns = prediction.predicted_class != self.prediction.predicted_class
        return WhatIfAnswer(
            prediction, moves, without_image and self._encoded is not None,
            prediction.probability - self.prediction.probability, turns,
            self._say(prediction, turns), time.perf_counter() - start,
        )  # fmt: skip

    def _say(self, new: Prediction, turns: bool) -> str:
        before, after = self.prediction.probability, new.probability
        moved = points_apart(before, after, digits=1)
        said = f"{100 * after:.1f} % {new.positive_class} instead of {100 * before:.1f} % ({moved}); "
        return said + (f"the decision turns to {new.predicted_class}." if turns else "the decision stays.")

    def response(self, field_id: str) -> FieldResponse:
        """This case's probability over all values of one field (individual conditional expectation, Goldstein 2015).

        One batch of at most 50 rows of the head.

        Raises:
            ClinicalValueError: No such field.
        """
        bundle, options = self._predictor.bundle, self._options
        field = bundle.schema[field_id]
        index = bundle.schema.ids.index(field_id)
        rows = with_option(options.current, index, range(len(options.values[index])))
        rows = np.concatenate([rows, options.current[None]])
        p = self._work(lambda ticket: self._head.probability(rows, check=ticket.check))
        answers = options.answers(index)
        points = tuple(
            ResponsePoint(v, field.describe(v), float(q), bool(self._chances.in_range[index, o]))
            for o, (v, q) in enumerate(zip(answers, p[1:-1], strict=True), start=1)
        )
        crossings = _crossings(points, bundle.threshold) if field.kind == "numeric" else ()
        return FieldResponse(
            field.id, field.label, field.kind, field.unit, points, self.record.get(field_id), float(p[-1]),
            float(p[UNKNOWN]), bundle.threshold, crossings, bundle.positive_class,
            "This case with only this field changed, everything else kept; it says what the model would answer, not "
            "what a change of the patient would do." + self._images_note(),
        )  # fmt: skip

    def _images_note(self) -> str:
        count = 0 if self._encoded is None else len(self._encoded.study.images)
        if count <= MAX_IMAGES:
            return ""
        return f" Of the {count} images, the {MAX_IMAGES} with the highest probability take part."

    def modalities(self, *, seed: int = 0) -> BranchAccount:
        """The case as it is, with its image alone, with its clinical data alone; at most 600 rows of the head."""
        bundle = self._predictor.bundle
        return self._work(
            lambda _: branch_account(
                self._head, self._absent, self._chances, has_image=self._encoded is not None,
                positive=bundle.positive_index, name=bundle.positive_class, seed=seed,
            )
        )  # fmt: skip

    def ask(self) -> Questions:
        """The unknown fields, ranked by what knowing them is expected to change; about 100 rows of the head."""
        bundle = self._predictor.bundle
        return self._work(
            lambda _: what_to_ask(
                self._head, self._chances, positive=bundle.positive_index, name=bundle.positive_class,
                threshold=bundle.threshold,
            )
        )  # fmt: skip

    def similar(self, *, count: int = 3) -> SimilarGroups | None:
        """The nearest groups of training cases, or None where the bundle carries none. One pass of the fusion.

        Args:
            count: Most groups.

        Raises:
            BundleError: The groups do not fit the bundle.
        """
        prototypes = bundle_prototypes(self._predictor.bundle)
        if prototypes is None:
            return None
        image = None
        if self._encoded is not None:
            image = to_device(self._encoded.image(self.prediction.image_index or 0), self._predictor.torch_device)
        return self._predictor.submit(
            lambda network, _: similar_groups(network, image, self.record, prototypes, count=count)
        )

    def counterfactual(
        self,
        *,
        locked: Iterable[str] = (),
        lock_groups: Iterable[str] = (),
        max_changes: int = 3,
        fill_unknown: bool = False,
        alternatives: int = 3,
        seed: int = 0,
        cancelled: Cancelled | None = None,
    ) -> CounterfactualSearch:
        """The smallest plausible change that turns the decision, or the statement that there is none.

        Up to 150,000 rows of the head a level; each answer is confirmed by the network's own pass over all images.

        Args:
            locked: Field ids that may not change, e.g. "age".
            lock_groups: Field groups that may not change, e.g. "history".
            max_changes: Most fields changed at once, 1 to 3.
            fill_unknown: Also let unknown fields take a value ("if the margin were found to be ...").
            alternatives: Most answers.
            seed: Of the records drawn to judge plausibility.
            cancelled: Asked now and then.

        Raises:
            ExplanationError: `max_changes` is not 1, 2 or 3.
            ClinicalValueError: No such field.
            CancelledError: `cancelled` said so.
        """
        bundle = self._predictor.bundle
        if max_changes not in (1, 2, 3):
            raise ExplanationError(f"A counterfactual changes 1, 2 or 3 fields; got {max_changes}.")
        groups = set(lock_groups)
        held = {bundle.schema[i].id for i in locked} | {f.id for f in bundle.schema.fields if f.group in groups}
        return self._predictor.submit(
            lambda network, ticket: search(
                self._head, self._chances, positive=bundle.positive_index, classes=bundle.classes,
                threshold=bundle.threshold, locked=held, max_changes=max_changes, fill_unknown=fill_unknown,
                alternatives=alternatives, seed=seed, check=ticket.check, accept=lambda c: self._turns(network, c),
            ),
            cancelled=cancelled,
        )  # fmt: skip

    def _turns(self, network: FusedNetwork, choice: NDArray[np.int64]) -> bool:
        """On the worker: the network's own pass over every image says the same, those outside the search included."""
        bundle, device = self._predictor.bundle, self._predictor.torch_device
        clinical = bundle.schema.encode(self._options.record(choice))
        best = 0.0
        with torch.no_grad():
            tokens = network.encode_clinical(
                torch.from_numpy(clinical.values)[None].to(device), torch.from_numpy(clinical.known)[None].to(device)
            )
            for i in range(1 if self._encoded is None else len(self._encoded.study.images)):
                state = network.encode_image(None)
                if self._encoded is not None:
                    state = to_device(self._encoded.image(i), device)
                logits = network.fuse(state, tokens)[0].logits.double().cpu().numpy() / bundle.temperature
                best = max(best, float(positive_probability(logits, bundle.positive_index)[0]))
        return (best >= bundle.threshold) != (self.prediction.probability >= bundle.threshold)


def _crossings(points: tuple[ResponsePoint, ...], threshold: float) -> tuple[float, ...]:
    """Numbers where the curve crosses the threshold, by linear interpolation."""
    out = []
    for a, b in pairwise(points):
        if (a.probability >= threshold) != (b.probability >= threshold):
            part = (threshold - a.probability) / (b.probability - a.probability)
            out.append(float(a.value) + part * (float(b.value) - float(a.value)))
    return tuple(out)
