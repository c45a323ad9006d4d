"""Batch norm where a batch is split: over processes, over micro-batches, or with statistics that stand still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmxai_core.training.execution import Execution


class _TeamSum(torch.autograd.Function):
    """Sum of a tensor over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        out = x.clone()
        dist.all_reduce(out, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        out = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(out, group=ctx.group)
        return out, None


class TeamBatchNorm(nn.Module):
    """Batch norm with the statistics of all processes' cases: what one process would compute on the whole batch.

    `torch.nn.SyncBatchNorm` is the same on GPUs only. Parameters and buffers are those of the layer it stands for,
    under the same names; an activation that timm fuses into the layer is applied after it. `copies` processes see the
    same cases, see `count_copies`.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: _BatchNorm, group: dist.ProcessGroup) -> None:
        super().__init__()
        self.group, self.eps, self.momentum = group, layer.eps, layer.momentum or 0.0
        self.weight, self.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.drop, self.act = (getattr(layer, n, None) or nn.Identity() for n in ("drop", "act"))
        self.copies = 1
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; B may differ between the processes."""
        if not self.training:
            y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        else:
            wide = x.float()
            count = wide.new_tensor([x.numel() / x.shape[1]])
            sums: Tensor = _TeamSum.apply(torch.cat([wide.sum((0, 2, 3)), count]), self.group)
            n = sums[-1].detach()
            mean = sums[:-1] / n
            centred = wide - mean[:, None, None]
            # Two sums rather than one of squares: E[x^2] - E[x]^2 would lose the variance of a layer far from zero.
            var: Tensor = _TeamSum.apply((centred**2).sum((0, 2, 3)), self.group) / n
            scale = self.weight * torch.rsqrt(var + self.eps)
            y = (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean.detach(), self.momentum)
                different = n / self.copies
                self.running_var.lerp_(var.detach() * different / (different - 1).clamp_min(1), self.momentum)
        out: Tensor = self.act(self.drop(y))
        return out


@contextmanager
def batch_norm_for(model: nn.Module, execution: Execution) -> Iterator[None]:
    """Sets the batch-norm layers up for a split batch, and back again after the block.

    With several micro-batches the running statistics are updated as many times a step; their momentum is lowered so
    that they move as far in a step as with one.
    """
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, _BatchNorm)
    ]
    momenta = [layer.momentum for _, _, layer in found]
    for parent, name, layer in found:
        if layer.momentum is not None and execution.accumulate > 1:
            layer.momentum = 1 - (1 - layer.momentum) ** (1 / execution.accumulate)
        if execution.team.size > 1:
            assert execution.team.gradients is not None
            setattr(parent, name, TeamBatchNorm(layer, execution.team.gradients))
    try:
        yield
    finally:
        for (parent, name, layer), momentum in zip(found, momenta, strict=True):
            layer.momentum = momentum
            setattr(parent, name, layer.train(parent.training))


def count_copies(model: nn.Module, copies: int) -> None:
    """Tells the layers how many processes see the same cases, so that the unbiased variance counts each case once."""
    for layer in model.modules():
        if isinstance(layer, TeamBatchNorm):
            layer.copies = copies


def hold_still(model: nn.Module) -> None:
    """Puts every batch-norm layer into evaluation mode: running statistics are used, and stay as they are."""
    for layer in model.modules():
        if isinstance(layer, _BatchNorm | TeamBatchNorm):
            layer.eval()
