"""The processes of one run: rank 0 leads, decides and writes; the others follow it and compute their share.

Two process groups: *control* (gloo, patient) carries what rank 0 tells, for followers wait on it for as long as rank 0
validates, scores or trains a part that is too small to share; *gradients* (NCCL on GPUs, gloo on CPUs) carries the
gradients and the batch-norm statistics of a shared step, and never waits for long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

import torch
import torch.distributed as dist

from mmxai_core.errors import CohortError, MmxaiError

#: A follower waits this long for word of rank 0.
PATIENCE = timedelta(days=30)


@dataclass(frozen=True, eq=False)
class Team:
    """The processes of a run, as one of them sees it. Every method is a collective: all processes call it in step.

    Attributes:
        rank: This process, from 0; rank 0 leads.
        size: How many there are; with one, nothing is sent.
        control: Group for messages.
        gradients: Group for tensors of a step.
    """

    rank: int = 0
    size: int = 1
    control: dist.ProcessGroup | None = None
    gradients: dist.ProcessGroup | None = None

    def tell(self, message: object) -> None:
        """Rank 0 sends a message to all others, which `hear` it."""
        if self.size > 1:
            dist.broadcast_object_list([message], src=0, group=self.control)

    def hear(self) -> Any:
        """What rank 0 tells next."""
        box = [None]
        dist.broadcast_object_list(box, src=0, group=self.control)
        return box[0]

    def collect(self, value: object) -> list[Any]:
        """On rank 0 the values of all processes, by rank; on the others an empty list."""
        if self.size == 1:
            return [value]
        out: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(value, out, dst=0, group=self.control)
        return out or []

    def total(self, values: list[float]) -> list[float]:
        """Sums over the processes, the same on each."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.control)
        return sums.tolist()

    @contextmanager
    def job(self, job: Job) -> Iterator[None]:
        """Rank 0 gives the followers a job for the time of the block, and tells them when it has ended."""
        self.tell(job)
        try:
            yield
        except MmxaiError:
            self.tell(None)
            raise
        self.tell(None)  # after any other error they may be waiting elsewhere: this process ends, and they with it


class Job(Protocol):
    """What rank 0 can tell its followers to do. It is sent as a pickle, between processes of one run only."""

    def follow(self, team: Team) -> None:
        """Computes along until rank 0 tells None."""
        ...


#: One process alone.
SOLO = Team()


@contextmanager
def join_team() -> Iterator[Team]:
    """The team that torchrun started this process in; one process alone where there is none.

    On rank 0 the block is the run, and its end sends the others home; on the others it is `follow`.
    Once a process: gloo may wait for ever when its groups are made a second time over the store of one torchrun.

    Raises:
        CohortError: The machine has GPUs, but fewer than processes.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield SOLO
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= there:
            raise CohortError(f"This machine has {there} GPUs: start torchrun with --nproc-per-node {there} at most.")
        torch.cuda.set_device(local)
        backend = "nccl"
    dist.init_process_group("gloo", timeout=PATIENCE)
    gradients = cast(dist.ProcessGroup, dist.new_group(backend=backend))  # an int only where not all are members
    team = Team(dist.get_rank(), dist.get_world_size(), dist.group.WORLD, gradients)
    try:
        yield team
    except MmxaiError:
        _part(team)
        raise
    _part(team)  # not after any other error: torchrun then ends the whole team, and nothing here may wait for it


def _part(team: Team) -> None:
    """Rank 0 sends the followers home; all leave."""
    if team.rank == 0:
        team.tell(None)
    dist.destroy_process_group()


def follow(team: Team) -> None:
    """Does the jobs rank 0 gives until it tells None. Writes nothing, prints nothing."""
    while (job := team.hear()) is not None:
        job.follow(team)
