"""Trains the image branch: classification, lesion map, coherence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder, ImageState, Maps
from mmxai_core.training.augment import Batch, augment, lesion_boxes
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays, content_masks, standardise_batch
from mmxai_core.training.depthwise import QuickDepthwise
from mmxai_core.training.execution import AMP_TYPES
from mmxai_core.training.loop import Hooks, fit
from mmxai_core.training.losses import image_terms, lesion_loss
from mmxai_core.training.placement import device_of, execution_of, without_patients
from mmxai_core.training.stage_job import StageJob
from mmxai_core.training.teacher import taught_targets
from mmxai_core.training.views import CaseViews, draw_views


def make_batch(data: CohortArrays, index: Sequence[int] | Tensor) -> Batch:
    """Cases -> a batch on the CPU, before augmentation."""
    i = np.asarray(index)
    grey = torch.from_numpy(data.grey[i]).float()[:, None] / 255
    lesion = torch.from_numpy(data.lesion[i]).float()[:, None]
    return Batch(grey, content_masks(data.content[i], data.grey.shape[-1]), lesion)


@torch.no_grad()
def encode_cases(
    encoder: ImageEncoder, data: CohortArrays, *, batch: int = 16, rng: torch.Generator | None = None,
    device: torch.device | None = None, marked: bool = False,
) -> Iterator[ImageState]:  # fmt: skip
    """Image states, a batch at a time, in order: as deployed (no mask is read), or of one augmented view each.

    A state's attention and feature maps take some 5 MB a case: of a cohort of thousands, keep what is needed of each
    batch, never the states.

    Args:
        encoder: In evaluation mode.
        data: Cases.
        batch: Images a pass.
        rng: Seed of an augmented view; None: the plain image, lesion found by the model.
        device: Where to run.
        marked: Whether the second glance is where the mask says, as if a reader had marked the lesion; every case then
            needs one that is not empty.
    """
    for index in torch.split(torch.arange(len(data)), batch):
        part = make_batch(data, index)
        if rng is not None:
            part = augment(part, rng)
        canvas = standardise_batch(part.grey, part.content).to(device)
        boxes = lesion_boxes(part.lesion, None).to(canvas.device) if marked else None
        yield encoder(canvas, boxes=boxes).detach()


def image_logits(
    encoder: ImageEncoder, data: CohortArrays, *, device: torch.device | None = None, marked: bool = False
) -> Tensor:
    """(N, K) image-branch logits, as deployed; `marked`: see `encode_cases`."""
    return torch.cat([s.logits.float().cpu() for s in encode_cases(encoder, data, device=device, marked=marked)])


def validation_numbers(logits: Tensor, labels: NDArray[np.int64]) -> dict[str, float]:
    """Cross-entropy, and AUC where both classes are there."""
    loss = float(F.cross_entropy(logits, torch.from_numpy(labels)))
    if len(set(labels.tolist())) < 2:
        return {"loss": loss}
    score = (logits[:, 1] - logits[:, 0]).numpy() if logits.shape[1] == 2 else None
    return {"loss": loss} | ({"auc": float(roc_auc_score(labels, score))} if score is not None else {})


def weighted_numbers(
    encoder: ImageEncoder, data: CohortArrays, *, weights: tuple[float, float], device: torch.device | None = None
) -> dict[str, float]:
    """As `validation_numbers`, with the loss that decides weighted over class and lesion map; and the map's own.

    The map of the whole glance: the one of the second glance is not watched.

    Args:
        encoder: In evaluation mode, on `device`.
        data: Cases; those without a mask count for the class alone.
        weights: Of the class's cross-entropy and of the lesion map's loss.
        device: Where to run.
    """
    read = [(s.logits.float().cpu(), s.lesion_logits.float().cpu()) for s in encode_cases(encoder, data, device=device)]
    logits, maps = (torch.cat(part) for part in zip(*read, strict=True))
    numbers = validation_numbers(logits, data.labels)
    lesion = torch.from_numpy(data.lesion).float()[:, None]
    of_map = float(lesion_loss(maps, lesion, torch.from_numpy(data.has_mask)))
    return numbers | {"loss": weights[0] * numbers["loss"] + weights[1] * of_map, "lesion": of_map}


class _ImageTerms(nn.Module):
    """The encoder with the terms of its loss."""

    def __init__(self, encoder: ImageEncoder, *, smoothing: float, amp: str, maps: Maps) -> None:
        super().__init__()
        self.encoder, self.smoothing, self.amp, self.maps = encoder, smoothing, amp, maps

    def forward(
        self, canvas: Tensor, boxes: Tensor, labels: Tensor, lesion: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        with (
            torch.autocast(canvas.device.type, dtype=AMP_TYPES.get(self.amp), enabled=self.amp in AMP_TYPES),
            QuickDepthwise(),
        ):
            state = self.encoder(canvas, boxes=boxes, maps=self.maps)
        return image_terms(state, labels, lesion, has_mask, smoothing=self.smoothing)


class ImageObjective:
    """The image branch's loss on augmented views of its cases.

    Args:
        encoder: On its device.
        data: Training cases.
        config: Loss weights, mixed precision, and how views are drawn.
    """

    def __init__(self, encoder: ImageEncoder, data: CohortArrays, config: TrainConfig) -> None:
        self.data, self.draws = data, config.draws
        self.labels, self.has_mask = torch.from_numpy(data.labels), torch.from_numpy(data.has_mask)
        if config.teacher:
            self.labels = torch.from_numpy(
                taught_targets(data.labels, data.assessed, classes=config.arch.classes, weight=config.teacher)
            )
        loss, second = config.loss, config.loss.second_lesion > 0
        self.terms: nn.Module = _ImageTerms(
            encoder, smoothing=loss.smoothing, amp=config.amp, maps="both" if second else "first"
        )
        self.names: tuple[str, ...] = ("ce", "lesion", "coherence")
        self.weights: tuple[float, ...] = (config.class_weight, loss.lesion, loss.coherence)
        if second:
            self.names, self.weights = (*self.names, "second_lesion"), (*self.weights, loss.second_lesion)
        self.device = next(encoder.parameters()).device

    def masses(self, index: Tensor) -> tuple[float, ...]:
        """See `objective.Objective`."""
        masked = float(self.has_mask[index].sum())
        return float(len(index)), *[masked] * (len(self.names) - 1)

    def view(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
        """See `views.Drawing`: grey, content and lesion of the view, and the box of its second glance."""
        view = augment(make_batch(self.data, index), rng)
        return view.grey, view.content, view.lesion, lesion_boxes(view.lesion, rng)

    def tensors(self, view: Sequence[Tensor], index: Tensor) -> tuple[Tensor, ...]:
        """See `views.Drawing`."""
        grey, content, lesion, boxes = view
        return standardise_batch(grey, content), boxes, self.labels[index], lesion, self.has_mask[index]

    def draw(self, index: Tensor, rng: torch.Generator) -> CaseViews:
        """See `objective.Objective`."""
        return draw_views(self, index, rng, draws=self.draws)


def train_image(
    encoder: ImageEncoder, train: CohortArrays, validation: CohortArrays, *, stage: StageConfig, config: TrainConfig,
    seed: int, weights: NDArray[np.float64] | None = None, keep_epoch: int | None = None, hooks: Hooks | None = None,
    device: torch.device | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains the image encoder in place; keeps the epoch with the lowest validation loss.

    The team of `hooks` shares every batch. Rank 0 alone validates, so that early stopping is one decision.

    Args:
        encoder: Image branch.
        train: Training cases.
        validation: Validation cases, no patient of which is in `train`.
        stage: Settings of this stage.
        config: Loss weights, mixed precision, micro-batches.
        seed: Seed.
        weights: (N,) sampling weights for `stage.samples` draws an epoch without replacement; None: equal.
        keep_epoch: See `fit`.
        hooks: Log, progress, cancel, checkpoint, team.
        device: Where to run; None: CUDA where there is one. The encoder is on the CPU afterwards.

    Returns:
        What `fit` returns.

    Raises:
        CohortError: The device cannot do `config.amp`; or no validation case has the mask that `config.watch` needs.
    """
    if config.watch == "lesion" and not validation.has_mask.any():
        raise CohortError('Training setting watch = "lesion" needs validation cases with a lesion mask; none has one.')
    where = device_of(device)
    hooks = hooks or Hooks()
    execution = execution_of(config, hooks.team, where)
    p = torch.ones(len(train)) if weights is None else torch.from_numpy(weights).float()

    def order(rng: torch.Generator) -> Tensor:
        return torch.multinomial(p, min(stage.samples or len(train), len(train)), generator=rng)

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, ImageEncoder)
        if config.watch == "class":
            return validation_numbers(image_logits(model, validation, device=where), validation.labels)
        parts = (0.0 if config.watch == "lesion" else config.class_weight, config.loss.lesion)
        return weighted_numbers(model, validation, weights=parts, device=where)

    if encoder.finder is not None:
        encoder.finder.requires_grad_(False)  # learned in its own stage
    job = StageJob(encoder, ImageObjective, without_patients(train, config), stage, config, seed)
    with hooks.team.job(job):
        encoder.to(where)
        result = fit(
            encoder, config=stage, order=order, step=ImageObjective(encoder, train, config), validate=validate,
            seed=seed, keep_epoch=keep_epoch, hooks=hooks, execution=execution,
        )  # fmt: skip
    encoder.to("cpu")
    return result
