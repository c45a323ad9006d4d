"""Augmented views of a batch's cases, so that they do not depend on how the batch is split among passes and processes.

Drawn together from one stream of random numbers; or each case from a stream of its own, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Drawing(Protocol):
    """Who draws views, and what a network is given of them."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        ...

    def view(self, index: Tensor, rng: torch.Generator) -> tuple[Tensor, ...]:
        """One augmented view of each of B cases: tensors of first size B, on the CPU."""
        ...

    def tensors(self, view: Sequence[Tensor], index: Tensor) -> tuple[Tensor, ...]:
        """What `Objective.terms` takes of B cases' views."""
        ...


@dataclass(frozen=True, eq=False)
class CaseViews:
    """See `objective.Drawn`. Either `view` or `seeds` is given.

    Attributes:
        drawing: Who draws.
        index: (B,) cases.
        view: Their views as `Drawing.view` gives them, drawn together.
        seeds: (B,) seed of each case's view, drawn when it is asked for.
    """

    drawing: Drawing
    index: Tensor
    view: tuple[Tensor, ...] | None = None
    seeds: Tensor | None = None

    def part(self, cases: slice) -> tuple[Tensor, ...]:
        """See `objective.Drawn`."""
        index = self.index[cases]
        if self.view is not None:
            view = tuple(t[cases] for t in self.view)
        else:
            assert self.seeds is not None
            drawn = [
                self.drawing.view(i[None], torch.Generator().manual_seed(int(seed)))
                for i, seed in zip(index, self.seeds[cases], strict=True)
            ]
            view = tuple(torch.cat(parts) for parts in zip(*drawn, strict=True))
        return tuple(t.to(self.drawing.device) for t in self.drawing.tensors(view, index))


def draw_views(drawing: Drawing, index: Tensor, rng: torch.Generator, *, draws: str) -> CaseViews:
    """A batch's views. `rng` moves on equally, whichever parts are asked for afterwards.

    Args:
        drawing: Who draws.
        index: (B,) cases.
        rng: Of the draw.
        draws: "batch": all from one stream of random numbers; "case": each from its own. See `TrainConfig.draws`.
    """
    if draws == "case":
        return CaseViews(drawing, index, seeds=torch.randint(2**62, (len(index),), generator=rng))
    return CaseViews(drawing, index, view=drawing.view(index, rng))
