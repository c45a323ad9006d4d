"""The recipe on a pretrained image branch: fine-tune it on the cohort, train fusion and sibling on top."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.clinical import ClinicalSchema, tukey_fences
from mmxai_core.errors import CohortError
from mmxai_core.evaluation.calibration import fit_temperature
from mmxai_core.model.baselines import ClinicalOnlyNetwork
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.finder_stage import train_finder
from mmxai_core.training.fusion_stage import StateCache, clinical_logits, fused_logits, train_clinical, train_fusion
from mmxai_core.training.image_stage import image_logits, train_image
from mmxai_core.training.run_log import RunLog


@dataclass(frozen=True, eq=False)
class Fitted:
    """Models of one split.

    Attributes:
        network: Fused network, on the blended image branch; refitted on training and validation cases together.
        image: Image branch as fine-tuned (the image-only sibling: its own head).
        clinical: Clinical-only sibling.
        schema: Schema with the training cases' fences.
        temperature: Of the fused network, the image head and the clinical-only sibling, by name, from validation.
        validation_logits: (N, K) fused logits on validation, by level; with "labels".
        stages: What each stage returned.
    """

    network: FusedNetwork
    image: ImageEncoder
    clinical: ClinicalOnlyNetwork
    schema: ClinicalSchema
    temperature: Mapping[str, float]
    validation_logits: Mapping[str, torch.Tensor]
    validation_labels: NDArray[np.int64]
    stages: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)


def fence_schema(schema: ClinicalSchema, train: CohortArrays) -> ClinicalSchema:
    """The schema with Tukey fences of each numeric field from the training cases."""
    fields = []
    for f in schema.fields:
        values = np.array([float(r.values[f.id]) for r in train.records if f.id in r.values and f.kind == "numeric"])
        fields.append(replace(f, fences=tukey_fences(values)) if len(values) >= 8 else f)
    return ClinicalSchema(tuple(fields))


def blend(pretrained: ImageEncoder, tuned: ImageEncoder, mix: float) -> ImageEncoder:
    """Weights `mix` of the way from the pretrained to the fine-tuned encoder (WiSE-FT, Wortsman et al. 2022).

    The fusion learns from the image states of the very cases the encoder was tuned on, which look surer than those of
    new cases; half-way states are less so, and the fusion then weighs the clinical fields better.
    """
    start, out = pretrained.state_dict(), copy.deepcopy(tuned)
    out.load_state_dict(
        {
            k: torch.lerp(start[k], v, mix) if v.is_floating_point() and not k.startswith("finder.") else v
            for k, v in tuned.state_dict().items()
        }
    )
    return out.eval()


def fit_split(
    train: CohortArrays, validation: CohortArrays, *, pretrained: ImageEncoder, replay: CohortArrays | None,
    schema: ClinicalSchema, config: TrainConfig, log: RunLog, name: str, seed: int,
    keep_epochs: Mapping[str, int] | None = None,
) -> Fitted:  # fmt: skip
    """Fine-tunes the image branch and trains fusion and clinical-only sibling for one split.

    Early stopping and temperature come from the validation cases; with `config.refit`, fusion and sibling are then
    trained once more on training and validation cases together, for as many epochs as early stopping chose.

    A finder is tuned before them, with the same mixture of cases; it is not blended.

    Args:
        train: Training cases.
        validation: Cases for early stopping and temperature; no patient of which is in `train`.
        pretrained: Image branch to start from; not changed.
        replay: Pretraining cases to mix in, so that the encoder does not forget them; or None.
        schema: Fields.
        config: Settings.
        log: Log and checkpoints.
        name: Name of the split in the log.
        seed: Seed.
        keep_epochs: Epoch to keep of "finder", "image", "fusion" and "clinical", instead of early stopping: for the
            last fit on all cases. Validation numbers and temperatures then mean nothing, and the caller replaces them.
    """
    keep = dict(keep_epochs or {})
    schema = fence_schema(schema, train)
    kept = log.folder / f"{name.replace(' ', '-')}.fitted"
    if kept.is_file():
        return _reread(kept, schema=schema, config=config)
    train, validation = train.encoded(schema), validation.encoded(schema)
    encoder = copy.deepcopy(pretrained)
    pool, weights = train, np.full(len(train), 50.0)
    if replay is not None:
        pool = CohortArrays.concatenate([train, replay.encoded(schema)])
        weights = np.concatenate([weights, np.ones(len(replay))])
    stages = {}
    if encoder.finder is not None and replay is not None:  # without another cohort it has learned from these cases
        stages["finder"] = train_finder(
            encoder.finder, pool, validation, stage=config.finder_tune, config=config, seed=seed, weights=weights,
            keep_epoch=keep.get("finder"), hooks=log.hooks(f"{name} finder"),
        )  # fmt: skip
    stages["image"] = train_image(
        encoder, pool, validation, stage=config.image, config=config, seed=seed, weights=weights,
        keep_epoch=keep.get("image"), hooks=log.hooks(f"{name} image"),
    )  # fmt: skip
    blended = blend(pretrained, encoder, config.image_mix)
    caches = (
        StateCache.build(blended, train, views=config.views, seed=seed),
        StateCache.build(blended, validation, views=config.views if config.refit else 0, seed=seed + 1),
    )

    def heads(
        cases: CohortArrays, cache: StateCache, stop: Mapping[str, int], tag: str
    ) -> tuple[FusedNetwork, ClinicalOnlyNetwork, dict[str, dict[str, float | int]]]:
        torch.manual_seed(seed)
        network = FusedNetwork(config.arch, schema)
        network.image_encoder.load_state_dict(blended.state_dict())
        fusion = train_fusion(
            network, cases, validation, schema=schema, caches=(cache, caches[1]), stage=config.fusion, config=config,
            seed=seed, keep_epoch=stop.get("fusion"), hooks=log.hooks(f"{name} fusion{tag}"),
        )  # fmt: skip
        torch.manual_seed(seed)
        sibling = ClinicalOnlyNetwork(config.arch, schema)
        clinical = train_clinical(
            sibling, cases, validation, schema=schema, stage=config.fusion, config=config, seed=seed,
            keep_epoch=stop.get("clinical"), hooks=log.hooks(f"{name} clinical{tag}"),
        )  # fmt: skip
        return network, sibling, {"fusion": fusion, "clinical": clinical}

    network, sibling, more = heads(train, caches[0], keep, "")
    stages |= more
    fused = fused_logits(network, caches[1], validation, schema)
    single = clinical_logits(sibling, validation, schema)
    levels = [k for k in fused if k != "image"]

    def temperature(parts: list[torch.Tensor]) -> float:
        return fit_temperature(torch.cat(parts).numpy(), np.tile(validation.labels, len(parts)))

    temperatures = {
        "fused": temperature([fused[k] for k in levels]),
        "image": temperature([image_logits(encoder, validation)]),
        "clinical": temperature([single[k] for k in levels]),
    }
    if config.refit and keep_epochs is None:
        stop = {k: int(v["best_epoch"]) for k, v in more.items()}
        everyone = CohortArrays.concatenate([train, validation])
        network, sibling, _ = heads(everyone, StateCache.join(*caches), stop, " refit")
    fitted = Fitted(
        network.eval(), encoder.eval(), sibling.eval(), schema, temperatures, fused, validation.labels, stages
    )
    _keep(kept, fitted)
    return fitted


def _keep(path: Path, fitted: Fitted) -> None:
    """Writes the models of a split, so that scoring it again needs no training."""
    partial = path.with_suffix(".part")
    torch.save(
        {
            "network": fitted.network.state_dict(), "image": fitted.image.state_dict(),
            "clinical": fitted.clinical.state_dict(), "temperature": dict(fitted.temperature),
            "validation_logits": dict(fitted.validation_logits),
            "validation_labels": torch.from_numpy(fitted.validation_labels),
            "stages": {k: dict(v) for k, v in fitted.stages.items()},
        },
        partial,
    )  # fmt: skip
    partial.replace(path)


def _reread(path: Path, *, schema: ClinicalSchema, config: TrainConfig) -> Fitted:
    saved = torch.load(path, weights_only=True)
    network, clinical = FusedNetwork(config.arch, schema), ClinicalOnlyNetwork(config.arch, schema)
    image = ImageEncoder(config.arch)
    for model, name in ((network, "network"), (clinical, "clinical"), (image, "image")):
        try:
            model.load_state_dict(saved[name])
        except RuntimeError as error:
            raise CohortError(f"{path.name} of the run {path.parent.name} was fitted to other fields.") from error
    return Fitted(
        network.eval(), image.eval(), clinical.eval(), schema, saved["temperature"], saved["validation_logits"],
        saved["validation_labels"].numpy(), saved["stages"],
    )  # fmt: skip
