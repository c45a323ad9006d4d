"""Image states of a split's cases in several views, which all fusion heads share, with what lies in the lesion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.model.encoders import ImageEncoder, ImageState
from mmxai_core.model.memory import keep_freed_memory
from mmxai_core.training.augment import augment
from mmxai_core.training.data import CohortArrays, standardise_batch
from mmxai_core.training.fusion_stage import StateCache
from mmxai_core.training.image_stage import make_batch
from mmxai_core.training.losses import lesion_glance_mask


@dataclass(frozen=True, eq=False)
class Tokens:
    """N cases in V views; view 0 is the plain image.

    Attributes:
        states: Image states.
        inside: (V, N, T) bool: the token lies in the lesion or on its rim.
        has_mask: (N,) bool: the lesion is outlined.
    """

    states: StateCache
    inside: Tensor
    has_mask: Tensor

    def __len__(self) -> int:
        return self.inside.shape[1]

    @staticmethod
    def join(*parts: Tokens) -> Tokens:
        """The cases of several, one after the other."""
        return Tokens(
            StateCache.join(*(p.states for p in parts)), torch.cat([p.inside for p in parts], 1),
            torch.cat([p.has_mask for p in parts]),
        )  # fmt: skip

    def plain(self) -> ImageState:
        """All cases, view 0."""
        n = len(self)
        return self.states.take(torch.zeros(n, dtype=torch.long), torch.arange(n))


@torch.no_grad()
def build_tokens(encoder: ImageEncoder, data: CohortArrays, *, views: int, seed: int, batch: int = 16) -> Tokens:
    """Encodes each case plain and in `views` augmented views; the model finds the lesion itself in each."""
    keep_freed_memory()
    encoder.eval()
    inside: list[Tensor] = []

    def states(view: int) -> Iterator[ImageState]:
        rng, near = torch.Generator().manual_seed(seed * 1000 + view), []
        for index in torch.split(torch.arange(len(data)), batch):
            part = make_batch(data, index)
            if view:
                part = augment(part, rng)
            state = encoder(standardise_batch(part.grey, part.content)).detach()
            near.append(_inside(state, part.lesion))
            yield state
        inside.append(torch.cat(near))

    cache = StateCache.read(states(view) for view in range(views + 1))
    return Tokens(cache, torch.stack(inside), torch.from_numpy(data.has_mask))


def _inside(state: ImageState, lesion: Tensor) -> Tensor:
    """(B, T) bool: as `losses.coherence_loss` reads it."""
    g = state.features.shape[-1]
    rim = F.max_pool2d(lesion, 9, stride=1, padding=4)
    whole = F.adaptive_max_pool2d(rim, g).flatten(1) > 0.5
    near = (lesion_glance_mask(rim, state.boxes, g) > 0.25).flatten(1)
    return torch.cat([whole, near], 1)
