"""Two processes are one process with the same global batch; they resume exactly; only rank 0 writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.checkpoint import read_checkpoint
from mmxai_core.training.image_stage import image_logits
from mmxai_core.training.team import SOLO, join_team
from tests.training.image_cases import CONFIG, cases
from tests.training.team_driver import FINDER, train

ROOT = Path(__file__).resolve().parents[2]
#: Largest difference of a weight and of a logit after six steps of AdamW at 1e-3. Biases are not compared one by one:
#: one that batch norm takes out again has no gradient but rounding, which AdamW makes a step of; logits show no trace.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "tests.training.team_driver", str(folder)]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def load(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


def test_two_processes_give_the_parameters_of_one(ran: Path) -> None:
    torch.manual_seed(1)
    start = {k: v.clone() for k, v in ImageEncoder(CONFIG.arch).state_dict().items()}
    two, one = load(ran / "plain.pt"), train(CONFIG)
    assert two.keys() == one.keys()
    kernels = [k for k in one if one[k].ndim >= 2]
    assert max(float((one[k] - start[k]).abs().max()) for k in kernels) > 10 * TOLERANCE  # they did learn
    assert max(float((one[k] - two[k]).abs().max()) for k in kernels) < TOLERANCE
    first, second = (_logits(weights) for weights in (one, two))
    assert torch.allclose(first, second, atol=TOLERANCE)
    assert not torch.allclose(first, _logits(start), atol=100 * TOLERANCE)


def test_two_processes_train_the_finder_as_one_does(ran: Path) -> None:
    two, one = load(ran / "finder.pt"), train(FINDER)
    torch.manual_seed(1)
    start = ImageEncoder(FINDER.arch).finder
    assert start is not None and two.keys() == one.keys()
    kernels = [k for k in one if one[k].ndim >= 2]
    assert max(float((one[k] - start.state_dict()[k]).abs().max()) for k in kernels) > 10 * TOLERANCE
    assert max(float((one[k] - two[k]).abs().max()) for k in kernels) < TOLERANCE


def _logits(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """As deployed, running statistics included."""
    network = ImageEncoder(CONFIG.arch)
    network.load_state_dict(weights)
    return image_logits(network.eval(), cases(9))


def test_a_team_resumes_within_an_epoch_bit_for_bit(ran: Path) -> None:
    whole, resumed, plain = (load(ran / f"{n}.pt") for n in ("whole", "resumed", "plain"))
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert not all(torch.equal(whole[k], plain[k]) for k in whole)
    with pytest.raises(CohortError, match="of a run of 2 processes, this is one of 1"):
        read_checkpoint(ran / "stage.checkpoint", processes=1)


def test_only_rank_0_writes(ran: Path) -> None:
    """Rank 1 ran to its end although every write to a file was an error to it."""
    assert (ran / "rank-1").stat().st_size == 0
    assert {p.name for p in ran.iterdir()} == {
        "plain.pt",
        "finder.pt",
        "whole.pt",
        "resumed.pt",
        "stage.checkpoint",
        "rank-1",
    }


def test_without_torchrun_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with join_team() as team:
        assert team is SOLO
    assert team.collect(3) == [3] and team.total([1.5]) == [1.5]
