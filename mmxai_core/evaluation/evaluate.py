"""Runs a bundle over a cohort: one row a case, then metrics with intervals and, where masks exist, localisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mmxai_core.clinical import GROUPS, ClinicalRecord
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, ClinicalValueError, CohortError
from mmxai_core.evaluation.bootstrap import REPLICATES
from mmxai_core.evaluation.cases import OpenCase, open_case
from mmxai_core.evaluation.localization import localize
from mmxai_core.evaluation.saliency import grad_cam_map
from mmxai_core.evaluation.tables import CaseRow, summarise
from mmxai_core.model.bundle import Bundle
from mmxai_core.model.encoded import EncodedStudy, select
from mmxai_core.predict import Predictor
from mmxai_core.results import Prediction
from mmxai_core.study import Study
from mmxai_core.types import FloatMap, Json

#: Called with (cases done, cases in all).
CaseProgress: TypeAlias = Callable[[int, int], None]
#: (predictor, encoded study, record, prediction) -> (H, W) raw map on the pixels of the image that decided.
SaliencyMethod: TypeAlias = Callable[[Predictor, EncodedStudy, ClinicalRecord, Prediction], FloatMap]

#: Images encoded together.
BATCH = 8


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: One a case, in the cohort's order.
        summary: Plain values, as `evaluate --json` prints them.
    """

    rows: tuple[CaseRow, ...]
    summary: Json


def evaluate(
    predictor: Predictor,
    cohort: Cohort,
    *,
    known: Sequence[str] | None = None,
    saliency: SaliencyMethod | None = grad_cam_map,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: CaseProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Predicts every case of a cohort and compares with the labels and masks.

    Args:
        predictor: The bundle on its device.
        cohort: Cases; clinical fields that the bundle does not know are left out and named in the summary.
        known: Field groups that count as known; None: all; empty: image only.
        saliency: Gives the map that is compared with the lesion mask; None: no localisation.
        replicates: Bootstrap replicates.
        seed: Of the bootstrap.
        progress: Called after each batch.
        cancelled: Asked before each batch.

    Raises:
        CohortError: The cohort's classes are not the bundle's, no case is labelled, or a file cannot be read.
        ClinicalValueError: A value breaks its field's rule, or a group does not exist.
        CancelledError: `cancelled` said so.
    """
    bundle = predictor.bundle
    groups = tuple(GROUPS if known is None else known)
    _check(bundle, cohort, groups)
    rows: list[CaseRow] = []
    for batch in _batches(cohort.cases):
        if cancelled is not None and cancelled():
            raise CancelledError("The evaluation was cancelled.")
        opened = [open_case(c, cohort, schema=bundle.schema, known=groups) for c in batch]
        for case, encoded in zip(opened, _encode(predictor, opened), strict=True):
            rows.append(_row(predictor, case, encoded, saliency))
        if progress is not None:
            progress(len(rows), len(cohort.cases))
    summary = {
        "bundle": bundle.name,
        "bundle_sha256": bundle.sha256,
        "device": predictor.device,
        "cohort": cohort.name,
        "trained_on_this_cohort": trained_on(bundle, cohort),
        "classes": list(bundle.classes),
        "positive_class": bundle.positive_class,
        "threshold": bundle.threshold,
        "known": list(groups),
        **summarise(
            rows, positive_class=bundle.positive_class, threshold=bundle.threshold, replicates=replicates, seed=seed
        ),
        "fields_not_in_bundle": sorted({k for c in cohort.cases for k in c.clinical} - set(bundle.schema.ids)),
        "dropped": [{"reason": reason, "n": n} for reason, n in cohort.dropped if n],
    }
    return Evaluation(tuple(rows), summary)


def trained_on(bundle: Bundle, cohort: Cohort) -> bool:
    """True where the bundle's metadata names the cohort among its training data: the figures are then no test."""
    parts = bundle.metadata.get("training_data")
    named = [p.get("cohort") for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
    return cohort.name in named


def _check(bundle: Bundle, cohort: Cohort, groups: Sequence[str]) -> None:
    if bad := set(groups) - set(GROUPS):
        raise ClinicalValueError(f"Field groups are {', '.join(GROUPS)}; got {', '.join(sorted(bad))}.")
    labels = {c.label for c in cohort.cases if c.label is not None}
    if strange := labels - set(bundle.classes):
        raise CohortError(
            f"Bundle {bundle.name!r} tells {', '.join(bundle.classes)} apart; "
            f"cohort {cohort.name} also has {', '.join(sorted(strange))}."
        )
    if not labels:
        raise CohortError(f"Metrics need labelled cases; none of the {len(cohort.cases)} cases has a label.")


def _batches(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    for start in range(0, len(cases), BATCH):
        yield cases[start : start + BATCH]


def _encode(predictor: Predictor, cases: Sequence[OpenCase]) -> Iterator[EncodedStudy]:
    """Encodes the images of several cases in one pass, and gives each case its own part back."""
    images = tuple(image for c in cases for image in c.study.images)
    joined = predictor.encode(Study(images, cases[0].study.source_format, cases[0].study.sha256))
    start = 0
    for case in cases:
        end = start + len(case.study.images)
        yield replace(
            joined, study=case.study, state=select(joined.state, slice(start, end)),
            geometries=joined.geometries[start:end],
        )  # fmt: skip
        start = end


def _row(predictor: Predictor, case: OpenCase, encoded: EncodedStudy, saliency: SaliencyMethod | None) -> CaseRow:
    prediction = predictor.predict(case.study, case.record, encoded=encoded)
    found = None
    if saliency is not None and case.mask is not None:
        found = localize(saliency(predictor, encoded, case.record, prediction), case.mask)
    return CaseRow(
        case_id=case.case.case_id,
        patient_id=case.case.patient_id,
        label=case.case.label,
        probability=prediction.probability,
        predicted=prediction.predicted_class,
        image_weight=prediction.branch_weights["image"],
        known_fields=len(prediction.known_fields),
        lesion_hit=found.hit if found else None,
        lesion_iou=found.iou if found else None,
        lesion_energy=found.energy if found else None,
        lesion_share=found.lesion_share if found else None,
    )
