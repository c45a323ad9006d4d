"""The optimisation loop: resume is exact, early stopping keeps the best epoch, cancel leaves a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.errors import CancelledError
from mmxai_core.training.config import StageConfig
from mmxai_core.training.loop import Hooks, fit

STAGE = StageConfig(epochs=6, batch=8, lr=1e-2, patience=10, ema=0.9)


def _problem(seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 5, generator=rng)
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)), x, (x[:, 0] > 0).long()


def _fit(
    checkpoint: Path | None, *, cancel_after: int | None = None, stage: StageConfig = STAGE
) -> tuple[nn.Module, dict]:
    model, x, y = _problem()
    steps = 0

    def step(index: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        nonlocal steps
        steps += 1
        noise = torch.randn(len(index), 5, generator=rng) * 0.1
        loss = F.cross_entropy(model(x[index] + noise), y[index])
        return loss, {"ce": float(loss.detach())}

    hooks = Hooks(checkpoint=checkpoint, cancelled=lambda: cancel_after is not None and steps >= cancel_after)
    result = fit(
        model, config=stage, order=lambda rng: torch.randperm(40, generator=rng), step=step,
        validate=lambda m: {"loss": float(F.cross_entropy(m(x), y))}, seed=3, hooks=hooks,
    )  # fmt: skip
    return model, result


def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole, _ = _fit(None)
    with pytest.raises(CancelledError):
        _fit(tmp_path / "run.checkpoint", cancel_after=17)  # in the fourth epoch of five steps
    resumed, _ = _fit(tmp_path / "run.checkpoint")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_two_runs_with_one_seed_are_equal_and_learn() -> None:
    (a, first), (b, second) = _fit(None), _fit(None)
    assert first == second
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    untrained, x, y = _problem()
    assert first["best_loss"] < float(F.cross_entropy(untrained.eval()(x), y)) - 0.05


def test_early_stopping_keeps_the_best_epoch() -> None:
    model, _, _ = _problem()
    losses = iter([0.5, 0.3, 0.4, 0.6, 0.1])
    kept: list[Tensor] = []

    def validate(m: nn.Module) -> dict[str, float]:
        kept.append(next(m.parameters()).detach().clone())
        return {"loss": next(losses)}

    x, y = torch.randn(16, 5), torch.zeros(16, dtype=torch.long)
    result = fit(
        model, config=StageConfig(epochs=6, batch=8, patience=2, ema=0), order=lambda rng: torch.arange(16),
        step=lambda i, rng: (F.cross_entropy(model(x[i]), y[i]), {}), validate=validate, seed=0,
    )  # fmt: skip
    assert result["best_epoch"] == 1 and len(kept) == 4
    assert torch.equal(next(model.parameters()), kept[1])


def test_keep_epoch_stops_there_whatever_validation_says() -> None:
    model, _, _ = _problem()
    x, y = torch.randn(16, 5), torch.zeros(16, dtype=torch.long)
    result = fit(
        model, config=StageConfig(epochs=6, batch=8, ema=0), order=lambda rng: torch.arange(16), keep_epoch=2,
        step=lambda i, rng: (F.cross_entropy(model(x[i]), y[i]), {}), validate=lambda m: {"loss": 9.0}, seed=0,
    )  # fmt: skip
    assert result["best_epoch"] == 2 and result["epochs"] == 3


def test_validation_alone_stops_early() -> None:
    """Training loss is never looked at: it may rise for ever, or be no number at all."""
    model, _, _ = _problem()
    x, y = torch.randn(16, 5), torch.zeros(16, dtype=torch.long)

    def run(said: float) -> dict[str, float | int]:
        losses = iter([0.5, 0.3, 0.4, 0.6, 0.1])
        return fit(
            model, config=StageConfig(epochs=6, batch=8, patience=2, ema=0), order=lambda rng: torch.arange(16),
            step=lambda i, rng: (F.cross_entropy(model(x[i]), y[i]), {"ce": said}),
            validate=lambda m: {"loss": next(losses)}, seed=0,
        )  # fmt: skip

    assert run(0.0) == run(float("nan")) == {"best_epoch": 1, "best_loss": 0.3, "epochs": 4}
