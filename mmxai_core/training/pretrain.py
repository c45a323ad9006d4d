"""First training of the image branch, on another cohort or on a fold's own training cases."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import torch

from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.finder_stage import train_finder
from mmxai_core.training.image_stage import train_image
from mmxai_core.training.initial_weights import load_initial_weights
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.split import hold_out, split_hash


def pretrain_encoder(
    data: CohortArrays, *, config: TrainConfig, log: RunLog, name: str = "pretrain",
    validation: CohortArrays | None = None,
) -> ImageEncoder:  # fmt: skip
    """The image branch trained on some cases alone, split by patient; resumed, or reread if done.

    Where the architecture has a finder, it is trained first: early stopping of the class then sees the glances that
    will be looked at.

    Args:
        data: The pretraining cohort; without one, training cases of the cohort itself.
        config: Settings.
        log: Log and checkpoints.
        name: Of the stage in the log.
        validation: Cases for early stopping, no patient of which is in `data`; None: held out of `data`.
    """
    torch.manual_seed(config.seed)
    encoder = ImageEncoder(config.arch)
    source = load_initial_weights(encoder.cnn, config.init, backbone=config.arch.backbone)
    if encoder.finder is not None:
        load_initial_weights(encoder.finder.cnn, config.init, backbone=config.arch.backbone)
    encoder = encoder.to(memory_format=torch.channels_last)
    usual = TrainConfig()
    changed = {
        k: v
        for k in ("accumulate", "batch_norm", "draws", "watch", "class_weight", "teacher")
        if (v := getattr(config, k)) != getattr(usual, k)
    }
    settings = json.dumps(
        [config.seed, config.init, config.amp, config.pretrain_validation, config.arch.to_json(),
         asdict(config.pretrain), config.loss.to_json(), split_hash(data.case_ids), *([changed] if changed else []),
         *([split_hash(validation.case_ids)] if validation is not None else []),
         *([{"finder": asdict(config.finder)}] if config.arch.finder else [])], sort_keys=True,
    )  # fmt: skip
    done = log.folder / f"pretrained-{hashlib.sha256(settings.encode()).hexdigest()[:12]}.pt"
    if done.is_file():
        encoder.load_state_dict(torch.load(done, weights_only=True))
        return encoder.eval()
    if validation is None:
        first, held = hold_out(data.labels, data.patients, part=config.pretrain_validation, seed=config.seed)
        data, validation = data.take(first), data.take(held)
    found = None
    if encoder.finder is not None:
        found = train_finder(
            encoder.finder, data, validation, stage=config.finder, config=config, seed=config.seed,
            hooks=log.hooks(f"{name} finder"),
        )  # fmt: skip
    result = train_image(
        encoder, data, validation, stage=config.pretrain, config=config, seed=config.seed,
        hooks=log.hooks(name),
    )  # fmt: skip
    if found is not None:
        log.write(f"{name} finder", {"initial_weights": source, **found})
    log.write(name, {"initial_weights": source, **result})
    torch.save(encoder.state_dict(), done)
    return encoder.eval()
