"""Where a run writes its rows, its checkpoints, and how it is watched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmxai_core.training.loop import Hooks
from mmxai_core.training.metrics_log import MetricsCsv, TensorBoardLog
from mmxai_core.training.team import SOLO, Team


@dataclass(frozen=True)
class RunLog:
    """Where a run writes its rows and how it is watched.

    Attributes:
        folder: Checkpoints and log lie here; a run started again in the same folder resumes.
        progress: Called with (stage in words, done, all).
        cancelled: True when the run should stop.
        team: The processes that share the image stages.
        tensorboard: Where each epoch's numbers are written besides; None: nowhere.
        metrics: The folder's metrics.csv.
    """

    folder: Path
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None
    cancelled: Callable[[], bool] = lambda: False
    team: Team = SOLO
    tensorboard: TensorBoardLog | None = None
    metrics: MetricsCsv = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", MetricsCsv(self.folder / "metrics.csv"))

    def write(self, stage: str, row: Mapping[str, float | int | str]) -> None:
        """Appends one row to log.jsonl, and the numbers of an epoch to metrics.csv."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.metrics.write(stage, row)
        if self.tensorboard is not None:
            self.tensorboard.write(stage, row)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, **row}) + "\n")

    def seconds(self) -> int:
        """Time of all logged epochs, over every session of the run."""
        rows = (json.loads(line) for line in (self.folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
        return round(sum(float(row.get("seconds", 0)) for row in rows))

    def hooks(self, stage: str) -> Hooks:
        """Hooks of one stage, with its checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = stage.replace(" ", "-").replace("/", "-")
        return Hooks(
            log=lambda row: self.write(stage, row),
            progress=lambda done, total: self.progress(stage, done, total),
            cancelled=self.cancelled,
            checkpoint=self.folder / f"{name}.checkpoint",
            team=self.team,
        )
