"""The optimisation loop: AdamW, warm-up + cosine, weight averaging, early stopping, exact resume."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.training.config import StageConfig

#: Parameters of a pretrained CNN move more slowly than the parts on top of it.
CNN_LR = 0.3


@dataclass(frozen=True)
class Hooks:
    """How a run talks to the outside.

    Attributes:
        log: Called with one plain dict an epoch.
        progress: Called with (steps done, all steps).
        cancelled: True when the run should stop; checked every step.
        checkpoint: File to resume from and to write after every epoch, or None.
    """

    log: Callable[[Mapping[str, float | int | str]], None] = lambda row: None
    progress: Callable[[int, int], None] = lambda done, total: None
    cancelled: Callable[[], bool] = lambda: False
    checkpoint: Path | None = None


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
    step: Callable[[Tensor, torch.Generator], tuple[Tensor, dict[str, float]]],
    validate: Callable[[nn.Module], dict[str, float]],
    seed: int,
    keep_epoch: int | None = None,
    hooks: Hooks | None = None,
) -> dict[str, float | int]:
    """Trains `model` in place; on return it holds the (averaged) weights of the best epoch.

    Args:
        model: The network.
        config: The stage's settings.
        order: Gives the case indices of an epoch.
        step: (indices, generator) -> (loss, parts) in training mode.
        validate: A network in evaluation mode -> numbers, with "loss" among them.
        seed: Seed of order, augmentation and dropout.
        keep_epoch: Stop after this epoch (from 0) of the schedule and keep it, whatever validation says: for a last
            fit on all cases, whose length cross-validation has chosen. None: early stopping.
        hooks: Log, progress, cancel, checkpoint.

    Returns:
        {"best_epoch", "best_loss", "epochs"}.

    Raises:
        CancelledError: The run was cancelled; the last checkpoint stays.
        CohortError: No epoch had a finite validation loss.
    """
    hooks = hooks or Hooks()
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(_groups(model, config))
    peak = [float(g["lr"]) for g in optimiser.param_groups]
    ema = copy.deepcopy(model).eval() if config.ema else model
    probe = order(torch.Generator().manual_seed(seed))
    per_epoch = math.ceil(len(probe) / config.batch)
    total = per_epoch * config.epochs
    best_loss, best_epoch, best, first = math.inf, -1, copy.deepcopy(ema.state_dict()), 0
    if hooks.checkpoint and hooks.checkpoint.is_file():
        saved = torch.load(hooks.checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        optimiser.load_state_dict(saved["optimiser"])
        best_loss, best_epoch, best, first = saved["best_loss"], saved["best_epoch"], saved["best"], saved["epoch"] + 1
        rng.set_state(saved["rng"])
        torch.set_rng_state(saved["torch_rng"])
    done_epochs = first
    for epoch in range(first, config.epochs):
        if _is_over(epoch, best_epoch, config, keep_epoch):
            break
        done_epochs = epoch + 1
        started, sums, cases = time.perf_counter(), dict[str, float](), order(rng)
        model.train()
        for i, index in enumerate(torch.split(cases, config.batch)):
            if hooks.cancelled():
                raise CancelledError("Training was cancelled; the last finished epoch is kept.")
            done = epoch * per_epoch + i
            for group, lr in zip(optimiser.param_groups, peak, strict=True):
                group["lr"] = lr * _schedule(done, total, config.warmup)
            loss, parts = step(index, rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimiser.step()
            if config.ema:
                _average(ema, model, min(config.ema, (done + 1) / (done + 10)))
            for k, v in parts.items():
                sums[k] = sums.get(k, 0.0) + v / per_epoch
            hooks.progress(done + 1, total)
        ema.eval()
        with torch.no_grad():
            measured = validate(ema)
        if measured["loss"] < best_loss if keep_epoch is None else epoch == keep_epoch:
            best_loss, best_epoch, best = measured["loss"], epoch, copy.deepcopy(ema.state_dict())
        hooks.log(
            {"epoch": epoch, "seconds": round(time.perf_counter() - started, 1)}
            | {f"train_{k}": round(v, 4) for k, v in sums.items()}
            | {f"val_{k}": round(v, 4) for k, v in measured.items()}
        )
        if hooks.checkpoint:
            partial = hooks.checkpoint.with_suffix(".part")
            torch.save(
                {
                    "model": model.state_dict(), "ema": ema.state_dict(), "optimiser": optimiser.state_dict(),
                    "best": best, "best_loss": best_loss, "best_epoch": best_epoch, "epoch": epoch,
                    "rng": rng.get_state(), "torch_rng": torch.get_rng_state(),
                },
                partial,
            )  # fmt: skip
            partial.replace(hooks.checkpoint)
        if epoch == keep_epoch:
            break
    if best_epoch < 0:
        raise CohortError(f"Training did not converge: no finite validation loss in {done_epochs} epochs.")
    model.load_state_dict(best)
    model.eval()
    return {"best_epoch": best_epoch, "best_loss": round(best_loss, 5), "epochs": done_epochs}
