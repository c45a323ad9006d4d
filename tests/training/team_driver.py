"""Trains small image branches as a team: torchrun --nproc-per-node 2 -m tests.training.team_driver FOLDER

Rank 0 writes plain.pt (no dropout), finder.pt (the finder's weights after its own stage), whole.pt (dropout), and
resumed.pt (the same, cancelled within an epoch and gone on with). All but rank 0 are forbidden to write to files; that
this holds shows in an empty rank-N.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from dataclasses import replace
from pathlib import Path

import torch

from mmxai_core.errors import CancelledError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.finder_stage import train_finder
from mmxai_core.training.image_stage import train_image
from mmxai_core.training.loop import Hooks
from mmxai_core.training.team import SOLO, Team, follow, join_team
from tests.training.image_cases import CONFIG, cases

#: 9 cases in batches of 4, 4 and 1: the last one is smaller than a team of two.
STAGE = StageConfig(epochs=2, batch=4, lr=1e-3, ema=0.9)
#: A glance of 64: a batch of one case must leave batch norm more than one value at stride 32.
FINDER = replace(CONFIG, arch=replace(CONFIG.arch, glance=64, finder=True))
DROPOUT = replace(CONFIG, arch=replace(CONFIG.arch, dropout=0.3), checkpoint_steps=2, draws="case")


def train(
    config: TrainConfig, *, team: Team = SOLO, checkpoint: Path | None = None, cancel_at: int | None = None
) -> dict[str, torch.Tensor]:
    """Weights after the stage."""
    steps = 0

    def cancelled() -> bool:
        nonlocal steps
        steps += 1
        return steps == cancel_at

    torch.manual_seed(1)
    encoder, data = ImageEncoder(config.arch), cases(9)
    hooks = Hooks(team=team, checkpoint=checkpoint, cancelled=cancelled)
    if encoder.finder is not None:
        masked = cases(9, masked=9)
        slow = replace(STAGE, lr=5e-4)  # one loss alone: what rounding does to AdamW's first steps stays smaller so
        train_finder(encoder.finder, masked, masked, stage=slow, config=config, seed=3, keep_epoch=1, hooks=hooks)
        return encoder.finder.state_dict()
    train_image(encoder, data, data.take(range(6)), stage=STAGE, config=config, seed=3, keep_epoch=1, hooks=hooks)
    return encoder.state_dict()


def lead(folder: Path, team: Team) -> None:
    torch.save(train(CONFIG, team=team), folder / "plain.pt")
    torch.save(train(FINDER, team=team), folder / "finder.pt")
    torch.save(train(DROPOUT, team=team), folder / "whole.pt")
    try:
        train(DROPOUT, team=team, checkpoint=folder / "stage.checkpoint", cancel_at=6)
    except CancelledError:
        torch.save(train(DROPOUT, team=team, checkpoint=folder / "stage.checkpoint"), folder / "resumed.pt")


def main(folder: Path) -> None:
    with join_team() as team:
        if team.rank:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # from here on, writing to any file is an error
            with contextlib.suppress(OSError):
                (folder / f"rank-{team.rank}").write_text("this must not arrive")
            follow(team)
        else:
            lead(folder, team)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
