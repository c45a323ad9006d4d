"""What a run came to, as types: the contents of its files (see `comparison.files`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmxai_core.comparison.curves import CalibrationCurve, Confusion, DecisionCurve, Estimate, Roc

#: Metrics of a `ModelResult`, in order.
METRICS = (
    "auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece", "ece_debiased",
    "sensitivity_at_90_specificity",
)  # fmt: skip


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
        calibration_rule: How the folds' probabilities were calibrated, in words; "" in a file of an earlier version,
            where each fold had its own temperature.
    """

    format: int
    status: str
    complete: bool
    interval: str
    threshold_rule: str
    models: tuple[ModelResult, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    calibration_rule: str = ""

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
