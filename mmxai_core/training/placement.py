"""Where and how an image stage is carried out, and what its followers are sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from mmxai_core.training.config import TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.execution import Execution, check_amp
from mmxai_core.training.team import Team


def device_of(given: torch.device | None) -> torch.device:
    """The device asked for; None: CUDA where there is one."""
    return given or torch.device("cuda" if torch.cuda.is_available() else "cpu")


def execution_of(config: TrainConfig, team: Team, device: torch.device) -> Execution:
    """How a stage is carried out by these settings.

    Raises:
        CohortError: The device cannot do `config.amp`.
    """
    check_amp(config.amp, device)
    return Execution(config.amp, config.accumulate, config.batch_norm, config.checkpoint_steps, team)


def without_patients(data: CohortArrays, config: TrainConfig) -> CohortArrays:
    """Pixels, masks and targets alone: what a follower is sent."""
    empty = np.zeros((len(data), 0))
    return replace(
        data,
        values=empty.astype(np.float32),
        known=empty.astype(np.bool_),
        case_ids=(),
        patients=(),
        records=(),
        assessed=data.assessed if config.teacher else (),
    )
