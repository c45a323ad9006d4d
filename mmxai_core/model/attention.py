"""Multi-head attention that returns its weights (`scaled_dot_product_attention` gives none) and a Transformer block."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def attention_weights(q: Tensor, k: Tensor, *, heads: int) -> Tensor:
    """softmax(Q K^T / sqrt(d_head)) (Vaswani et al. 2017).

    Args:
        q: (B, Lq, d) projected queries.
        k: (B, Lk, d) projected keys.
        heads: Number of heads; d must divide by it.

    Returns:
        (B, heads, Lq, Lk); rows sum to 1.
    """
    b, lq, d = q.shape
    q = q.view(b, lq, heads, d // heads).transpose(1, 2)
    k = k.view(b, k.shape[1], heads, d // heads).transpose(1, 2)
    return torch.softmax(q @ k.transpose(-1, -2) * (d // heads) ** -0.5, dim=-1)


def attend(weights: Tensor, v: Tensor) -> Tensor:
    """(B, heads, Lq, Lk) weights x (B, Lk, d) projected values -> (B, Lq, d), heads side by side."""
    b, heads, lq, _ = weights.shape
    v = v.view(b, v.shape[1], heads, v.shape[2] // heads).transpose(1, 2)
    return (weights @ v).transpose(1, 2).reshape(b, lq, heads * v.shape[-1])  # no -1: there may be no query


class Block(nn.Module):
    """Pre-norm Transformer encoder block; returns its attention weights beside its output."""

    def __init__(self, width: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, d) -> ((B, N, d), (B, heads, N, N) attention weights)."""
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        weights = attention_weights(q, k, heads=self.heads)
        x = x + self.drop(self.out(attend(weights, v)))
        return x + self.drop(self.mlp(self.norm2(x))), weights
