"""Trains a small image branch in processes that kill themselves, one after the other in one folder, until one ends.

    python -m tests.training.kill_driver FOLDER STEP STEP ...

Each process but the last sends itself SIGKILL when the stage has come to the given step; the last goes on to the end.
A first run, without kills, lies in FOLDER/whole, the other in FOLDER/killed. Prints how the processes ended, as JSON.
The processes are forks of this one, which computes nothing itself, so that torch is imported only once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import StageConfig
from mmxai_core.training.image_stage import train_image
from mmxai_core.training.run_log import RunLog
from tests.training.image_cases import CONFIG, cases

STAGE = StageConfig(epochs=3, batch=4, lr=1e-3, ema=0.9)  # 4 steps an epoch
SETTINGS = replace(CONFIG, accumulate=2, checkpoint_steps=2, arch=replace(CONFIG.arch, dropout=0.2))


def train(folder: Path, kill_at: int | None) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.manual_seed(1)
    encoder = ImageEncoder(SETTINGS.arch)
    data = cases(16, masked=5)
    hooks = RunLog(folder, progress=progress).hooks("image")
    train_image(encoder, data, data.take(range(6)), stage=STAGE, config=SETTINGS, seed=3, hooks=hooks)
    torch.save(encoder.state_dict(), folder / "weights.pt")


def main(folder: Path, kills: list[int]) -> None:
    torch.set_num_threads(1)
    ended = []
    for name, kill_at in (("whole", None), *(("killed", k) for k in kills), ("killed", None)):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                train(folder / name, kill_at)
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        ended.append(os.waitstatus_to_exitcode(status))
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(a) for a in sys.argv[2:]])
