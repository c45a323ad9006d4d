"""Grad-CAM++ averaged over the image and its mirror image.

A single map's maximum sits on one cell and jumps with the noise of that view; left and right mean nothing in the
training data, so the mirrored image is the same evidence seen again. On validation images averaging the two raised the
pointing game from 0.66 to 0.77 (BrEaST, validation splits of three folds) and from 0.87 to 0.89 (BUS-BRA), and the
overlap with the lesion from 0.34 to 0.40 and from 0.41 to 0.50. pytorch-grad-cam's `aug_smooth` is the same idea.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mmxai_core.explain.saliency import ReadOut, Score, grad_cam_pp
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork


def _mirrored(boxes: Tensor) -> Tensor:
    return torch.cat([1 - boxes[:, :1], boxes[:, 1:]], 1)


@torch.no_grad()
def mirrored_state(network: FusedNetwork, canvas: Tensor, image: ImageState) -> ImageState:
    """The state of the mirrored canvases, the second glance at the mirrored place. One forward pass an image.

    The lesion map is the mirrored one of `image`: it only says where to look, and that is given.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised, as `image` was encoded from.
        image: Their state.
    """
    return network.encode_image(
        canvas.flip(-1), boxes=_mirrored(image.boxes), lesion_logits=image.lesion_logits.flip(-1)
    )


@torch.no_grad()
def mirrored_read(network: FusedNetwork, canvas: Tensor, image: ImageState) -> ImageState:
    """What `grad_cam_pp` reads of the mirrored canvases: the CNN's share of `mirrored_state`.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised, as `image` was encoded from.
        image: Their state.

    Returns:
        `image` with `features` and `boxes` of the mirrored canvases; everything else is still of `image`.
    """
    boxes = _mirrored(image.boxes)
    return replace(image, features=network.image_encoder.glance_features(canvas.flip(-1), boxes), boxes=boxes)


def mirrored_grad_cam_pp(
    network: FusedNetwork,
    canvas: Tensor,
    image: ImageState,
    tokens: Tensor,
    *,
    target: int,
    score: Score = "logit",
    mirrored: ImageState | None = None,
) -> ReadOut:
    """`grad_cam_pp` with maps averaged over image and mirror image; everything else is of the image itself.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised, as `image` was encoded from.
        image: Their state.
        tokens: (B, F, d) field tokens.
        target: Index of the class.
        score: See `grad_cam_pp`.
        mirrored: From `mirrored_read`, where it is known.
    """
    other = mirrored_read(network, canvas, image) if mirrored is None else mirrored
    read = grad_cam_pp(network, image, tokens, target=target, score=score)
    again = grad_cam_pp(network, other, tokens, target=target, score=score)
    return replace(read, maps=(read.maps + again.maps.flip(-1)) / 2)
