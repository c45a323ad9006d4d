"""The optimisation loop of a stage: epochs, weight averaging, early stopping on validation, exact resume."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.model.memory import keep_freed_memory
from mmxai_core.training.batch_norm import batch_norm_for
from mmxai_core.training.checkpoint import random_states, read_checkpoint, restore_random_states, write_checkpoint
from mmxai_core.training.config import StageConfig
from mmxai_core.training.execution import Execution
from mmxai_core.training.objective import Objective
from mmxai_core.training.stepper import Begin, Save, Stepper, Take, WholeStep
from mmxai_core.training.team import SOLO, Team


@dataclass(frozen=True)
class Hooks:
    """How a run talks to the outside.

    Attributes:
        log: Called with one plain dict an epoch.
        progress: Called with (steps done, all steps).
        cancelled: True when the run should stop; checked every step.
        checkpoint: File to resume from and to write after every epoch, or None.
        team: The processes that share the stages that are worth sharing.
    """

    log: Callable[[Mapping[str, float | int | str]], None] = lambda row: None
    progress: Callable[[int, int], None] = lambda done, total: None
    cancelled: Callable[[], bool] = lambda: False
    checkpoint: Path | None = None
    team: Team = SOLO


@dataclass
class _Progress:
    """How far a stage has come.

    Attributes:
        best: Weights of the best epoch so far.
        best_loss: Its validation loss.
        best_epoch: Its number, -1 before the first.
        epoch: The epoch to go on with.
        step: Steps done in it.
        cases: Its case indices in order; empty before its first step.
        sums: Its training terms so far, as means over the epoch.
        seconds: Spent on it.
    """

    best: dict[str, Any]
    best_loss: float = math.inf
    best_epoch: int = -1
    epoch: int = 0
    step: int = 0
    cases: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def _average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for a, b in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if a.dtype.is_floating_point:
                a.lerp_(b, 1 - decay)
            else:
                a.copy_(b)


def _is_over(epoch: int, best_epoch: int, config: StageConfig, keep_epoch: int | None) -> bool:
    """Whether training ends before `epoch` (from 0)."""
    early = best_epoch >= 0 and (best_epoch == keep_epoch or epoch - 1 - best_epoch >= config.patience)
    return early or epoch >= config.epochs


def fit(
    model: nn.Module,
    *,
    config: StageConfig,
    order: Callable[[torch.Generator], Tensor],
    step: WholeStep | Objective,
    validate: Callable[[nn.Module], dict[str, float]],
    seed: int,
    keep_epoch: int | None = None,
    hooks: Hooks | None = None,
    execution: Execution | None = None,
) -> dict[str, float | int]:
    """Trains `model` in place; on return it holds the (averaged) weights of the best epoch.

    In a team this is rank 0's side; the others are in `stepper.follow_stage`.

    Args:
        model: The network.
        config: The stage's settings.
        order: Gives the case indices of an epoch.
        step: (indices, generator) -> (loss, parts) in training mode; or an `Objective`, whose batch can be split.
        validate: A network in evaluation mode -> numbers, with "loss" among them: all that early stopping looks at.
        seed: Seed of order, augmentation and dropout.
        keep_epoch: Stop after this epoch (from 0) of the schedule and keep it, whatever validation says: for a last
            fit on all cases, whose length cross-validation has chosen. None: early stopping.
        hooks: Log, progress, cancel, checkpoint.
        execution: Precision, micro-batches, processes; None: none of them.

    Returns:
        {"best_epoch", "best_loss", "epochs"}.

    Raises:
        CancelledError: The run was cancelled; the last checkpoint stays.
        CohortError: No epoch had a finite validation loss, or the checkpoint cannot be gone on with.
    """
    hooks, execution = hooks or Hooks(), execution or Execution()
    keep_freed_memory()
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    ema = copy.deepcopy(model).eval() if config.ema else model
    per_epoch = math.ceil(len(order(torch.Generator().manual_seed(seed))) / config.batch)
    total = per_epoch * config.epochs
    saved = read_checkpoint(hooks.checkpoint, processes=execution.team.size)
    with batch_norm_for(model, execution):
        execution.team.tell(Begin(saved and {k: saved[k] for k in (*_STEPPER, "random")}, total))
        stepper = Stepper(model, step, config=config, execution=execution, total=total)
        at = _Progress(copy.deepcopy(ema.state_dict()))
        if saved is not None:
            stepper.restore(saved)
            ema.load_state_dict(saved["ema"])
            at = _Progress(**{k: saved[k] for k in _Progress.__dataclass_fields__})
            rng.set_state(saved["rng"])
            restore_random_states(saved["random"][0])

        def save() -> None:
            if hooks.checkpoint:
                execution.team.tell(Save())
                states = execution.team.collect(random_states())
                write_checkpoint(
                    hooks.checkpoint,
                    stepper.state() | vars(at) | {"ema": ema.state_dict(), "rng": rng.get_state(), "random": states},
                )

        while not _is_over(at.epoch, at.best_epoch, config, keep_epoch):
            epoch, started = at.epoch, time.perf_counter() - at.seconds
            if at.step == 0:
                at.cases, at.sums = order(rng), {}
            stepper.train()
            batches = torch.split(at.cases, config.batch)
            for i in range(at.step, len(batches)):
                if hooks.cancelled():
                    raise CancelledError("Training was cancelled; the last checkpoint is kept.")
                done = epoch * per_epoch + i
                if execution.team.size > 1:
                    execution.team.tell(Take(done, batches[i].clone(), rng.get_state()))
                parts = stepper.take(done, batches[i], rng)
                if config.ema:
                    _average(ema, model, min(config.ema, (done + 1) / (done + 10)))
                for k, v in parts.items():
                    at.sums[k] = at.sums.get(k, 0.0) + v / per_epoch
                hooks.progress(done + 1, total)
                at.step, at.seconds = i + 1, time.perf_counter() - started
                if execution.checkpoint_steps and at.step % execution.checkpoint_steps == 0 and at.step < len(batches):
                    save()
            ema.eval()
            with torch.no_grad():
                measured = validate(ema)
            if measured["loss"] < at.best_loss if keep_epoch is None else epoch == keep_epoch:
                at.best_loss, at.best_epoch, at.best = measured["loss"], epoch, copy.deepcopy(ema.state_dict())
            hooks.log(
                {"epoch": epoch, "seconds": round(time.perf_counter() - started, 1)}
                | {f"train_{k}": round(v, 4) for k, v in at.sums.items()}
                | {f"val_{k}": round(v, 4) for k, v in measured.items()}
            )
            at.epoch, at.step, at.seconds = epoch + 1, 0, 0.0
            save()
    if at.best_epoch < 0:
        raise CohortError(f"Training did not converge: no finite validation loss in {at.epoch} epochs.")
    model.load_state_dict(at.best)
    model.eval()
    return {"best_epoch": at.best_epoch, "best_loss": round(at.best_loss, 5), "epochs": at.epoch}


#: Entries of a checkpoint that every process of a team needs.
_STEPPER = ("model", "optimiser", "scaler")
