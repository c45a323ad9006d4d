"""Depthwise convolutions in bfloat16: the gradient is nearer to float32's, the forward pass as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training import depthwise
from mmxai_core.training.depthwise import QuickDepthwise
from mmxai_core.training.image_stage import ImageObjective
from mmxai_core.training.losses import coherence_loss
from tests.training.image_cases import CONFIG, cases


@pytest.mark.parametrize(("kernel", "stride", "taken"), [(3, 1, False), (3, 2, True), (5, 1, True), (5, 2, True)])
def test_forward_is_autocasts_and_the_gradient_is_nearer_to_float32(kernel: int, stride: int, taken: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(24, 24, kernel, stride=stride, padding=kernel // 2, groups=24, bias=False)
    image = torch.randn(4, 24, 20, 20)

    def run(*, amp: bool, quick: bool) -> tuple[Tensor, Tensor, Tensor]:
        x = image.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
            if quick:
                with QuickDepthwise():
                    y = conv(x)
            else:
                y = conv(x)
        names = {type(y.grad_fn).__name__}
        assert ("_DepthwiseBackward" in names) == (quick and taken and amp)
        of_x, of_weight = torch.autograd.grad(y.float().square().mean(), (x, conv.weight))
        return y.detach(), of_x, of_weight

    exact, plain, quick = run(amp=False, quick=False), run(amp=True, quick=False), run(amp=True, quick=True)
    assert torch.equal(quick[0], plain[0]) and quick[0].dtype == torch.bfloat16
    for truth, rough, found in zip(exact[1:], plain[1:], quick[1:], strict=True):
        assert found.dtype == torch.float32
        assert (found - truth).norm() <= (rough - truth).norm() * 1.001
        assert (found - truth).norm() < 0.02 * truth.norm()
    without = run(amp=False, quick=True)  # float32 is left alone
    assert all(torch.equal(a, b) for a, b in zip(exact, without, strict=True))


def test_only_depthwise_convolutions_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    apply = depthwise._Depthwise.apply

    def spy(x: Tensor, weight: Tensor, *rest: object) -> Tensor:
        seen.append(tuple(weight.shape))
        out: Tensor = apply(x, weight, *rest)
        return out

    monkeypatch.setattr(depthwise._Depthwise, "apply", spy)
    torch.manual_seed(0)
    encoder = ImageEncoder(CONFIG.arch)
    groups = [
        m for m in encoder.modules()
        if isinstance(m, nn.Conv2d) and m.groups == m.in_channels == m.out_channels > 1
        and (m.stride[0] > 1 or m.kernel_size[0] > 3)
    ]  # fmt: skip
    canvas, boxes = torch.randn(2, 1, 96, 96), torch.full((2, 3), 0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16), QuickDepthwise():
        encoder(canvas, boxes=boxes).logits.float().sum().backward()
        with torch.no_grad():
            encoder(canvas, boxes=boxes)
    assert len(groups) > 0 and len(seen) == len(groups) and all(s[1] == 1 for s in seen)


def test_an_image_stage_in_bfloat16_takes_this_way_and_in_float32_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    apply = depthwise._Depthwise.apply

    def spy(*args: object) -> Tensor:
        nonlocal calls
        calls += 1
        out: Tensor = apply(*args)
        return out

    monkeypatch.setattr(depthwise._Depthwise, "apply", spy)
    found = {}
    for amp in ("none", "bf16"):
        torch.manual_seed(0)
        objective = ImageObjective(ImageEncoder(CONFIG.arch), cases(4), replace(CONFIG, amp=amp))
        calls = 0
        objective.terms(*objective.draw(torch.arange(4), torch.Generator().manual_seed(0)).part(slice(None)))
        found[amp] = calls
    assert found["none"] == 0 and found["bf16"] > 0


def test_the_rim_of_the_lesion_is_the_squares_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coherence term, with the rim in one pass."""
    torch.manual_seed(0)
    encoder = ImageEncoder(CONFIG.arch).eval()
    lesion = (torch.rand(3, 1, 96, 96) > 0.995).float()
    state = encoder(torch.randn(3, 1, 96, 96), boxes=torch.tensor([[0.5, 0.4, 0.6]] * 3))
    found = coherence_loss(state, lesion, torch.ones(3, dtype=torch.bool))
    whole = F.max_pool2d
    given: list[Tensor] = []

    def once(x: Tensor, kernel: tuple[int, int], **_: object) -> Tensor:
        if kernel == (9, 1):
            given.append(x)
            return x
        return whole(given[0], 9, stride=1, padding=4)

    monkeypatch.setattr("mmxai_core.training.losses.F.max_pool2d", once)
    assert torch.equal(found, coherence_loss(state, lesion, torch.ones(3, dtype=torch.bool))) and len(given) == 1
