"""An analysis that runs beside the page: prediction first, then explanation. It reports steps and can be cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.results import Explanation, FirstAnswer, Prediction
from mmxai_core.study import Study
from mmxai_core.types import Box

if TYPE_CHECKING:
    from mmxai_core.explain.explainer import Explainer
    from mmxai_core.model.encoded import EncodedStudy
    from mmxai_core.predict import Predictor

#: Threads that wait for the model; the model itself has one worker.
_POOL = ThreadPoolExecutor(max_workers=16, thread_name_prefix="analysis")


@dataclass(frozen=True, eq=False)
class Analysis:
    """A finished analysis and the inputs it belongs to.

    Attributes:
        study: The study analysed, or None.
        record: The clinical record analysed.
        roi: The region the reader drew, or None.
        roi_image: The image it was drawn on.
        encoded: The study as the image branch saw it; makes a changed form cost only the fusion.
        prediction: The prediction.
        explanation: Its explanation.
        seconds: From the click to the result.
        finished_at: When it was finished, UTC; the time a report carries.
    """

    study: Study | None
    record: ClinicalRecord
    roi: Box | None
    roi_image: int
    encoded: EncodedStudy | None
    prediction: Prediction
    explanation: Explanation
    seconds: float
    finished_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def differs_in(self, study: Study | None, record: ClinicalRecord, roi: Box | None) -> tuple[str, ...]:
        """What of these inputs is not what was analysed: "study", "region" and ids of fields; empty where all is."""
        mine, now = dict(self.record.values), dict(record.values)
        fields = [f for f in (*mine, *(f for f in now if f not in mine)) if mine.get(f) != now.get(f)]
        whole = [name for name, same in (("study", study is self.study), ("region", roi == self.roi)) if not same]
        return (*whole, *fields)


@dataclass(eq=False)
class Job:
    """One running analysis.

    Attributes:
        step: What it is doing, in words.
        fraction: Share done, [0, 1].
        first: Input check, prediction and prediction set, as soon as they are known.
        partial: The analysis so far, from the first maps and contributions on; a new one with each part.
    """

    step: str = "Waiting for the model"
    fraction: float = 0.0
    first: FirstAnswer | None = None
    partial: Analysis | None = None
    record: ClinicalRecord = field(default_factory=ClinicalRecord)
    roi: Box | None = None
    roi_image: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _future: Future[Analysis] | None = None

    def cancel(self) -> None:
        """Ask it to stop at the next step."""
        self._stop.set()
        self.step = "Cancelling"

    @property
    def done(self) -> bool:
        """True once there is a result or an error."""
        return self._future is not None and self._future.done()

    @property
    def error(self) -> BaseException | None:
        """What stopped a job that is done; None where there is a result."""
        assert self._future is not None
        return self._future.exception()

    def result(self) -> Analysis:
        """The analysis of a job that is done without an error."""
        assert self._future is not None
        return self._future.result()

    def when_done(self, call: Callable[[Job], None]) -> None:
        """Call this, on the job's own thread, once there is a result or an error."""
        assert self._future is not None
        self._future.add_done_callback(lambda _: call(self))

    def report(self, low: float, high: float, step: str, fraction: float) -> None:
        """Take a step's progress as a part of the whole."""
        if not self._stop.is_set():
            self.step, self.fraction = step, low + (high - low) * min(max(fraction, 0.0), 1.0)


def start(
    predictor: Predictor, explainer: Explainer, study: Study | None, record: ClinicalRecord, *, roi: Box | None,
    roi_image: int, known: Analysis | None = None, on_first: Callable[[FirstAnswer], None] = lambda _: None,
) -> Job:  # fmt: skip
    """Start an analysis.

    Args:
        predictor: The model.
        explainer: Its explainer.
        study: The study, or None for clinical data only.
        record: Known clinical values.
        roi: Region the reader drew, or None.
        roi_image: The image it was drawn on.
        known: An earlier analysis; where study and region are the same, its encoding is used again.
        on_first: Called, on the job's thread, with input check, prediction and prediction set.
    """
    job = Job(record=record, roi=roi, roi_image=roi_image)
    began = time.monotonic()

    def run() -> Analysis:
        cancelled = job._stop.is_set
        encoded = None
        if study is not None:
            same = known is not None and (known.study, known.roi, known.roi_image) == (study, roi, roi_image)
            encoded = known.encoded if same and known is not None else None
            if encoded is None:
                encoded = predictor.encode(
                    study, roi=roi, roi_image=roi_image, cancelled=cancelled,
                    progress=lambda step, share: job.report(0.0, 0.45, step, share),
                )  # fmt: skip
        job.report(0.45, 0.5, "Weighing image and clinical data", 0.0)
        prediction = predictor.predict(study, record, encoded=encoded, cancelled=cancelled)

        def analysis(explanation: Explanation) -> Analysis:
            spent = time.monotonic() - began
            return Analysis(study, record, roi, roi_image, encoded, prediction, explanation, spent)

        def hear_first(first: FirstAnswer) -> None:
            job.first = first
            on_first(first)

        def hear_part(explanation: Explanation) -> None:
            job.partial = analysis(explanation)

        return analysis(
            explainer.explain(
                study, record, prediction=prediction, encoded=encoded, cancelled=cancelled, on_first=hear_first,
                on_part=hear_part, progress=lambda step, share: job.report(0.5, 1.0, step, share),
            )
        )  # fmt: skip

    job._future = _POOL.submit(run)
    return job
