"""The optimiser's steps of one stage: AdamW, warm-up + cosine, clipping, scaled loss, alone or as one of a team."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmxai_core.model.memory import keep_freed_memory
from mmxai_core.training.batch_norm import batch_norm_for, hold_still
from mmxai_core.training.checkpoint import random_states, restore_random_states
from mmxai_core.training.config import StageConfig
from mmxai_core.training.execution import Execution
from mmxai_core.training.objective import Objective, add_gradient
from mmxai_core.training.team import Team

#: Parameters of a pretrained CNN move more slowly than the parts on top of it.
CNN_LR = 0.3

#: (indices, generator) -> (loss, parts for the log): a loss that is computed on a batch at once.
WholeStep = Callable[[Tensor, torch.Generator], tuple[Tensor, dict[str, float]]]


def _groups(model: nn.Module, config: StageConfig) -> list[dict[str, object]]:
    """Parameter groups: no decay on vectors (norms, biases, codes); slower CNN."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            groups.setdefault((".cnn." in name or name.startswith("cnn."), p.ndim < 2), []).append(p)
    return [
        {
            "params": ps,
            "lr": config.lr * (CNN_LR if cnn else 1.0),
            "weight_decay": 0.0 if flat else config.weight_decay,
        }
        for (cnn, flat), ps in groups.items()
    ]


def _schedule(step: int, total: int, warmup: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017)."""
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


class Stepper:
    """Model, optimiser, schedule and scaler of a stage.

    Args:
        model: The network, on its device; trained in place.
        step: The loss: on whole batches, or as an `Objective` that can be split.
        config: The stage's settings.
        execution: Precision, micro-batches, processes. A whole-batch loss takes none of them.
        total: Steps of the whole schedule.
    """

    def __init__(
        self, model: nn.Module, step: WholeStep | Objective, *, config: StageConfig, execution: Execution, total: int
    ) -> None:
        self.model, self.config, self.execution, self.total = model, config, execution, total
        self.optimiser = torch.optim.AdamW(_groups(model, config))
        self._peak = [float(g["lr"]) for g in self.optimiser.param_groups]
        device = next(model.parameters()).device
        self.scaler = torch.amp.GradScaler(device.type, enabled=execution.amp == "fp16")
        self._step = step
        self._terms = _parallel(step.terms, execution.team, device) if isinstance(step, Objective) else None

    def train(self) -> None:
        """Training mode."""
        self.model.train()
        if self.execution.batch_norm == "frozen":
            hold_still(self.model)

    def take(self, done: int, index: Tensor, rng: torch.Generator) -> dict[str, float]:
        """One step on the cases `index`, after `done` others. Returns the terms of the loss by name."""
        for group, lr in zip(self.optimiser.param_groups, self._peak, strict=True):
            group["lr"] = lr * _schedule(done, self.total, self.config.warmup)
        self.optimiser.zero_grad(set_to_none=True)
        if isinstance(self._step, Objective):
            parts = add_gradient(
                self._step, index, rng, terms=self._terms, accumulate=self.execution.accumulate,
                team=self.execution.team, scale=self.scaler.scale,
            )  # fmt: skip
        else:
            loss, parts = self._step(index, rng)
            loss.backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return parts

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it. The schedule has no state of its own: it follows from the step's number."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Goes back to a `state`."""
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if saved["scaler"]:
            self.scaler.load_state_dict(saved["scaler"])


def _parallel(terms: nn.Module, team: Team, device: torch.device) -> nn.Module:
    """The terms with gradients averaged over the team. Batch norm is taken care of by `batch_norm_for`."""
    if team.size == 1:
        return terms
    return DistributedDataParallel(
        terms,
        device_ids=[device.index if device.index is not None else torch.cuda.current_device()]
        if device.type == "cuda"
        else None,
        process_group=team.gradients,
        forward_sync_buffers=False,
        find_unused_parameters=True,  # the token of an absent image has no part in the image stage
    )


@dataclass(frozen=True, eq=False)
class Begin:
    """Rank 0 begins a stage: where from (None: from the model as sent), and how long its schedule is."""

    saved: dict[str, Any] | None
    total: int


@dataclass(frozen=True, eq=False)
class Take:
    """Rank 0 takes a step: how many came before, the batch's cases, the state of the draw's generator."""

    done: int
    index: Tensor
    rng: Tensor


@dataclass(frozen=True)
class Save:
    """Rank 0 writes a checkpoint, and needs each process's random states for it."""


def follow_stage(
    model: nn.Module, objective: Objective, *, config: StageConfig, execution: Execution, seed: int
) -> None:
    """A follower's side of `loop.fit`, from `Begin` until rank 0 tells None.

    Args:
        model: A copy of rank 0's network.
        objective: Of that network, on the same cases.
        config: The stage's settings.
        execution: As on rank 0.
        seed: As on rank 0; dropout differs between the processes.
    """
    keep_freed_memory()
    team = execution.team
    torch.manual_seed(seed + 1_000_003 * team.rank)
    rng = torch.Generator()
    with batch_norm_for(model, execution):
        stepper: Stepper | None = None
        while (told := team.hear()) is not None:
            if isinstance(told, Begin):
                stepper = Stepper(model, objective, config=config, execution=execution, total=told.total)
                if told.saved is not None:
                    stepper.restore(told.saved)
                    restore_random_states(told.saved["random"][team.rank])
                stepper.train()
            elif isinstance(told, Take) and stepper is not None:
                rng.set_state(told.rng)
                stepper.take(told.done, told.index, rng)
            elif isinstance(told, Save):
                team.collect(random_states())
