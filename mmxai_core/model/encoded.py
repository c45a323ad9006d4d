"""A study as the image branch sees it, and picking, moving and joining batches of image states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmxai_core.errors import StudyReadError
from mmxai_core.model.encoders import ImageState
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.study import Study
from mmxai_core.types import Box


@dataclass(frozen=True, eq=False)
class EncodedStudy:
    """A study as the image branch sees it: held by the session, so that a changed form costs only the fusion.

    Attributes:
        study: The study itself.
        state: Batch of one entry an image, on the CPU, no graph, `block_attention` left out (it is large, and
            `ImageEncoder.read_features` gives it again).
        geometries: How each image lies on its canvas.
        roi: Region the reader drew, source pixels of image `roi_image`, or None.
        roi_image: Index of that image.
        bundle_sha256: Weights it was encoded with.
    """

    study: Study
    state: ImageState
    geometries: tuple[CanvasGeometry, ...]
    roi: Box | None
    roi_image: int
    bundle_sha256: str

    def image(self, index: int) -> ImageState:
        """The state of one image, a batch of one."""
        return select(self.state, slice(index, index + 1))

    def lesion_box(self, index: int) -> Box:
        """The square the second glance looked at, source pixels of that image, clipped to it."""
        size = self.geometries[index].canvas
        cx, cy, side = (float(v) * size for v in self.state.boxes[index])
        return self.geometries[index].box_to_source((cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2))


def check_encoded(encoded: EncodedStudy | None, study: Study | None, bundle_sha256: str) -> None:
    """Refuses an encoding of another study or bundle.

    Raises:
        StudyReadError: It belongs to another study or bundle, or there is one without the other.
    """
    if (encoded is None) != (study is None) or (
        encoded is not None and study is not None and encoded.study.sha256 != study.sha256
    ):
        raise StudyReadError("The encoded image belongs to another study.")
    if encoded is not None and encoded.bundle_sha256 != bundle_sha256:
        raise StudyReadError("The image was encoded by another model; encode it again.")


def select(state: ImageState, rows: slice) -> ImageState:
    """Some entries of a batch."""
    return _map(state, lambda x: x[rows])


def to_device(state: ImageState, device: torch.device) -> ImageState:
    """The state on a device."""
    return _map(state, lambda x: x.to(device))


def concatenate(states: Sequence[ImageState]) -> ImageState:
    """One batch of several."""
    if len(states) == 1:
        return states[0]
    names = [k for k, v in states[0].__dict__.items() if isinstance(v, Tensor)]
    joined = {k: torch.cat([getattr(s, k) for s in states]) for k in names}
    blocks = tuple(torch.cat(layers) for layers in zip(*(s.block_attention for s in states), strict=True))
    return replace(states[0], **joined, block_attention=blocks)


def _map(state: ImageState, change: Callable[[Tensor], Tensor]) -> ImageState:
    fields = {k: change(v) for k, v in state.__dict__.items() if isinstance(v, Tensor)}
    return replace(state, **fields, block_attention=tuple(change(a) for a in state.block_attention))
