"""The training block of the benchmark: every way the device can do, in images a second."""

from __future__ import annotations

from pathlib import Path

import torch

from mmxai_core.training.throughput import measure_training, rows
from tests.tiny_bundle import write_tiny_bundle


def test_each_way_is_timed(tmp_path: Path) -> None:
    steps: list[str] = []
    torch.manual_seed(4)
    before = torch.get_rng_state()
    bundle = write_tiny_bundle(tmp_path / "tiny")
    found = measure_training(bundle, repeats=1, device="cpu", progress=lambda what, done: steps.append(what))
    assert list(found["ways"]) == ["whole_batch", "accumulated", "bf16"]  # float16 needs CUDA
    assert all(row["images_per_second"] > 0 for row in found["ways"].values())
    assert found["ways"]["whole_batch"]["against_whole_batch"] == 1
    assert (found["device"], found["batch"], found["steps"]) == ("cpu", 8, 1)
    assert len(steps) == 3
    assert [name for name, _ in rows(found)] == ["training, whole batch", "training, accumulated", "training, bf16"]
    assert torch.equal(torch.get_rng_state(), before)  # a measurement does not move anyone's random numbers
