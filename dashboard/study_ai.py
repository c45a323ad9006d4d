"""The AI's answer to a study's case: computed beside the unaided reading, held on the server until it may be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.placebo import placebo_map
from mmxai_core.reader_study.protocol import Protocol
from mmxai_core.reader_study.records import Shown
from mmxai_core.reader_study.session import shown_probability
from mmxai_core.results import Attribution, Explanation, Prediction
from mmxai_core.study import Study

if TYPE_CHECKING:
    from mmxai_core.explain.explainer import Explainer
    from mmxai_core.predict import Predictor

#: Threads that wait for the model; the model itself has one worker.
_POOL = ThreadPoolExecutor(max_workers=16, thread_name_prefix="study-ai")
#: Parts of an explanation beyond the first maps and account, by what an arm shows.
_PARTS: Mapping[str, str] = {
    "joint": "joint", "unified": "attention", "reliability": "strip", "what_if": "questions", "similar": "questions",
}  # fmt: skip
#: What an arm with an AI that is made wrong on purpose may show: what can be turned with it. The rest would contradict
#: it, and to leave it out of those readings alone would give them away.
TURNED = ("saliency", "attribution")
#: What an arm with placebo maps may show beside them: the other maps, and numbers on the real one, would contradict it.
BESIDE_PLACEBO = ("saliency", "attribution", "joint", "similar", "uncertainty")


@dataclass(frozen=True, eq=False)
class AiOutput:
    """What a reader may be shown.

    Attributes:
        prediction: With the probability as shown and the protocol's threshold.
        explanation: As shown: a placebo map is in the place of the real one.
        shown: What the store keeps of it.
        explanations: Ids of the arm's that this case has; one without an image has no map.
    """

    prediction: Prediction
    explanation: Explanation
    shown: Shown
    explanations: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AiJob:
    """An answer under way."""

    future: Future[AiOutput]

    @property
    def done(self) -> bool:
        """True once there is an answer or an error."""
        return self.future.done()

    def result(self) -> AiOutput:
        """The answer; raises what stopped it."""
        return self.future.result()


def start_ai(
    predictor: Predictor, explainer: Explainer, study: Study | None, record: ClinicalRecord, *, protocol: Protocol,
    assignment: Assignment,
) -> AiJob:  # fmt: skip
    """Start the AI's answer for one reading.

    Args:
        predictor: The model.
        explainer: Its explainer.
        study: The image, or None.
        record: Clinical values of the case.
        protocol: With truth: a seeded error needs it. Never sent to the browser.
        assignment: The reading.
    """
    return AiJob(_POOL.submit(_answer, predictor, explainer, study, record, protocol, assignment))


def _answer(
    predictor: Predictor, explainer: Explainer, study: Study | None, record: ClinicalRecord, protocol: Protocol,
    assignment: Assignment,
) -> AiOutput:  # fmt: skip
    arm, seed = protocol.arm(assignment.arm), protocol.randomisation.seed
    encoded = None if study is None else predictor.encode(study)
    real = predictor.predict(study, record, encoded=encoded)
    p = shown_probability(
        real.probability, truth=protocol.case(assignment.case).truth, threshold=protocol.threshold,
        seeded_wrong=assignment.ai_seeded_wrong,
    )  # fmt: skip
    prediction = as_shown(real, p, protocol.threshold)
    turned = prediction.predicted_class != replace(real, threshold=protocol.threshold).predicted_class
    allowed = tuple(e for e in arm.explanations if not arm.wrong_share or e in TURNED)
    parts = {_PARTS[e] for e in allowed if e in _PARTS}
    # A map shows the evidence for the class that is called, an account always explains the positive class. Called is
    # what the reader is told: a reading that is turned must not differ in what its pictures are about.
    called = protocol.threshold if not turned else 0.0 if prediction.predicted_class == real.positive_class else 2.0
    explanation = explainer.explain(
        study, record, prediction=replace(real, threshold=called), encoded=encoded, parts=parts
    )
    shown = replace(explanation, prediction=prediction)
    if turned:
        target = prediction.probabilities[explanation.target_class]
        shown = replace(
            shown, attribution=turn(explanation.attribution, math.log(target / (1 - target))),
            attribution_probability=turn(explanation.attribution_probability, target), prediction_set=None,
        )  # fmt: skip
    if arm.wrong_share:  # an interval is there for a real account only, so that it would tell the two apart
        shown = replace(
            shown, attribution=replace(shown.attribution, interval=None, interval_from=""),
            attribution_probability=replace(shown.attribution_probability, interval=None, interval_from=""),
        )  # fmt: skip
    explanations = tuple(e for e in allowed if _is_there(shown, e))
    if assignment.placebo and shown.saliency is not None:
        fake = placebo_map(shown.saliency.source, seed=seed, case=assignment.case)
        shown = replace(shown, saliency=replace(shown.saliency, source=fake))
    settings = {
        "method": "" if shown.saliency is None else shown.saliency.method, "explanations": list(explanations),
        "parts": sorted(parts), "seed": real.versions.seed, "placebo": assignment.placebo, "turned": turned,
    }  # fmt: skip
    kept = Shown(
        real.versions.bundle, real.versions.bundle_sha256, prediction.predicted_class, p, explanation.id, settings
    )
    return AiOutput(prediction, shown, kept, explanations)


def as_shown(prediction: Prediction, probability: float, threshold: float) -> Prediction:
    """The prediction with another probability of the positive class and the study's threshold."""
    p = min(max(probability, 1e-4), 1 - 1e-4)
    others = 1.0 - prediction.probability
    probabilities = {
        c: p if c == prediction.positive_class else (1 - p) * (v / others if others > 0 else 1.0)
        for c, v in prediction.probabilities.items()
    }
    logits = {c: math.log(max(v, 1e-12)) for c, v in probabilities.items()}
    return replace(prediction, probabilities=probabilities, logits=logits, threshold=threshold)


def turn(account: Attribution, output: float) -> Attribution:
    """The account led to another output: part of a seeded error.

    The change is dealt out by the size of the contributions, so that large ones turn most and none grows beyond what
    the model itself could say, however little the real account moved.

    Args:
        account: The real one.
        output: Where it is to end, in its own space.
    """
    values = np.asarray(account.values, np.float64)
    size = np.abs(values)
    share = size / size.sum() if size.sum() > 0 else np.full(len(values), 1 / max(len(values), 1))
    return replace(
        account, values=values + share * (output - account.output), interactions=np.zeros_like(account.interactions),
        output=output, interval=None, interval_from="",
    )  # fmt: skip


def _is_there(explanation: Explanation, name: str) -> bool:
    """Whether the case has this explanation."""
    found: Mapping[str, object] = {
        "saliency": explanation.saliency, "rollout": explanation.rollout, "cross_modal": explanation.cross_modal,
        "unified": explanation.unified, "joint": explanation.joint, "similar": explanation.similar,
        "uncertainty": explanation.prediction_set,
    }  # fmt: skip
    return found.get(name, True) is not None
