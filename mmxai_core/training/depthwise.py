"""Depthwise convolutions on a CPU in bfloat16, whose gradient is taken in float32.

The forward pass in bfloat16 is several times faster than in float32, but the gradient of a depthwise convolution that
strides, or whose kernel is larger than 3, falls back to a slow path. *Measured* on one core of two while both
were at work, EfficientNet-Lite0's shapes, 32 glances of 224 pixels: 2.0 s in bfloat16, 0.5 s in float32, of 4.2 s for
the whole step; on an idle machine see the bundle's `results/benchmark`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class _Depthwise(torch.autograd.Function):
    """conv2d as autocast runs it, with the gradient in float32."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = (list(stride), list(padding), list(dilation))
        return F.conv2d(x, weight, None, stride, padding, dilation, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.steps
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            grads[0].float(), x.float(), weight.float(), None, stride, padding, dilation, False, [0, 0], len(weight),
            [*ctx.needs_input_grad[:2], False],
        )  # fmt: skip
        return (
            None if of_x is None else of_x.to(x.dtype), None if of_weight is None else of_weight.to(weight.dtype),
            None, None, None,
        )  # fmt: skip


class QuickDepthwise(TorchFunctionMode):
    """While active, the depthwise convolutions that are slow to differentiate in bfloat16 take the way above.

    Everything else, and any other device or precision, is as without.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        if func is torch.conv2d and not kwargs and len(args) == 7 and _is_slow(*args):
            x, weight, _, stride, padding, dilation, _ = args
            return _Depthwise.apply(x, weight, stride, padding, dilation)
        return func(*args, **(kwargs or {}))


def _is_slow(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Any, dilation: Sequence[int],
    groups: int,
) -> bool:  # fmt: skip
    return (
        x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and groups == x.shape[1] == len(weight) > 1 and bias is None
        and not isinstance(padding, str | int) and not isinstance(stride, int)
        and (max(stride) > 1 or max(weight.shape[-2:]) > 3)
    )  # fmt: skip
