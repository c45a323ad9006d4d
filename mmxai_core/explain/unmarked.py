"""What the model says of a study where the reader marked the lesion, without the mark: so that a mark can be judged."""

from __future__ import annotations

from dataclasses import replace

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.model.encoded import EncodedStudy, concatenate, select
from mmxai_core.model.glance import square_overlap
from mmxai_core.model.worker import Cancelled
from mmxai_core.predict import Predictor
from mmxai_core.results import Unmarked


def unmarked(
    predictor: Predictor, encoded: EncodedStudy | None, record: ClinicalRecord, *, cancelled: Cancelled | None = None
) -> Unmarked | None:
    """The answer with the region that the model finds itself; the marked image is encoded once more.

    Args:
        predictor: Of the bundle that encoded the study.
        encoded: The study as the reader marked it.
        record: Known clinical values.
        cancelled: Asked now and then.

    Returns:
        None where there is no image, or no mark.

    Raises:
        DeadlineError: No answer in time.
        CancelledError: `cancelled` said so.
    """
    if encoded is None or encoded.roi is None:
        return None
    k, study, state = encoded.roi_image, encoded.study, encoded.state
    own = predictor.encode(replace(study, images=(study.images[k],)), cancelled=cancelled).state
    around = [select(state, slice(0, k)), own, select(state, slice(k + 1, None))]
    without = replace(encoded, roi=None, roi_image=0, state=concatenate([s for s in around if len(s.tokens)]))
    answer = predictor.predict(study, record, encoded=without, cancelled=cancelled)
    overlap = float(square_overlap(state.boxes[k : k + 1], own.boxes)[0])
    return Unmarked(answer.probability, answer.predicted_class, overlap)
