"""How far a bundle's explanations can be trusted over a cohort: the reliability strip of every case, summarised.

    predictor = Predictor(load_bundle(path))
    found = evaluate_explanations(predictor, cohort, limit=100)

The class explained is the one the bundle calls; for the positive class that is what the page shows first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import GROUPS
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.evaluation.bootstrap import LEVEL, REPLICATES, intervals
from mmxai_core.evaluation.cases import OpenCase, open_case
from mmxai_core.evaluation.evaluate import CaseProgress, trained_on
from mmxai_core.explain.evidence_scale import Peaks
from mmxai_core.explain.strip import measure_strip, read_strip
from mmxai_core.explain.strip_case import StripSettings, prepare_case
from mmxai_core.explain.strip_reference import bundle_null, bundle_thresholds
from mmxai_core.explain.thresholds import Thresholds
from mmxai_core.model.encoded import to_device
from mmxai_core.model.network import FusedNetwork
from mmxai_core.model.reference import load_reference
from mmxai_core.predict import Predictor
from mmxai_core.results.strip import ReliabilityStrip
from mmxai_core.types import Json

#: What the project asks of each figure: the bar, and whether the figure must reach it, may reach it, or stays below.
BARS: dict[str, tuple[float, str]] = {
    "deletion_beats_random": (0.8, "at least"),
    "top_fields_beat_random": (0.8, "at least"),
    "ssim_noise": (0.85, "at least"),
    "pearson_noise": (0.95, "at least"),
    "randomisation": (0.5, "below"),
    "conformal_coverage": (0.03, "at most"),
}  # fmt: skip
#: Numbers whose median is reported, by key of the strip.
MEDIANS = ("ssim_noise", "ssim_shift", "pearson_noise", "pearson_shift", "randomisation", "agreement",
           "attention_overlap", "inside_lesion", "evidence")  # fmt: skip
#: Numbers reported as the share of positive calls in which they are above 0: the explanation beats random.
SHARES = {
    "deletion_beats_random": "deletion_gain",
    "insertion_beats_random": "insertion_gain",
    "top_fields_beat_random": "field_gain",
}


@dataclass(frozen=True)
class ExplanationRow:
    """The strip of one case.

    Attributes:
        case_id: As in the cohort.
        patient_id: As in the cohort.
        label: True class; None where unknown.
        called: Class called at the bundle's threshold: the class explained.
        probability: Of the positive class.
        numbers: The reliability numbers by key; None where one could not be computed.
        cascade: Similarity to the true map, from the output down.
    """

    case_id: str
    patient_id: str
    label: str | None
    called: str
    probability: float
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    cascade: tuple[float, ...] = ()


def evaluate_explanations(
    predictor: Predictor,
    cohort: Cohort,
    *,
    known: Sequence[str] | None = None,
    limit: int | None = None,
    exact: bool = True,
    replicates: int = REPLICATES,
    seed: int = 0,
    progress: CaseProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[tuple[ExplanationRow, ...], Json]:
    """Runs the strip over a cohort and summarises it; costs some 40 forward passes a case.

    Args:
        predictor: The bundle on its device.
        cohort: Cases with one image each.
        known: Field groups that count as known; None: all.
        limit: At most as many cases, drawn at random with `seed`; None: all.
        exact: Exact Shapley values, as on the page; False: from sampled orders where there are many fields.
        replicates: Bootstrap replicates.
        seed: Of the draw, the perturbations and the bootstrap.
        progress: Called after each case.
        cancelled: Asked before each case.

    Returns:
        (one row a case; `summarise_explanations` of them).

    Raises:
        CohortError: The cohort has no case, or a file cannot be read.
        ClinicalValueError: A value breaks its field's rule.
        CancelledError: `cancelled` said so.
    """
    groups = tuple(GROUPS if known is None else known)
    cases: Sequence[Case] = cohort.cases
    if limit is not None and limit < len(cases):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(cases))[:limit])
        cases = [cases[i] for i in chosen]
    if not cases:
        raise CohortError(f"Cohort {cohort.name} has no case to explain.")
    reference = load_reference(predictor.bundle)
    thresholds, null = bundle_thresholds(reference), bundle_null(reference)
    rows: list[ExplanationRow] = []
    for case in cases:
        if cancelled is not None and cancelled():
            raise CancelledError("The evaluation of the explanations was cancelled.")
        opened = open_case(case, cohort, schema=predictor.bundle.schema, known=groups)
        rows.append(_row(predictor, opened, thresholds=thresholds, null=null, exact=exact, seed=seed))
        if progress is not None:
            progress(len(rows), len(cases))
    bundle = predictor.bundle
    summary = summarise_explanations(rows, positive_class=bundle.positive_class, replicates=replicates, seed=seed)
    gap = coverage_gap(bundle.metadata.get("conformal"))
    summary["bars"]["conformal_coverage"] = against_bar("conformal_coverage", gap)
    return tuple(rows), {
        "bundle": bundle.name, "bundle_sha256": bundle.sha256, "cohort": cohort.name, "known": list(groups),
        "device": predictor.device, "seed": seed, "drawn": limit is not None and limit < len(cohort.cases),
        "trained_on_this_cohort": trained_on(bundle, cohort), **summary,
    }  # fmt: skip


def summarise_explanations(
    rows: Sequence[ExplanationRow], *, positive_class: str, replicates: int = REPLICATES, seed: int = 0
) -> Json:
    """Shares over the positive calls and medians over all cases, with patient-clustered 95 % intervals.

    Args:
        rows: At least one.
        positive_class: The class whose calls the shares are about.
        replicates: Bootstrap replicates.
        seed: Of the bootstrap.

    Returns:
        {"n", "positive_calls", "interval", "shares": {name: {"n", "value", "low", "high"}}, "medians": the same,
        "bars": {name: {"value", "bar", "rule", "met"}}, "cascade": mean similarity by stage}; a figure nobody could
        compute is None.
    """
    calls = [r for r in rows if r.called == positive_class]
    shares = {name: _figure(calls, key, _share, replicates, seed) for name, key in SHARES.items()}
    medians = {key: _figure(rows, key, _median, replicates, seed) for key in MEDIANS}
    figures = {**medians, **shares}
    bars = {n: against_bar(n, None if (f := figures.get(n)) is None else float(f["value"])) for n in BARS}
    stages = [r.cascade for r in rows if r.cascade]
    return {
        "n": len(rows),
        "positive_calls": len(calls),
        "interval": f"{100 * LEVEL:.0f} % percentile bootstrap over patients, {replicates} replicates",
        "shares": shares,
        "medians": medians,
        "bars": bars,
        "cascade": np.mean(stages, 0).tolist() if stages else [],
    }


def against_bar(name: str, value: float | None) -> Json:
    """{"value", "bar", "rule", "met"} of one of `BARS`; "met" is None where there is no figure."""
    bar, rule = BARS[name]
    met = None
    if value is not None:
        met = value >= bar if rule == "at least" else value <= bar if rule == "at most" else value < bar
    return {"value": value, "bar": bar, "rule": rule, "met": met}


def coverage_gap(conformal: Json) -> float | None:
    """Largest gap of a class's mean coverage over repeated splits to the nominal one, over all levels of known fields.

    Args:
        conformal: The bundle's entry "conformal"; None: no prediction sets.
    """
    levels = ((conformal or {}).get("account") or {}).get("levels") or {}
    nominal = float((conformal or {}).get("coverage", 0))
    gaps = [abs(float(c["value"]) - nominal) for level in levels.values() for c in level["coverage"].values()]
    return max(gaps, default=None)


def case_table(rows: Sequence[ExplanationRow]) -> list[dict[str, object]]:
    """One flat row a case: ids, classes, probability, every number by key, similarity by stage of the cascade."""
    numbers = dict.fromkeys(k for r in rows for k in r.numbers)
    stages = range(max((len(r.cascade) for r in rows), default=0))
    return [
        {"case_id": r.case_id, "patient_id": r.patient_id, "label": r.label, "called": r.called,
         "probability": r.probability, **{k: r.numbers.get(k) for k in numbers},
         **{f"cascade_{i + 1}": r.cascade[i] if i < len(r.cascade) else None for i in stages}}
        for r in rows
    ]  # fmt: skip


def _row(
    predictor: Predictor, opened: OpenCase, *, thresholds: Thresholds, null: Peaks | None, exact: bool, seed: int
) -> ExplanationRow:
    bundle, device = predictor.bundle, predictor.torch_device
    encoded = predictor.encode(opened.study)
    prediction = predictor.predict(opened.study, opened.record, encoded=encoded)
    index, clinical = prediction.image_index or 0, bundle.schema.encode(opened.record)
    settings = StripSettings(
        bundle.schema.ids, bundle.classes.index(prediction.predicted_class), bundle.temperature, seed=seed, exact=exact
    )

    def job(network: FusedNetwork) -> ReliabilityStrip:
        case = prepare_case(
            network, encoded.study.images[index].grey, encoded.geometries[index],
            to_device(encoded.image(index), device), torch.from_numpy(clinical.values)[None].to(device),
            torch.from_numpy(clinical.known)[None].to(device), settings=settings,
        )  # fmt: skip
        return read_strip(measure_strip(network, case), thresholds=thresholds, null=null)

    strip = predictor.submit(lambda network, _: job(network))
    return ExplanationRow(
        opened.case.case_id, opened.case.patient_id, opened.case.label, prediction.predicted_class,
        prediction.probability, strip.values(), tuple(s.similarity for s in strip.cascade),
    )  # fmt: skip


def _figure(
    rows: Sequence[ExplanationRow], key: str,
    statistic: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]], replicates: int, seed: int,
) -> Json:  # fmt: skip
    """One figure over the rows that have the number."""
    pairs = [(float(v), r.patient_id) for r in rows if (v := r.numbers.get(key)) is not None]
    if not pairs:
        return None
    values = np.array([v for v, _ in pairs])
    found = intervals(
        lambda w: {"figure": statistic(values, w)}, [p for _, p in pairs], replicates=replicates, seed=seed
    )["figure"]
    return None if found is None else {"n": len(pairs), **found.to_json()}


def _share(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) values, (B, n) weights -> (B,) share of the weight on values above 0."""
    above: NDArray[np.float64] = weights @ (values > 0) / weights.sum(1)
    return above


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) values, (B, n) counts -> (B,) medians, as if each value were there that many times."""
    order = np.argsort(values)
    below = np.cumsum(weights[:, order], 1)
    total = below[:, -1:]
    low = (below >= total / 2).argmax(1)
    high = (below > total / 2).argmax(1)
    middle: NDArray[np.float64] = (values[order][low] + values[order][high]) / 2
    return middle
