"""Training settings in one frozen object, read from one TOML file (`settings_file`) and stored with the bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import timm

from mmxai_core.cohorts.registry import cohort_names
from mmxai_core.errors import CohortError
from mmxai_core.model.config import Architecture
from mmxai_core.training.execution import AMP, BATCH_NORM, DRAWS
from mmxai_core.types import Json

#: Pixels: augmentation draws marks of 60 x 8 pixels with a margin.
SMALLEST_CANVAS = 72
#: The fused network's image head.
READOUTS = ("kept", "own")
#: What early stopping of the image stages watches.
WATCHED = ("class", "whole", "lesion")
#: Endings of a file of first weights.
WEIGHT_FILES = (".pth", ".pt", ".bin", ".safetensors")


def check_range(settings: object, name: str, low: float, high: float) -> None:
    """Refuses a setting outside [low, high] by name.

    Raises:
        CohortError: It is outside.
    """
    value = getattr(settings, name)
    if not low <= value <= high:
        raise CohortError(f"Training setting {name} must be from {low:g} to {high:g}; got {value:g}.")


def _check_choice(settings: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        listed = ", ".join(f'"{c}"' for c in choices)
        raise CohortError(f"Training setting {name} must be one of {listed}; got {value!r}.")


@dataclass(frozen=True)
class StageConfig:
    """One optimisation: AdamW, linear warm-up, cosine schedule, early stopping on validation loss.

    Attributes:
        epochs: At most.
        batch: Images a step.
        lr: Peak learning rate.
        weight_decay: AdamW's decoupled L2.
        warmup: Part of all steps with rising rate.
        patience: Epochs without a better validation loss before stopping.
        ema: Decay of the weights' running average, which is what is validated and kept; 0 for none.
        samples: Images an epoch, at most all; 0 for all.
        clip: Largest gradient norm.
    """

    epochs: int = 12
    batch: int = 16
    lr: float = 5e-4
    weight_decay: float = 0.02
    warmup: float = 0.1
    patience: int = 4
    ema: float = 0.995
    samples: int = 0
    clip: float = 2.0

    def __post_init__(self) -> None:
        check_range(self, "epochs", 1, 10_000)
        check_range(self, "batch", 1, 4096)
        check_range(self, "lr", 1e-8, 1.0)
        check_range(self, "weight_decay", 0.0, 10.0)
        check_range(self, "warmup", 0.0, 1.0)
        check_range(self, "patience", 1, 10_000)
        check_range(self, "ema", 0.0, 0.99999)
        check_range(self, "samples", 0, 10**9)
        check_range(self, "clip", 1e-6, 1e6)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss.

    Attributes:
        smoothing: Label smoothing of the cross-entropy.
        lesion: Lesion map (cross-entropy + Dice) against the mask.
        coherence: Asks the summary queries to look into the lesion.
        branch: Auxiliary cross-entropy of each branch's own logits, in the fusion stage.
        second_lesion: Lesion map of the second glance against what the mask shows there; 0: that map is not trained.
    """

    smoothing: float = 0.05
    lesion: float = 0.5
    coherence: float = 0.1
    branch: float = 0.3
    second_lesion: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "smoothing", 0.0, 0.5)
        for name in ("lesion", "coherence", "branch", "second_lesion"):
            check_range(self, name, 0.0, 100.0)

    def to_json(self) -> Json:
        """A plain dict; without `second_lesion` where it is 0, as runs and cached encoders from before it have it."""
        return {k: v for k, v in asdict(self).items() if k != "second_lesion" or v}


def check_refinement(arch: Architecture, loss: LossConfig) -> None:
    """Refuses to seek the lesion on a map that nothing trains.

    Raises:
        CohortError: The box is refined, and the second glance's map has no loss.
    """
    if arch.refine and not loss.second_lesion:
        raise CohortError(
            "Training setting arch.refine needs loss.second_lesion above 0, which trains the map that the lesion is "
            "sought on; got 0."
        )


@dataclass(frozen=True)
class DropConfig:
    """Random loss of inputs in training, so that *unknown* is a safe answer.

    Each time a case is drawn, it offers history only, history + descriptors, or all groups, one time in three each.

    Attributes:
        field: Probability that one more field is unknown.
        image: Probability that the image is absent.
        clinical: Probability that every field is unknown.
    """

    field: float = 0.15
    image: float = 0.1
    clinical: float = 0.1

    def __post_init__(self) -> None:
        for name in ("field", "image", "clinical"):
            check_range(self, name, 0.0, 0.95)


def _pretrain() -> StageConfig:
    return StageConfig(epochs=12, lr=5e-4)


def _image() -> StageConfig:
    return StageConfig(epochs=8, lr=2e-4, samples=480, ema=0.98, patience=3)


def _finder() -> StageConfig:
    return StageConfig(epochs=20, lr=1.5e-3, ema=0.99)


def _finder_tune() -> StageConfig:
    return StageConfig(epochs=6, lr=3e-4, samples=480, ema=0.98, patience=2)


def _fusion() -> StageConfig:
    return StageConfig(epochs=80, batch=32, lr=1e-3, weight_decay=0.05, ema=0.98, patience=20)


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on besides the data.

    Attributes:
        seed: Seed of splits, initial values, order, augmentation and dropout.
        pretrain_cohort: Cohort whose images the image branch is trained on first, or "" for none.
        folds: Folds of the cross-validation.
        init: "imagenet" (weights of the installed package), "none", or a safetensors/pth file of the backbone.
        validation: Part of the patients kept for early stopping, temperature and threshold.
        pretrain_validation: The same, of the pretraining cohort.
        views: Augmented views a case whose tokens are cached for the fusion stage.
        image_mix: How far the fused network's image branch goes from pretrained (0) to fine-tuned (1) weights.
        readout: The image head of the fused network: "kept" as fine-tuned, or "own": learned anew with the fusion. The
            fine-tuned one was fitted to the very cases that the fusion learns from, and speaks too surely of them.
        nothing: Probability, besides `drop`, that a case is drawn with neither image nor field. What the model says
            then is where every account of its answer starts, and should be the share of the class among the cases.
        watch: What early stopping of the image stages watches on the validation cases: "class", the class's
            cross-entropy; "whole", that plus the lesion map's loss with its weight; "lesion", the map's loss alone.
            Where the image tells little of the class, the first is best before the network has learned where the
            lesion is, and its maps mean nothing.
        class_weight: Weight of the class's cross-entropy in the image stages. Where the image tells little of it, a
            whole weight makes the branch learn its training cases' labels by heart: it then speaks surely of them to
            the fusion, which learns to trust it, and not the fields.
        teacher: How far the image stages' targets go from the class (0) to how often cases of the category that a
            reader gave (BI-RADS) are of each class (1); see `teacher`. Validation goes by the class alone.
        refit: Train fusion and sibling once more on training + validation cases, for the epochs chosen.
        phantoms: Fresh synthetic breast ultrasound phantoms the finished bundle is scored on; 0 for none.
        amp: Mixed precision of the image stages: "bf16", "fp16" (CUDA only), or "none".
        accumulate: Micro-batches that a process splits an image batch into, to save memory; see `execution.Execution`.
        batch_norm: "batch" or "frozen"; see `execution.Execution`.
        draws: "batch": the augmented views of a batch come from one stream of random numbers, which every process of a
            team draws whole; "case": each case has a stream of its own, so that a process draws its share only. Either
            way the views do not depend on how a batch is split.
        checkpoint_steps: Steps between checkpoints within an epoch of an image stage; 0: at the end of epochs only.
        arch: Architecture.
        finder: Training of the network that finds the lesion, where `arch.finder` asks for one, before the image stage
            of the pretraining cohort, or of a fold's own cases where there is none. Needs lesion masks in every cohort.
        finder_tune: The same on the cohort itself, from the pretraining cohort's, with pretraining cases mixed in.
        pretrain: Image stage on the pretraining cohort.
        image: Image stage on the cohort itself, with pretraining cases mixed in.
        fusion: Fusion stage on cached tokens.
        loss: Weights of the losses.
        drop: Input dropout.
    """

    seed: int = 7
    pretrain_cohort: str = ""
    folds: int = 5
    init: str = "imagenet"
    validation: float = 0.2
    pretrain_validation: float = 0.15
    views: int = 4
    image_mix: float = 0.5
    readout: str = "kept"
    nothing: float = 0.0
    watch: str = "class"
    class_weight: float = 1.0
    teacher: float = 0.0
    refit: bool = True
    phantoms: int = 0
    amp: str = "none"
    accumulate: int = 1
    batch_norm: str = "batch"
    draws: str = "batch"
    checkpoint_steps: int = 0
    arch: Architecture = field(default_factory=Architecture)
    finder: StageConfig = field(default_factory=_finder)
    finder_tune: StageConfig = field(default_factory=_finder_tune)
    pretrain: StageConfig = field(default_factory=_pretrain)
    image: StageConfig = field(default_factory=_image)
    fusion: StageConfig = field(default_factory=_fusion)
    loss: LossConfig = field(default_factory=LossConfig)
    drop: DropConfig = field(default_factory=DropConfig)

    def __post_init__(self) -> None:
        check_range(self, "seed", 0, 2**31 - 1)
        check_range(self, "folds", 2, 50)
        check_range(self, "validation", 0.02, 0.5)
        check_range(self, "pretrain_validation", 0.02, 0.5)
        check_range(self, "views", 0, 100)
        check_range(self, "image_mix", 0.0, 1.0)
        check_range(self, "nothing", 0.0, 0.95)
        check_range(self, "class_weight", 0.0, 100.0)
        check_range(self, "teacher", 0.0, 1.0)
        check_range(self, "phantoms", 0, 10_000)
        check_range(self, "accumulate", 1, 4096)
        check_range(self, "checkpoint_steps", 0, 10**9)
        for name, choices in (
            ("amp", AMP),
            ("batch_norm", BATCH_NORM),
            ("draws", DRAWS),
            ("readout", READOUTS),
            ("watch", WATCHED),
        ):
            _check_choice(self, name, choices)
        check_refinement(self.arch, self.loss)
        if self.watch == "lesion" and self.loss.lesion == 0:
            raise CohortError('Training setting watch = "lesion" needs loss.lesion above 0; got 0.')
        if self.arch.finder and self.watch != "class":
            raise CohortError(
                f'Training setting watch must be "class" with arch.finder, whose map no image stage changes; got '
                f'"{self.watch}".'
            )
        _check_choice(self, "pretrain_cohort", ("", *cohort_names()))
        if self.init not in ("imagenet", "none") and Path(self.init).suffix not in WEIGHT_FILES:
            endings = ", ".join(WEIGHT_FILES)
            raise CohortError(
                f'Training setting init must be "imagenet", "none" or a file ({endings}); got {self.init!r}.'
            )
        if self.arch.canvas < SMALLEST_CANVAS:
            raise CohortError(
                f"Training setting arch.canvas must be at least {SMALLEST_CANVAS}, for the marks that augmentation "
                f"draws; got {self.arch.canvas}."
            )
        if not timm.is_model(self.arch.backbone):
            raise CohortError(f"Training setting arch.backbone must be a timm model; got {self.arch.backbone!r}.")

    def to_json(self) -> Json:
        """A plain dict. Choices that came later and are left alone are left out: earlier runs' settings stay equal."""
        values = asdict(self) | {"arch": self.arch.to_json(), "loss": self.loss.to_json()}
        unused = {} if self.arch.finder else {"finder": _finder(), "finder_tune": _finder_tune()}
        return {k: v for k, v in values.items() if k not in unused or getattr(self, k) != unused[k]}
