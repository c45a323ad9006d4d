"""Settings of a comparison: one frozen object, read from one TOML file and stored with the results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmxai_core.errors import CohortError
from mmxai_core.model.config import Architecture
from mmxai_core.preprocessing.incomplete import EMBED, check_choice
from mmxai_core.preprocessing.settings import PreprocessSettings
from mmxai_core.training.config import DropConfig, LossConfig, StageConfig, check_range, check_refinement
from mmxai_core.training.settings_file import read_settings
from mmxai_core.types import Json

UNITS = ("patient", "image")


def _arch() -> Architecture:
    return Architecture(canvas=320, glance=160)


def _main() -> StageConfig:
    return StageConfig(epochs=6, lr=4e-4, ema=0.98, patience=3)


def _tune() -> StageConfig:
    return StageConfig(epochs=4, lr=2e-4, samples=320, ema=0.97, patience=2)


def _ablation() -> StageConfig:
    return StageConfig(epochs=4, lr=4e-4, ema=0.97, patience=3)


def _heads() -> StageConfig:
    return StageConfig(epochs=50, batch=32, lr=1e-3, weight_decay=0.05, ema=0.97, patience=12)


def _loss() -> LossConfig:
    return LossConfig(coherence=0.0)


@dataclass(frozen=True)
class CompareConfig:
    """Everything a comparison depends on besides the data.

    Attributes:
        seed: First seed; seed s of a run is seed + s. It fixes splits, first values, order, augmentation, dropout.
        unit: What a metric counts: "patient" (probabilities of a patient's images are averaged) or "image".
        init: First weights of a CNN: see `training.initial_weights`.
        source_cohort: Cohort whose fold encoders this cohort's encoders start from, or "" for none. On the source
            cohort itself the setting means nothing, so that one file serves both runs.
        source_folds: Folds of the source cohort.
        validation: Part of a fold's training patients kept for early stopping, temperature, threshold and choices.
        views: Augmented views a training case whose tokens are cached for the fusion heads; the plain one comes on top.
        image_mix: With a source: how far the heads' image branch goes from the source's (0) to the tuned weights (1).
        replay: Sampling weight of the cohort's own case against one source case while tuning; 0: no source case.
        ablation_seeds: Number of seeds for the models that need an encoder of their own.
        coherence: Weight of the coherence loss in the model that has it.
        amp: "bf16" for mixed precision, or "none".
        replicates: Bootstrap replicates.
        arch: Architecture.
        main: End-to-end training of a fold's image branch where there is no source.
        tune: The same from a source's encoder.
        ablation: Training of the encoders of the ablations.
        heads: Training of a fusion head on cached tokens.
        loss: Weights of the losses; its coherence belongs to the image branch and is off.
        drop: Input dropout of the heads; images are never dropped, for no cohort here lacks one.
        incomplete: What is done with a case that has no known field: "embed" keeps it with the learned unknown tokens,
            "drop" leaves it out.
        preprocess: What is done to the pictures before training; nothing, unless its `on` is true.
    """

    seed: int = 7
    unit: str = "patient"
    init: str = "imagenet"
    source_cohort: str = ""
    source_folds: int = 5
    validation: float = 0.2
    views: int = 3
    image_mix: float = 0.5
    replay: float = 50.0
    ablation_seeds: int = 1
    coherence: float = 0.3
    amp: str = "none"
    replicates: int = 2000
    arch: Architecture = field(default_factory=_arch)
    main: StageConfig = field(default_factory=_main)
    tune: StageConfig = field(default_factory=_tune)
    ablation: StageConfig = field(default_factory=_ablation)
    heads: StageConfig = field(default_factory=_heads)
    loss: LossConfig = field(default_factory=_loss)
    drop: DropConfig = field(default_factory=DropConfig)
    incomplete: str = EMBED
    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)

    def __post_init__(self) -> None:
        check_range(self, "seed", 0, 2**31 - 1)
        check_range(self, "source_folds", 2, 50)
        check_range(self, "validation", 0.02, 0.5)
        check_range(self, "views", 0, 100)
        check_range(self, "image_mix", 0.0, 1.0)
        check_range(self, "replay", 0.0, 1e6)
        check_range(self, "ablation_seeds", 0, 1000)
        check_range(self, "coherence", 0.0, 100.0)
        check_range(self, "replicates", 1, 10**6)
        check_choice(self.incomplete)
        check_refinement(self.arch, self.loss)
        if self.arch.finder:
            raise CohortError(
                "Training setting arch.finder is for `train`: the encoders of a comparison find the lesion themselves."
            )
        if self.unit not in UNITS:
            raise CohortError(f"Training setting unit must be one of {', '.join(UNITS)}; got {self.unit!r}.")
        if self.amp not in ("none", "bf16"):
            raise CohortError(f'Training setting amp must be "none" or "bf16"; got {self.amp!r}.')

    def to_json(self) -> Json:
        """A plain dict. Choices that came later and are left alone are left out: earlier runs' settings stay equal."""
        values: Json = asdict(self) | {"arch": self.arch.to_json(), "loss": self.loss.to_json()}
        if self.incomplete == EMBED:
            del values["incomplete"]
        if not self.preprocess.on:
            del values["preprocess"]
        return values


def load_compare_config(path: Path | None) -> CompareConfig:
    """Settings of a comparison; see `settings_file.read_settings`."""
    return read_settings(path, CompareConfig(), what="the comparison's settings")
