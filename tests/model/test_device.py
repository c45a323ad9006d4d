from __future__ import annotations

import pytest
import torch

from mmxai_core.errors import DeviceError
from mmxai_core.model.device import choose_device, exact_arithmetic


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu").label == "cpu"


def test_auto_says_why_it_took_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device = choose_device("auto")
    assert device.label == "cpu"
    assert "no usable CUDA device" in device.reason


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_asked_for_but_absent_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=f"Device '{name}' was asked for, but this machine has no usable CUDA"):
        choose_device(name)


def test_a_card_that_fails_at_first_use_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image\nmore")

    monkeypatch.setattr(torch, "ones", broken)
    assert "does not work (no kernel image)" in choose_device("auto").reason
    with pytest.raises(DeviceError, match="no kernel image"):
        choose_device("cuda")


def test_a_name_that_is_no_device() -> None:
    with pytest.raises(DeviceError, match="got 'gpu'"):
        choose_device("gpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_convolutions_agree_between_devices() -> None:
    x, conv = torch.randn(1, 64, 64, 64), torch.nn.Conv2d(64, 64, 3)
    with torch.no_grad(), exact_arithmetic(torch.device("cuda")):
        y = conv.cuda()(x.cuda()).cpu()
    assert torch.allclose(conv.cpu()(x), y, atol=1e-4)
