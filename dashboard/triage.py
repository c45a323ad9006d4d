"""Predictions for many cases of the worklist, one after the other: answer and interval, no pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dashboard.batch import Batch, Line
from dashboard.casebook import analysed, bundle_of
from dashboard.components.worklist_rows import prediction_words
from dashboard.messages import sentence
from mmxai_core.errors import CancelledError, MmxaiError, StudyReadError
from mmxai_core.explain.explainer import Explainer
from mmxai_core.explain.unmarked import unmarked
from mmxai_core.explain.what_if import WhatIf
from mmxai_core.predict import Predictor
from mmxai_core.results import FirstAnswer
from mmxai_core.worklist import Analysed, WorklistCase, WorklistStore


def answer_case(
    case: WorklistCase, store: WorklistStore, explainer: Explainer, owners: Sequence[str], *,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[FirstAnswer, Analysed]:  # fmt: skip
    """Predict one kept case.

    Args:
        case: The case.
        store: Where its pixels are.
        explainer: Of the bundle that reads it.
        owners: Whose cases may be read.
        cancelled: Asked now and then.

    Raises:
        StudyReadError: Its pixels are not kept, or cannot be read by the model.
        ClinicalValueError: A value does not fit the schema, or nothing is known of the case.
        CancelledError: `cancelled` said so.
    """
    predictor: Predictor = explainer.predictor
    study = store.study(case.code, owners)
    if study is None and case.images:
        raise StudyReadError("Its pixels are not kept any more; open the file again.")
    record = predictor.bundle.schema.record(dict(case.values))
    encoded = None
    if study is not None:
        encoded = predictor.encode(study, roi=case.roi, roi_image=case.roi_image, cancelled=cancelled)
    prediction = predictor.predict(study, record, encoded=encoded, cancelled=cancelled)
    first = replace(
        explainer.first_answer(prediction, encoded, record),
        unmarked=unmarked(predictor, encoded, record, cancelled=cancelled),
    )
    asked = WhatIf(predictor, encoded, record, prediction=prediction, statistics=explainer.statistics)
    told = analysed(
        first, values=record.values, roi=case.roi, roi_image=case.roi_image, unknown=len(prediction.unknown_fields),
        branches=asked.modalities(),
    )  # fmt: skip
    return first, told


def triage(
    batch: Batch, codes: Sequence[str], store: WorklistStore, explainer_of: Callable[[WorklistCase], Explainer],
    owners: Sequence[str],
) -> Iterator[Line]:  # fmt: skip
    """Work for a `Batch`: predict each case and keep the answer; one that fails says why, and the next begins.

    Args:
        batch: Asked whether to stop.
        codes: The cases.
        store: The worklist.
        explainer_of: Of the bundle that reads a case.
        owners: Whose cases may be touched.
    """
    for i, code in enumerate(codes, 1):
        if batch.cancelled:
            return
        batch.step = f"Case {code}, {i} of {len(codes)}"
        case = store.case(code, owners)
        if case is None:  # removed meanwhile
            yield Line(code, False, "Removed meanwhile.")
            continue
        reads = bundle_of(case)
        try:
            store.begin(code, owners, bundle=reads)
            first, told = answer_case(case, store, explainer_of(case), owners, cancelled=lambda: batch.cancelled)
        except CancelledError:
            store.give_up(code, owners, bundle=reads)
            return
        except MmxaiError as error:
            store.fail(code, owners, sentence(error), bundle=reads)
            yield Line(code, False, sentence(error))
            continue
        except BaseException:
            store.fail(code, owners, "Something unexpected happened.", bundle=reads)
            raise
        store.finish(code, owners, first, told, bundle=reads)
        yield Line(code, True, prediction_words(told))
