"""A loss whose batch can be worked on in parts, and its gradient: in micro-batches, and shared by several processes.

The mean of parts is not the mean of the whole where a term counts some of the cases only, such as those that have a
lesion mask, or weighs them. Each term therefore tells its *mass*, what its mean is divided by, which is known before
anything is computed; a part's mean counts by its part of the whole batch's mass.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmxai_core.training.batch_norm import count_copies
from mmxai_core.training.team import SOLO, Team


class Drawn(Protocol):
    """The cases of a batch as drawn for one step: augmented, and so on."""

    def part(self, cases: slice) -> tuple[Tensor, ...]:
        """What `Objective.terms` is called with for these cases of the batch, on the network's device."""
        ...


@runtime_checkable
class Objective(Protocol):
    """A loss as a weighted sum of terms, each a mean over (some of) a batch's cases."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the terms, for the log."""
        ...

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the terms in the loss."""
        ...

    @property
    def terms(self) -> nn.Module:
        """The network and its terms: called with a part's tensors it gives one scalar a term."""
        ...

    def masses(self, index: Tensor) -> tuple[float, ...]:
        """What each term's mean over these cases is divided by; 0 where none of them counts."""
        ...

    def draw(self, index: Tensor, rng: torch.Generator) -> Drawn:
        """Draws a batch. `rng` moves on equally, whichever parts of it are asked for afterwards."""
        ...


def share_out(count: int, *, accumulate: int, team: Team) -> tuple[list[slice], int]:
    """This process's parts of a batch, and how many processes work on the same parts.

    Runs of nearly equal length, in order of the processes, as many on each. A batch smaller than the team is worked on
    whole by each of them, so that no process has nothing to compute, which batch norm could not take.

    Args:
        count: Cases in the batch.
        accumulate: Parts a process, at most.
        team: The processes.
    """
    copies = team.size if count < team.size else 1
    members, rank = (1, 0) if copies > 1 else (team.size, team.rank)
    each = max(1, min(accumulate, count // members))
    edges = [count * i // (members * each) for i in range(members * each + 1)]
    mine = range(rank * each, (rank + 1) * each)
    return [slice(edges[i], edges[i + 1]) for i in mine], copies


def add_gradient(
    objective: Objective, index: Tensor, rng: torch.Generator, *, terms: nn.Module | None = None, accumulate: int = 1,
    team: Team = SOLO, scale: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> dict[str, float]:  # fmt: skip
    """Adds the gradient of the loss of a whole batch to the parameters', whatever parts it is computed in.

    Args:
        objective: The loss.
        index: (B,) cases.
        rng: Of the draw.
        terms: `objective.terms`, wrapped in DistributedDataParallel in a team; it averages over the processes.
        accumulate: Parts a process.
        team: The processes; all call with the same `index` and the same state of `rng`.
        scale: Scales a part's loss before its gradient is taken.

    Returns:
        The terms of the whole batch by name.
    """
    terms = terms or objective.terms
    parts, copies = share_out(len(index), accumulate=accumulate, team=team)
    if team.size > 1:
        count_copies(terms, copies)
    drawn, whole = objective.draw(index, rng), objective.masses(index)
    sums = [0.0] * len(whole)
    for i, cases in enumerate(parts):
        waits = isinstance(terms, DistributedDataParallel) and i + 1 < len(parts)
        shares = [m / w if w else 0.0 for m, w in zip(objective.masses(index[cases]), whole, strict=True)]
        with terms.no_sync() if waits else nullcontext():  # type: ignore[operator]
            values = terms(*drawn.part(cases))
            factors = [w * s * (team.size // copies) for w, s in zip(objective.weights, shares, strict=True)]
            loss = values[0] * factors[0]
            for value, factor in zip(values[1:], factors[1:], strict=True):
                loss = loss + value * factor
            scale(loss).backward()  # type: ignore[no-untyped-call]
        sums = [a + share * float(v.detach()) for a, share, v in zip(sums, shares, values, strict=True)]
    return dict(zip(objective.names, (s / copies for s in team.total(sums)), strict=True))
