"""Trains the network that finds the lesion on the whole image: nothing but the lesion map, until that is best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmxai_core.errors import CohortError
from mmxai_core.model.glance import MISSED, find_boxes, square_overlap, whole_glance
from mmxai_core.model.lesion_map import LesionFinder
from mmxai_core.training.augment import lesion_boxes
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays, standardise_batch
from mmxai_core.training.depthwise import QuickDepthwise
from mmxai_core.training.execution import AMP_TYPES
from mmxai_core.training.image_stage import make_batch
from mmxai_core.training.loop import Hooks, fit
from mmxai_core.training.losses import lesion_loss
from mmxai_core.training.placement import device_of, execution_of, without_patients
from mmxai_core.training.reframe import reframed
from mmxai_core.training.stage_job import StageJob
from mmxai_core.training.views import CaseViews, draw_views

#: Images a pass of validation.
BATCH = 16


@torch.no_grad()
def finder_numbers(
    finder: LesionFinder, data: CohortArrays, *, device: torch.device | None = None
) -> dict[str, float]:  # fmt: skip
    """How well the lesion is found on the plain images.

    Args:
        finder: In evaluation mode, on `device`.
        data: Cases, each with a mask.
        device: Where to run.

    Returns:
        "loss": of the lesion map; "iou": mean overlap of the second glance's square with the one that the mask gives;
        "missed": part of the cases in which it is below `MISSED`.
    """
    maps, masks = [], []
    for index in torch.split(torch.arange(len(data)), BATCH):
        batch = make_batch(data, index)
        glance = whole_glance(standardise_batch(batch.grey, batch.content).to(device), finder.arch.glance)
        maps.append(finder(glance).float().cpu())
        masks.append(batch.lesion)
    found, lesion = torch.cat(maps), torch.cat(masks)
    overlap = square_overlap(find_boxes(found), lesion_boxes(lesion, None))
    return {
        "loss": float(lesion_loss(found, lesion, torch.ones(len(found), dtype=torch.bool))),
        "iou": float(overlap.mean()),
        "missed": float((overlap < MISSED).float().mean()),
    }


class _FinderTerms(nn.Module):
    """The finder with its loss."""

    def __init__(self, finder: LesionFinder, amp: str) -> None:
        super().__init__()
        self.finder, self.amp = finder, amp

    def forward(self, glance: Tensor, lesion: Tensor) -> tuple[Tensor, ...]:
        with (
            torch.autocast(glance.device.type, dtype=AMP_TYPES.get(self.amp), enabled=self.amp in AMP_TYPES),
            QuickDepthwise(),
        ):
            logits = self.finder(glance)
        return (lesion_loss(logits, lesion, torch.ones(len(lesion), dtype=torch.bool, device=lesion.device)),)


class FinderObjective:
    """The lesion map's loss on reframed views of its cases.

    Args:
        finder: On its device.
        data: Training cases, each with a mask.
        config: Mixed precision, and how views are drawn.
    """

    names: tuple[str, ...] = ("lesion",)
    weights: tuple[float, ...] = (1.0,)

    def __init__(self, finder: LesionFinder, data: CohortArrays, config: TrainConfig) -> None:
        self.data, self.draws, self.size = data, config.draws, finder.arch.glance
        self.terms: nn.Module = _FinderTerms(finder, config.amp)
        self.device = next(finder.parameters()).device

    def masses(self, index: Tensor) -> tuple[float, ...]:
        """See `objective.Objective`."""
        return (float(len(index)),)

    def view(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
        """See `views.Drawing`: grey, content and lesion of the view, each (B, 1, S, S)."""
        view = reframed(make_batch(self.data, index), rng)
        return view.grey, view.content, view.lesion

    def tensors(self, view: Sequence[Tensor], index: Tensor) -> tuple[Tensor, ...]:
        """See `views.Drawing`: (B, 1, glance, glance) whole glances, (B, 1, S, S) lesions."""
        grey, content, lesion = view
        return whole_glance(standardise_batch(grey, content), self.size), lesion

    def draw(self, index: Tensor, rng: torch.Generator) -> CaseViews:
        """See `objective.Objective`."""
        return draw_views(self, index, rng, draws=self.draws)


def _masked(data: CohortArrays, what: str) -> CohortArrays:
    """Cases whose lesion is outlined or boxed, and large enough to be seen on the canvas."""
    outlined = data.lesion.any(axis=(1, 2))
    if not outlined.any():
        raise CohortError(f"Training setting arch.finder needs {what} cases with a lesion mask; none has one.")
    return data.take(np.flatnonzero(outlined))


def train_finder(
    finder: LesionFinder, train: CohortArrays, validation: CohortArrays, *, stage: StageConfig, config: TrainConfig,
    seed: int, weights: NDArray[np.float64] | None = None, keep_epoch: int | None = None, hooks: Hooks | None = None,
    device: torch.device | None = None,
) -> dict[str, float | int]:  # fmt: skip
    """Trains the finder in place on the cases that have a mask; keeps the epoch with the lowest validation loss.

    Args:
        finder: The network.
        train: Training cases.
        validation: Validation cases, no patient of which is in `train`.
        stage: Settings of this stage.
        config: Mixed precision, micro-batches, how views are drawn.
        seed: Seed.
        weights: (N,) sampling weights of `train`; see `image_stage.train_image`.
        keep_epoch: See `loop.fit`.
        hooks: Log, progress, cancel, checkpoint, team.
        device: Where to run; None: CUDA where there is one. The finder is on the CPU afterwards.

    Returns:
        What `fit` returns.

    Raises:
        CohortError: No training or no validation case has a mask; or the device cannot do `config.amp`.
    """
    if weights is not None:
        weights = weights[train.lesion.any(axis=(1, 2))]
    train, validation = _masked(train, "training"), _masked(validation, "validation")
    where, hooks = device_of(device), hooks or Hooks()
    execution = execution_of(config, hooks.team, where)
    p = torch.ones(len(train)) if weights is None else torch.from_numpy(weights).float()

    def order(rng: torch.Generator) -> Tensor:
        return torch.multinomial(p, min(stage.samples or len(train), len(train)), generator=rng)

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, LesionFinder)
        return finder_numbers(model, validation, device=where)

    finder.requires_grad_(True)
    job = StageJob(finder, FinderObjective, without_patients(train, config), stage, config, seed)
    with hooks.team.job(job):
        finder.to(where)
        result = fit(
            finder, config=stage, order=order, step=FinderObjective(finder, train, config), validate=validate,
            seed=seed, keep_epoch=keep_epoch, hooks=hooks, execution=execution,
        )  # fmt: skip
    finder.to("cpu")
    return result
