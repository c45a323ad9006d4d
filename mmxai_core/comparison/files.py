"""The files of a run, as types: what `compare` writes and what a page or a report reads.

A run's folder (`pretrained/<bundle>/results/<run>/`) holds

- `config.json` (`RunConfig`): cohort, question, models, settings, statements a reader of the results must know;
- `splits.json`: train, validation and test case ids of every seed and fold, each with its hash;
- `units/<seed>-<fold>-<model>.json`: what each fitted model said; the other files are drawn from these alone;
- `metrics.json` (`Metrics`), `tests.json` (`Tests`), `subgroups.json` (`Subgroups`);
- `predictions.csv` (`read_predictions`): case, patient, fold, seed, model, level, probability, threshold, label;
- `leakage.json` and `generalisation.json` (`Findings`), where they were measured;
- `progress.jsonl`: a row an epoch and a row a finished unit, with the time.

A figure that was not measured is null. A run with missing units says so in `status`, and each of its rows counts only
the units that are there. `level` names the field groups that were known: "image" (none), "history",
"history+descriptor", "history+descriptor+assessment".
"""

from __future__ import annotations

import csv
import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mmxai_core.errors import CohortError
from mmxai_core.types import Json

FORMAT = 1
#: Metrics of a `ModelResult`, in order.
METRICS = (
    "auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece", "ece_debiased",
    "sensitivity_at_90_specificity",
)  # fmt: skip
PREDICTION_COLUMNS = ("case", "patient", "fold", "seed", "model", "level", "probability", "threshold", "label")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; all None where it is undefined.

    Attributes:
        value: Point estimate: the mean over seeds of the pooled held-out cases' figure.
        low: 2.5th percentile of the patient bootstrap.
        high: 97.5th percentile.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Roc:
    """ROC curve of the cases of all seeds together.

    Attributes:
        false_positive_rate: Rising, from 0 to 1.
        true_positive_rate: At the same thresholds.
    """

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class CalibrationCurve:
    """Bins of equal numbers of cases, seeds together.

    Attributes:
        count: Cases a bin, divided by the number of seeds.
        predicted: Mean probability.
        observed: Share of positives.
        low: Wilson interval of `observed`, for the count of one seed.
        high: The same.
        ece_if_calibrated: Mean of `ece` that a perfectly calibrated model of this size would show (Bröcker and Smith
            2007): what of it is noise.
        ece_if_calibrated_high: Its 95th percentile: an `ece` below it is no evidence of miscalibration.
    """

    count: tuple[float, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    ece_if_calibrated: float
    ece_if_calibrated_high: float


@dataclass(frozen=True)
class Confusion:
    """Counts at every threshold, mean over seeds: a page need not compute them.

    Attributes:
        threshold: 0 to 1 by 0.01; a probability at or above it is called positive.
        tp: True positives.
        fp: False positives.
        fn: False negatives.
        tn: True negatives.
    """

    threshold: tuple[float, ...]
    tp: tuple[float, ...]
    fp: tuple[float, ...]
    fn: tuple[float, ...]
    tn: tuple[float, ...]


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit (Vickers and Elkin 2006), mean over seeds.

    Attributes:
        threshold: Probability at which one would act.
        net_benefit: Of acting by the model.
        treat_all: Of acting on everybody; on nobody it is 0.
    """

    threshold: tuple[float, ...]
    net_benefit: tuple[float, ...]
    treat_all: tuple[float, ...]


@dataclass(frozen=True)
class LocalisationResult:
    """Grad-CAM++ maps against the lesion reference named in config.json.

    Attributes:
        n: Images with a reference.
        hit: Pointing game.
        iou: Of the reference and as many strongest pixels.
        energy: Share of the evidence inside.
        lesion_share: Mean share of the image that the reference covers: what chance would hit.
    """

    n: int
    hit: Estimate
    iou: Estimate
    energy: Estimate
    lesion_share: float


@dataclass(frozen=True)
class ModelResult:
    """One model at one level.

    Attributes:
        model: Name.
        label: Name for a reader.
        family: "ours", "ablation" or "rival".
        level: Known field groups.
        seeds: Seeds of which every fold is there; the metrics are of these.
        units: Finished (seed, fold) pairs.
        units_all: Planned ones.
        n: Counted units (patients or images: see `RunConfig.unit`) of each seed.
        positives: Positives among them.
        metrics: By name, `METRICS`; empty where no seed is whole.
        auc_by_fold: AUC of each finished fold, in order of seed and fold; None where a class is missing.
        validation_auc: Mean AUC on the validation cases: what choices between models are made by.
        roc: Or None.
        calibration: Or None.
        confusion: Or None.
        decision: Or None.
        localisation: Of a model with a map, at the first level; or None.
    """

    model: str
    label: str
    family: str
    level: str
    seeds: tuple[int, ...]
    units: int
    units_all: int
    n: int
    positives: int
    metrics: Mapping[str, Estimate]
    auc_by_fold: tuple[float | None, ...]
    validation_auc: float | None
    roc: Roc | None
    calibration: CalibrationCurve | None
    confusion: Confusion | None
    decision: DecisionCurve | None
    localisation: LocalisationResult | None


@dataclass(frozen=True)
class Verdict:
    """Who is best at a level, in one sentence drawn from the tests.

    Attributes:
        level: Level.
        reference: The model that stands for the project: the shipped recipe where it was measured, else chosen among
            our own on validation cases.
        best: The model furthest ahead of the reference by the paired differences; the reference where none is.
        sentence: For a reader; says so where a simple rival is ahead.
    """

    level: str
    reference: str
    best: str
    sentence: str


@dataclass(frozen=True)
class Metrics:
    """metrics.json.

    Attributes:
        format: Of the file.
        status: "complete: N of N units" or "partial: n of N units".
        complete: Whether every unit is there.
        interval: How intervals were made, in words.
        threshold_rule: How the threshold of sensitivity, specificity and F1 was chosen, in words.
        models: Rows.
        verdicts: One a level.
        notes: What a reader must know of the training, drawn from the unit files: budgets that ended too soon.
    """

    format: int
    status: str
    complete: bool
    interval: str
    threshold_rule: str
    models: tuple[ModelResult, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    def row(self, model: str, level: str) -> ModelResult | None:
        """The row of a model at a level, or None."""
        return next((r for r in self.models if (r.model, r.level) == (model, level)), None)


@dataclass(frozen=True)
class PairedTest:
    """Difference in AUC of two models on the same cases.

    Attributes:
        level: Level.
        a: The reference, or our variant on the shared image branches where that is another.
        b: The other model.
        difference: AUC(a) - AUC(b), with the paired bootstrap's interval.
        bootstrap_p: Two-sided, paired patient bootstrap.
        bootstrap_p_holm: Adjusted for all tests of `a` at the level (Holm 1979).
        delong_p: Two-sided, DeLong et al. 1988, clustered by patient (Obuchowski 1997), mean over seeds.
        delong_p_holm: Adjusted likewise.
        delong_low: DeLong's 95 % interval of the difference.
        delong_high: The same.
    """

    level: str
    a: str
    b: str
    difference: Estimate
    bootstrap_p: float | None
    bootstrap_p_holm: float | None
    delong_p: float | None
    delong_p_holm: float | None
    delong_low: float | None
    delong_high: float | None


@dataclass(frozen=True)
class Tests:
    """tests.json."""

    format: int
    status: str
    rows: tuple[PairedTest, ...]


@dataclass(frozen=True)
class SubgroupRow:
    """One model in one group of cases.

    Attributes:
        model: Name.
        level: Level.
        factor: "age_band", "device", "manufacturer", "site", "tissue_composition", "birads" ...
        group: Value of it; "unknown" where it is not stated.
        n: Counted units.
        positives: Positives among them.
        auc: Undefined where a class has fewer than 2.
        sensitivity: At the model's own threshold.
        specificity: The same.
    """

    model: str
    level: str
    factor: str
    group: str
    n: int
    positives: int
    auc: Estimate
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class Subgroups:
    """subgroups.json."""

    format: int
    status: str
    rows: tuple[SubgroupRow, ...]


@dataclass(frozen=True)
class Finding:
    """One measurement of leakage or generalisation.

    Attributes:
        id: Plain name, e.g. "source_from_features", "borders_masked", "bus_bra -> breast_lesions_usg".
        question: What was asked.
        how: How it was measured.
        metric: Name of the figure.
        value: The figure.
        against: What it is compared with: the figure without the change, or chance.
        against_is: What `against` is, in words.
        n: Counted cases.
        note: What the reader should make of it.
    """

    id: str
    question: str
    how: str
    metric: str
    value: Estimate
    against: Estimate | None
    against_is: str
    n: int
    note: str


@dataclass(frozen=True)
class Findings:
    """leakage.json or generalisation.json."""

    format: int
    status: str
    rows: tuple[Finding, ...]


@dataclass(frozen=True)
class ModelEntry:
    """A model in config.json; see `comparison.models.Model`."""

    name: str
    label: str
    family: str
    about: str
    encoder: str | None
    seeds: int


@dataclass(frozen=True)
class RunConfig:
    """config.json, the part a reader of results needs; `raw` holds all of it.

    Attributes:
        cohort: Name.
        task: Name of the question, "" where there is one only.
        label: What the label is.
        classes: Negative first.
        positive_class: The class AUC is about.
        cases: Images.
        patients: Patients.
        prevalence: Share of positive images.
        unit: "patient" or "image": what is counted.
        aggregation: How a patient's images are joined, in words.
        folds: Folds a seed.
        seeds: Seeds.
        licence: Licence of the cohort.
        citation: Source to name.
        notes: Plain sentences.
        image_input: What the network sees, in words.
        lesion_reference: What localisation is measured against, in words.
        shared_encoder: What the models share, in words.
        levels: Field groups by level.
        models: Rows of the comparison.
        raw: The whole file.
    """

    cohort: str
    task: str
    label: str
    classes: tuple[str, ...]
    positive_class: str
    cases: int
    patients: int
    prevalence: float
    unit: str
    aggregation: str
    folds: int
    seeds: tuple[int, ...]
    licence: str
    citation: str
    notes: tuple[str, ...]
    image_input: str
    lesion_reference: str
    shared_encoder: str
    levels: Mapping[str, tuple[str, ...]]
    models: tuple[ModelEntry, ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Prediction:
    """One row of predictions.csv: an image of a held-out fold.

    Attributes:
        case: Case id.
        patient: Patient id.
        fold: Fold.
        seed: Seed.
        model: Model.
        level: Level.
        probability: Calibrated, of the positive class.
        threshold: Of the fold's model at that level.
        label: 1 = positive class.
    """

    case: str
    patient: str
    fold: int
    seed: int
    model: str
    level: str
    probability: float
    threshold: float
    label: int


T = TypeVar("T")


def write(path: Path, value: object) -> None:
    """Writes a file of this module from its type, whole or not at all."""
    assert is_dataclass(value) and not isinstance(value, type)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(asdict(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    partial.replace(path)


def _read(path: Path, kind: type[T]) -> T:
    """A file as its type.

    Raises:
        CohortError: It is missing, malformed, or of another format.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CohortError(f"Result file {path.name} of run {path.parent.name} cannot be read: {error}.") from error
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise CohortError(f"Result file {path.name} is of format {value.get('format')!r}; this version reads {FORMAT}.")
    try:
        made: T = _make(kind, value)
    except (KeyError, TypeError, ValueError) as error:
        raise CohortError(f"Result file {path.name} of run {path.parent.name} is malformed: {error!r}.") from error
    return made


def _make(kind: Any, value: Any) -> Any:
    """Plain JSON -> the annotated type."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _make(next(a for a in get_args(kind) if a is not type(None)), value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{f.name: _make(hints[f.name], value[f.name]) for f in fields(kind)})
    if origin is tuple:
        return tuple(_make(get_args(kind)[0], v) for v in value)
    if origin is Mapping:
        return {k: _make(get_args(kind)[1], v) for k, v in value.items()}
    if kind is float:
        return float(value)
    if kind is not Any and not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value


def read_config(folder: Path) -> RunConfig:
    """config.json of a run.

    Raises:
        CohortError: See `read_metrics`.
    """
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config: RunConfig = _make(RunConfig, {**raw, "raw": raw})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CohortError(f"Result file config.json of run {folder.name} cannot be read: {error!r}.") from error
    return config


def read_metrics(folder: Path) -> Metrics:
    """metrics.json of a run.

    Raises:
        CohortError: The file is missing, malformed, or of another format.
    """
    return _read(folder / "metrics.json", Metrics)


def read_tests(folder: Path) -> Tests:
    """tests.json of a run. Raises as `read_metrics`."""
    return _read(folder / "tests.json", Tests)


def read_subgroups(folder: Path) -> Subgroups:
    """subgroups.json of a run. Raises as `read_metrics`."""
    return _read(folder / "subgroups.json", Subgroups)


def read_leakage(folder: Path) -> Findings | None:
    """leakage.json of a run, or None where it was not measured. Raises as `read_metrics`."""
    path = folder / "leakage.json"
    return _read(path, Findings) if path.is_file() else None


def read_generalisation(folder: Path) -> Findings | None:
    """generalisation.json of a run, or None where it was not measured. Raises as `read_metrics`."""
    path = folder / "generalisation.json"
    return _read(path, Findings) if path.is_file() else None


def read_predictions(folder: Path) -> tuple[Prediction, ...]:
    """predictions.csv of a run.

    Raises:
        CohortError: The file is missing, or a row does not fit.
    """
    path = folder / "predictions.csv"
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return tuple(
                Prediction(
                    r["case"], r["patient"], int(r["fold"]), int(r["seed"]), r["model"], r["level"],
                    float(r["probability"]), float(r["threshold"]), int(r["label"]),
                )
                for r in csv.DictReader(lines)
            )  # fmt: skip
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise CohortError(f"Result file predictions.csv of run {folder.name} cannot be read: {error!r}.") from error


def runs(results: Path) -> tuple[Path, ...]:
    """Folders of a bundle's `results` that hold a run with metrics, by name."""
    return tuple(sorted(p.parent for p in results.glob("*/metrics.json")))


def to_json(value: object) -> Json:
    """A file of this module as plain values."""
    assert is_dataclass(value) and not isinstance(value, type)
    return asdict(value)
