"""What a follower of a team needs to take its share of a stage: the network, pixels, masks and targets, no patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.objective import Objective
from mmxai_core.training.placement import device_of, execution_of
from mmxai_core.training.stepper import follow_stage
from mmxai_core.training.team import Team


@dataclass(frozen=True, eq=False)
class StageJob:
    """See `team.Job`. It is sent to the followers, so that everything in it can be pickled.

    Attributes:
        network: The network that is trained.
        objective: Makes the stage's loss of the network on its device, the cases and the settings; a class.
        data: Training cases, without patients.
        stage: Settings of the stage.
        config: Settings of the run.
        seed: As on rank 0.
    """

    network: nn.Module
    objective: Callable[[Any, CohortArrays, TrainConfig], Objective]
    data: CohortArrays
    stage: StageConfig
    config: TrainConfig
    seed: int

    def follow(self, team: Team) -> None:
        """See `team.Job`."""
        where = device_of(None)
        network = self.network.to(where)
        execution = execution_of(self.config, team, where)
        objective = self.objective(network, self.data, self.config)
        follow_stage(network, objective, config=self.stage, execution=execution, seed=self.seed)
