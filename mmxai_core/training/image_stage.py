"""Trains the image branch: classification, lesion map, coherence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.model.encoders import ImageEncoder, ImageState
from mmxai_core.training.augment import Batch, augment, lesion_boxes
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays, content_masks, standardise_batch
from mmxai_core.training.loop import Hooks, fit
from mmxai_core.training.losses import image_loss


def make_batch(data: CohortArrays, index: Sequence[int] | Tensor) -> Batch:
    """Cases -> a batch on the CPU, before augmentation."""
    i = np.asarray(index)
    grey = torch.from_numpy(data.grey[i]).float()[:, None] / 255
    lesion = torch.from_numpy(data.lesion[i]).float()[:, None]
    return Batch(grey, content_masks(data.content[i], data.grey.shape[-1]), lesion)


@torch.no_grad()
def encode_cases(
    encoder: ImageEncoder, data: CohortArrays, *, batch: int = 16, rng: torch.Generator | None = None,
    device: torch.device | None = None,
) -> list[ImageState]:  # fmt: skip
    """Image states, a batch a list entry, in order: as deployed (no mask is read), or of one augmented view each.

    Args:
        encoder: In evaluation mode.
        data: Cases.
        batch: Images a pass.
        rng: Seed of an augmented view; None: the plain image, lesion found by the model.
        device: Where to run.
    """
    states = []
    for index in torch.split(torch.arange(len(data)), batch):
        part = make_batch(data, index)
        if rng is not None:
            part = augment(part, rng)
        canvas = standardise_batch(part.grey, part.content).to(device)
        states.append(encoder(canvas).detach())
    return states


def image_logits(encoder: ImageEncoder, data: CohortArrays, *, device: torch.device | None = None) -> Tensor:
    """(N, K) image-branch logits, as deployed."""
    return torch.cat([s.logits.float().cpu() for s in encode_cases(encoder, data, device=device)])


def validation_numbers(logits: Tensor, labels: NDArray[np.int64]) -> dict[str, float]:
    """Cross-entropy, and AUC where both classes are there."""
    loss = float(F.cross_entropy(logits, torch.from_numpy(labels)))
    if len(set(labels.tolist())) < 2:
        return {"loss": loss}
    score = (logits[:, 1] - logits[:, 0]).numpy() if logits.shape[1] == 2 else None
    return {"loss": loss} | ({"auc": float(roc_auc_score(labels, score))} if score is not None else {})


def train_image(
    encoder: ImageEncoder, train: CohortArrays, validation: CohortArrays, *, stage: StageConfig, config: TrainConfig,
    seed: int, weights: NDArray[np.float64] | None = None, keep_epoch: int | None = None, hooks: Hooks | None = None,
    device: torch.device | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains the image encoder in place; keeps the epoch with the lowest validation loss.

    Args:
        encoder: Image branch.
        train: Training cases.
        validation: Validation cases, no patient of which is in `train`.
        stage: Settings of this stage.
        config: Loss weights and mixed precision.
        seed: Seed.
        weights: (N,) sampling weights for `stage.samples` draws an epoch without replacement; None: equal.
        keep_epoch: See `fit`.
        hooks: Log, progress, cancel, checkpoint.
        device: Where to run; None: CUDA where there is one. The encoder is on the CPU afterwards.

    Returns:
        What `fit` returns.
    """
    labels = torch.from_numpy(train.labels)
    has_mask = torch.from_numpy(train.has_mask)
    where = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(where)
    p = torch.ones(len(train)) if weights is None else torch.from_numpy(weights).float()

    def order(rng: torch.Generator) -> Tensor:
        return torch.multinomial(p, min(stage.samples or len(train), len(train)), generator=rng)

    def step(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        view = augment(make_batch(train, index), rng)
        boxes = lesion_boxes(view.lesion, rng).to(where)
        canvas = standardise_batch(view.grey, view.content).to(where)
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=config.amp == "bf16"):
            state = encoder(canvas, boxes=boxes)
        return image_loss(
            state, labels[index].to(where), view.lesion.to(where), has_mask[index].to(where), config=config.loss
        )

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, ImageEncoder)
        return validation_numbers(image_logits(model, validation, device=where), validation.labels)

    result = fit(
        encoder, config=stage, order=order, step=step, validate=validate, seed=seed, keep_epoch=keep_epoch,
        hooks=hooks,
    )  # fmt: skip
    encoder.to("cpu")
    return result
