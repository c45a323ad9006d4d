"""Which device the network runs on, said aloud, and arithmetic that agrees between devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from mmxai_core.errors import DeviceError


@dataclass(frozen=True)
class Device:
    """A device that is there.

    Attributes:
        torch_device: For `.to(...)`.
        label: As shown and recorded, e.g. "cpu" or "cuda:0 (NVIDIA H100)".
        reason: Why this one, in one sentence.
    """

    torch_device: torch.device
    label: str
    reason: str


def choose_device(asked: str = "auto") -> Device:
    """The device asked for, or with "auto" the first CUDA device that works, else the CPU.

    Args:
        asked: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: The name is none of these, or a CUDA device was asked for that is not there.
    """
    if asked == "cpu":
        return Device(torch.device("cpu"), "cpu", "The CPU was asked for.")
    if asked not in ("auto", "cuda") and not (asked.startswith("cuda:") and asked[5:].isdecimal()):
        raise DeviceError(f"A device is auto, cpu, cuda or cuda:N; got {asked!r}.")
    index = int(asked[5:]) if asked.startswith("cuda:") else 0
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    problem = None if index < count else f"this machine has {count or 'no'} usable CUDA device{'s' * (count != 1)}"
    if problem is None:
        try:  # a card the build has no kernels for is only found out by using it
            torch.ones(2, device=f"cuda:{index}").sum().item()
        except RuntimeError as error:
            problem = f"CUDA device {index} does not work ({str(error).splitlines()[0]})"
    if problem is None:
        label = f"cuda:{index} ({torch.cuda.get_device_name(index)})"
        reason = "A CUDA device was found." if asked == "auto" else "A CUDA device was asked for."
        return Device(torch.device("cuda", index), label, reason)
    if asked != "auto":
        raise DeviceError(f"Device {asked!r} was asked for, but {problem}.")
    return Device(torch.device("cpu"), "cpu", f"The CPU is used: {problem}.")


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Full float32 and deterministic convolutions on CUDA, so that it gives the CPU's numbers to 1e-3; no-op on a CPU.

    TensorFloat-32 keeps 10 bits of mantissa, and cuDNN uses it by default.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
