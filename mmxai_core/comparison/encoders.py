"""Image branches of the folds: trained once, kept in a cache by what they depend on, and trained again where lost."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mmxai_core.comparison.config import CompareConfig
from mmxai_core.comparison.models import EncoderKind
from mmxai_core.model.ablations import PatchEncoder, WholeEncoder
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.preprocessing.settings import VERSION as PREPROCESSING_VERSION
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import train_image
from mmxai_core.training.initial_weights import load_initial_weights
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.split import split_hash
from mmxai_core.types import Json


@dataclass(frozen=True, eq=False)
class Trained:
    """An image branch and how it came to be.

    Attributes:
        encoder: In evaluation mode.
        key: Hash of everything it depends on.
        account: Stage settings, first weights, best epoch: for the unit files.
    """

    encoder: ImageEncoder
    key: str
    account: Json


def new_encoder(kind: EncoderKind, config: CompareConfig) -> tuple[ImageEncoder, str]:
    """An untrained encoder of a kind with its first weights, and what these are in words."""
    if kind == "no_cnn":
        return PatchEncoder(config.arch), "random"
    if kind == "no_transformer":
        encoder = ImageEncoder(replace(config.arch, depth=0))
    elif kind == "no_lesion_loss":
        encoder = WholeEncoder(config.arch)
    else:
        encoder = ImageEncoder(config.arch)
    source = load_initial_weights(encoder.cnn, config.init, backbone=config.arch.backbone)
    return encoder.to(memory_format=torch.channels_last), source


def train_encoder(
    kind: EncoderKind, train: CohortArrays, validation: CohortArrays, *, config: CompareConfig, seed: int, cache: Path,
    log: RunLog, name: str, start: Trained | None = None, replay: CohortArrays | None = None,
) -> Trained:  # fmt: skip
    """Trains an image branch end to end on one split, or rereads it from the cache; a cut-off training resumes.

    Args:
        kind: Which encoder.
        train: Training cases.
        validation: Validation cases.
        config: Settings.
        seed: Seed.
        cache: Folder of trained encoders.
        log: Where epochs are written.
        name: Of the split in the log.
        start: Encoder of the same kind to start from, or None: from first weights.
        replay: The source's cases, mixed in while tuning.
    """
    stage = config.tune if start is not None else config.main if kind == "main" else config.ablation
    if start is None or not config.replay:
        replay = None
    loss, arch = config.loss, config.arch
    if kind == "no_lesion_loss":  # no map is trained, so none is searched
        loss, arch = replace(loss, lesion=0.0, second_lesion=0.0), replace(arch, refine=0)
    depends = [
        kind, split_hash(train.case_ids), split_hash(validation.case_ids), seed, asdict(stage), loss.to_json(),
        arch.to_json(), config.init, config.amp, start.key if start else None,
        [config.replay, split_hash(replay.case_ids)] if replay is not None else None,
    ]  # fmt: skip
    if config.preprocess.on:  # encoders of plain pictures keep their keys
        depends.append(["preprocessing", PREPROCESSING_VERSION, config.preprocess.to_json()])
    key = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]
    torch.manual_seed(seed)
    encoder, first = new_encoder(kind, config)
    if start is not None:
        encoder, first = copy.deepcopy(start.encoder), f"encoder {start.key} of {config.source_cohort}"
    kept = cache / f"{key}.pt"
    if kept.is_file():
        saved = torch.load(kept, weights_only=True)
        encoder.load_state_dict(saved["weights"])
        return Trained(encoder.eval(), key, saved["account"])
    pool, weights = train, None
    if replay is not None:
        # What the encoder reads of a case is its picture; the fields are left out, so that cohorts can be joined.
        pool = CohortArrays.concatenate([_pictures(train), _pictures(replay)])
        weights = np.concatenate([np.full(len(train), config.replay), np.ones(len(replay))])
    settings = TrainConfig(seed=seed, init=config.init, amp=config.amp, arch=arch, loss=loss)
    checkpoint = cache / f"{key}.checkpoint"
    cache.mkdir(parents=True, exist_ok=True)
    hooks = replace(log.hooks(f"{name} {kind}"), checkpoint=checkpoint)
    result = train_image(
        encoder, pool, _pictures(validation), stage=stage, config=settings, seed=seed, weights=weights, hooks=hooks
    )
    account: Json = {
        "kind": kind, "key": key, "first_weights": first, "stage": _stage(stage), "lesion_loss": loss.lesion,
        "coherence_loss": loss.coherence, "train_images": len(train),
        "replay_images": len(replay) if replay is not None else 0, **result,
    }  # fmt: skip
    if loss.second_lesion:
        account["second_lesion_loss"] = loss.second_lesion
    partial = kept.with_suffix(".part")
    torch.save({"weights": encoder.state_dict(), "account": account}, partial)
    partial.replace(kept)
    checkpoint.unlink(missing_ok=True)
    return Trained(encoder.eval(), key, account)


def _pictures(data: CohortArrays) -> CohortArrays:
    n = len(data)
    return replace(data, values=np.zeros((n, 0), np.float32), known=np.zeros((n, 0), np.bool_))


def _stage(stage: StageConfig) -> Json:
    return {k: getattr(stage, k) for k in ("epochs", "samples", "lr", "batch", "patience")}
