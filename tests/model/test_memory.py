"""Freed memory is kept: the settings are taken once, and the second glance's shortcut gives the same answer."""

from __future__ import annotations

import platform
import resource

import pytest
import torch
from tiny_bundle import ARCH, tiny_network

from mmxai_core.model.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_glibc_takes_the_settings_and_pages_stay() -> None:
    assert keep_freed_memory()

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(2 * 1024 * 1024)  # 8 MiB: above what glibc gives back at once by default
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert faults() < 2048, "20 blocks of 2,048 pages each must not be fetched anew"


def test_given_boxes_and_lesion_map_change_nothing_else() -> None:
    network = tiny_network().eval().requires_grad_(False)
    canvas = torch.randn(3, 1, ARCH.canvas, ARCH.canvas, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[0.3, 0.6, 0.4], [0.5, 0.5, 0.6], [0.6, 0.4, 0.3]])
    with torch.no_grad():
        whole = network.encode_image(canvas, boxes=boxes)
        short = network.encode_image(canvas, boxes=boxes, lesion_logits=whole.lesion_logits)
    for name in ("features", "tokens", "pooled", "logits", "summary", "lesion_logits"):
        assert torch.equal(getattr(short, name), getattr(whole, name)), name
