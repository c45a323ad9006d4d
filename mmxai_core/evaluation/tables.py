"""Per-case rows and their summary: what `evaluate` prints, and what `--predictions` writes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmxai_core.errors import CohortError
from mmxai_core.evaluation.bootstrap import LEVEL, Interval, intervals, metric_intervals
from mmxai_core.evaluation.metrics import METRICS, Scored, metrics
from mmxai_core.types import Json

_LOCAL = {"pointing_game": "lesion_hit", "iou": "lesion_iou", "energy": "lesion_energy"}


@dataclass(frozen=True)
class CaseRow:
    """One case's outcome.

    Attributes:
        case_id: As in the cohort.
        patient_id: As in the cohort.
        label: True class; None where unknown.
        probability: Of the positive class, in [0, 1].
        predicted: Class called at the bundle's threshold.
        image_weight: The fusion's weight of the image branch, in [0, 1].
        known_fields: How many clinical fields were known.
        lesion_hit: The map's peak lies in the lesion; None without a mask.
        lesion_iou: Of the map's strongest pixels with the lesion; None without a mask.
        lesion_energy: Share of the map's evidence in the lesion; None without a mask.
        lesion_share: Share of the image that is lesion; None without a mask.
    """

    case_id: str
    patient_id: str
    label: str | None
    probability: float
    predicted: str
    image_weight: float
    known_fields: int
    lesion_hit: bool | None = None
    lesion_iou: float | None = None
    lesion_energy: float | None = None
    lesion_share: float | None = None


def summarise(
    rows: Sequence[CaseRow], *, positive_class: str, threshold: float, replicates: int, seed: int
) -> dict[str, Json]:
    """Metrics of the labelled cases and localisation of the masked ones, with patient-clustered 95 % intervals.

    Args:
        rows: At least one of them labelled.
        positive_class: The class the metrics are about; every other class is negative.
        threshold: A case at or above it is called positive.
        replicates: Bootstrap replicates.
        seed: Of the bootstrap.

    Raises:
        CohortError: No row is labelled.
    """
    labelled = [r for r in rows if r.label is not None]
    if not labelled:
        raise CohortError(f"Metrics need labelled cases; none of the {len(rows)} cases has a label.")
    truth = np.array([r.label == positive_class for r in labelled])
    scored = Scored(truth, np.array([r.probability for r in labelled]), threshold)
    groups = [r.patient_id for r in labelled]
    bounds = metric_intervals(scored, groups, replicates=replicates, seed=seed)
    point = metrics(scored)
    auc = bounds["auc"]
    return {
        "n": len(labelled),
        "patients": len(set(groups)),
        "positives": int(truth.sum()),
        "prevalence": float(truth.mean()),
        "auc": auc.to_json() if auc else None,
        **{name: point.values[name] for name in METRICS if name != "auc"},
        "intervals": _plain({k: v for k, v in bounds.items() if k != "auc"}),
        "undefined": dict(point.undefined),
        "unlabelled": len(rows) - len(labelled),
        "localization": _localization(rows, replicates=replicates, seed=seed),
        "bootstrap": {"replicates": replicates, "seed": seed, "level": LEVEL, "unit": "patient"},
    }


def _localization(rows: Sequence[CaseRow], *, replicates: int, seed: int) -> Json:
    masked = [r for r in rows if r.lesion_hit is not None]
    if not masked:
        return None
    table = {name: np.array([getattr(r, column) for r in masked], float) for name, column in _LOCAL.items()}

    def means(weights: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return {name: weights @ values / weights.sum(1) for name, values in table.items()}

    bounds = intervals(means, [r.patient_id for r in masked], replicates=replicates, seed=seed)
    return {
        "n": len(masked),
        **{name: float(values.mean()) for name, values in table.items()},
        "lesion_share": float(np.mean([r.lesion_share for r in masked if r.lesion_share is not None])),
        "intervals": _plain(bounds),
    }


def _plain(bounds: Mapping[str, Interval | None]) -> Json:
    return {name: interval.to_json() if interval else None for name, interval in bounds.items()}


def write_predictions(rows: Sequence[CaseRow], path: Path) -> None:
    """Writes one CSV row a case; unknown cells are blank, yes/no cells are 1 or 0.

    Raises:
        CohortError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, [f.name for f in fields(CaseRow)])
            writer.writeheader()
            for row in rows:
                writer.writerow({k: int(v) if isinstance(v, bool) else v for k, v in asdict(row).items()})
    except OSError as error:
        raise CohortError(f"Cannot write predictions to {path}: {error.strerror}.") from error
