"""A stage that is killed, between epochs or within one, goes on to the same weights, bit for bit."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmxai_core.errors import CohortError
from mmxai_core.training.checkpoint import random_states, read_checkpoint, restore_random_states, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def test_sigkill_within_and_between_epochs(tmp_path: Path) -> None:
    """4 steps an epoch, a checkpoint every 2: killed at the first step, in an epoch, at its last step, and after it."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "tests.training.kill_driver", str(tmp_path), "1", "7", "8", "9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, -9, -9, -9, -9, 0]
    whole, killed = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("whole", "killed"))
    assert all(torch.equal(whole[k], killed[k]) for k in whole)

    numbers = {}
    for name in ("whole", "killed"):
        with (tmp_path / name / "metrics.csv").open(newline="") as file:
            numbers[name] = [tuple(r.values()) for r in csv.DictReader(file) if r["metric"] != "seconds"]
    assert numbers["whole"] == numbers["killed"]
    assert {epoch for _, epoch, _, _ in numbers["whole"]} == {"0", "1", "2"}


def test_all_generators_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float, float]:
        return float(torch.rand(())), float(np.random.rand()), float(np.random.randn()), random.random()

    before = random_states()
    try:
        draw()
        write_checkpoint(tmp_path / "c", {"random": [random_states()]})
        expected = draw()
        draw()
        saved = read_checkpoint(tmp_path / "c", processes=1)
        assert saved is not None
        restore_random_states(saved["random"][0])
        assert draw() == expected
    finally:
        restore_random_states(before)


def test_checkpoints_that_cannot_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "fold-0.checkpoint"
    assert read_checkpoint(path, processes=1) is None
    path.write_bytes(b"PK cut off")
    with pytest.raises(CohortError, match=r"Checkpoint fold-0\.checkpoint cannot be read"):
        read_checkpoint(path, processes=1)
    write_checkpoint(path, {"random": [random_states()] * 2})
    with pytest.raises(CohortError, match="of a run of 2 processes, this is one of 1"):
        read_checkpoint(path, processes=1)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_checkpoint_of_the_version_before_is_gone_on_with(tmp_path: Path) -> None:
    old = {"epoch": 2, "torch_rng": torch.get_rng_state(), "best_loss": 0.5}
    write_checkpoint(tmp_path / "c", old)
    saved = read_checkpoint(tmp_path / "c", processes=1)
    assert saved is not None
    assert (saved["epoch"], saved["step"], len(saved["cases"]), saved["best_loss"]) == (3, 0, 0, 0.5)
    assert torch.equal(saved["random"][0]["torch"], old["torch_rng"])
