"""A batch in parts has the gradient of the batch: cases that some terms do not count, batch norm, draws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.augment import augment, lesion_boxes
from mmxai_core.training.batch_norm import batch_norm_for, hold_still
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import standardise_batch
from mmxai_core.training.execution import Execution, check_amp
from mmxai_core.training.image_stage import ImageObjective, make_batch
from mmxai_core.training.losses import coherence_loss, lesion_loss
from mmxai_core.training.objective import add_gradient, share_out
from mmxai_core.training.stepper import Stepper
from mmxai_core.training.team import Team
from tests.training.image_cases import CONFIG, cases


def encoder() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(CONFIG.arch)


def gradient(model: ImageEncoder, config: TrainConfig, *, accumulate: int) -> tuple[Tensor, dict[str, float]]:
    model.zero_grad()
    objective = ImageObjective(model, cases(), config)
    terms = add_gradient(objective, torch.arange(8), torch.Generator().manual_seed(5), accumulate=accumulate)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]), terms


def close(a: Tensor, b: Tensor) -> float:
    """Largest difference, relative to the largest gradient."""
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.parametrize("draws", ["batch", "case"])
def test_micro_batches_add_up_to_the_batch(draws: str) -> None:
    model = encoder().train()
    hold_still(model)  # batch norm's statistics are the one thing that a split changes: see below
    config = replace(CONFIG, draws=draws)
    whole, terms = gradient(model, config, accumulate=1)
    for k in (2, 3, 8):  # 3 masked cases in 2, 3 and 8 parts: some have none
        parts, same = gradient(model, config, accumulate=k)
        assert close(whole, parts) < 1e-5
        assert same == pytest.approx(terms, rel=1e-5)


def test_a_mean_of_means_would_be_wrong() -> None:
    """What the masses are for: plain averaging over the parts is off by far more than rounding."""
    model = encoder().train()
    hold_still(model)
    whole, _ = gradient(model, CONFIG, accumulate=1)
    objective = ImageObjective(model, cases(), CONFIG)
    objective.masses = lambda index: (1.0, 1.0, 1.0)  # type: ignore[method-assign]
    model.zero_grad()
    add_gradient(objective, torch.arange(8), torch.Generator().manual_seed(5), accumulate=2)
    naive = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]) / 2
    assert close(whole, naive) > 1e-2


def test_one_part_is_the_batch_bit_for_bit() -> None:
    """The default must keep the shipped recipe's numbers: the loss written out, as it was before there were parts."""
    data, index, model = cases(), torch.arange(8), encoder().train()
    view = augment(make_batch(data, index), rng := torch.Generator().manual_seed(5))
    state = model(standardise_batch(view.grey, view.content), boxes=lesion_boxes(view.lesion, rng))
    has_mask, loss = torch.from_numpy(data.has_mask), CONFIG.loss
    ce = nn.functional.cross_entropy(state.logits, torch.from_numpy(data.labels), label_smoothing=loss.smoothing)
    total = ce + loss.lesion * lesion_loss(state.lesion_logits, view.lesion, has_mask)
    (total + loss.coherence * coherence_loss(state, view.lesion, has_mask)).backward()
    before = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    after, terms = gradient(encoder().train(), CONFIG, accumulate=1)
    assert torch.equal(before, after)
    assert terms["ce"] == float(ce.detach())


def test_batch_norm_in_parts_moves_as_far_and_comes_back() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)) + 2
    with batch_norm_for(model, Execution(accumulate=4)):
        for part in x.split(2):
            model(part)
    assert model[0].momentum == 0.1
    moved = model[0].running_mean
    once = nn.BatchNorm2d(3)
    once(x)
    assert torch.allclose(moved, once.running_mean, atol=0.02) and not torch.equal(moved, once.running_mean)


def test_frozen_statistics_stay() -> None:
    model = encoder()
    before = {k: v.clone() for k, v in model.named_buffers()}
    way = Execution(accumulate=2, batch_norm="frozen")
    stepper = Stepper(model, ImageObjective(model, cases(), CONFIG), config=StageConfig(), execution=way, total=4)
    weights = model.neck16[0].weight.detach().clone()
    stepper.train()
    stepper.take(0, torch.arange(8), torch.Generator().manual_seed(0))
    assert all(torch.equal(before[k], v) for k, v in model.named_buffers())
    assert not torch.equal(weights, model.neck16[0].weight)


@pytest.mark.parametrize(("count", "accumulate", "size"), [(16, 1, 1), (16, 3, 1), (2, 4, 1), (16, 2, 3), (7, 4, 3)])
def test_every_case_is_in_one_part(count: int, accumulate: int, size: int) -> None:
    parts = [share_out(count, accumulate=accumulate, team=Team(rank, size)) for rank in range(size)]
    assert {copies for _, copies in parts} == {1}
    assert len({len(p) for p, _ in parts}) == 1  # batch norm over a team needs as many passes on each
    found = [i for p, _ in parts for s in p for i in range(count)[s]]
    assert found == list(range(count))


def test_a_batch_smaller_than_the_team_is_shared_whole() -> None:
    assert [share_out(2, accumulate=2, team=Team(r, 3)) for r in range(3)] == [([slice(0, 1), slice(1, 2)], 3)] * 3


@pytest.mark.parametrize("amp", ["none", "bf16"])
def test_mixed_precision_is_close_and_off_by_default(amp: str) -> None:
    assert CONFIG.amp == "none"
    model = encoder().train()
    hold_still(model)  # 16 values a channel: their statistics would magnify the rounding
    whole, terms = gradient(model, CONFIG, accumulate=1)
    mixed, same = gradient(model, replace(CONFIG, amp=amp), accumulate=1)
    assert same == pytest.approx(terms, rel=0.05)
    assert torch.equal(whole, mixed) == (amp == "none")
    assert float(torch.cosine_similarity(whole, mixed, dim=0)) > 0.9


def test_float16_needs_cuda() -> None:
    check_amp("bf16", torch.device("cpu"))
    with pytest.raises(CohortError, match='amp = "fp16" needs CUDA; this run is on cpu'):
        check_amp("fp16", torch.device("cpu"))


def test_a_scaled_loss_gives_the_same_step_and_skips_one_that_overflows() -> None:
    """The scaler's arithmetic, which float16 needs, on the CPU in float32."""
    stage, index = StageConfig(lr=1e-3), torch.arange(8)
    steppers = []
    for amp in ("none", "fp16"):
        model = encoder()
        objective = ImageObjective(model, cases(), CONFIG)
        steppers.append(Stepper(model, objective, config=stage, execution=Execution(amp=amp), total=4))
    plain, scaled = steppers
    for stepper in steppers:
        stepper.train()
        stepper.take(0, index, torch.Generator().manual_seed(0))
    for a, b in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4)
    scale, weight = scaled.scaler.get_scale(), scaled.model.head.weight
    before = weight.detach().clone()
    scaled.optimiser.zero_grad()
    objective.weights = (float("inf"), 0.0, 0.0)
    scaled.take(1, index, torch.Generator().manual_seed(0))
    assert torch.equal(before, weight)
    assert scaled.scaler.get_scale() == scale / 2
    assert scaled.state()["scaler"]["scale"] == scale / 2
