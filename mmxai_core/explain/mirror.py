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


@torch.no_grad()
def mirrored_state(network: FusedNetwork, canvas: Tensor, image: ImageState) -> ImageState:
    """The state of the mirrored canvases, the second glance at the mirrored place. One forward pass an image.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised, as `image` was encoded from.
        image: Their state.
    """
    boxes = torch.cat([1 - image.boxes[:, :1], image.boxes[:, 1:]], 1)
    return network.encode_image(canvas.flip(-1), boxes=boxes)


def mirrored_grad_cam_pp(
    network: FusedNetwork, canvas: Tensor, image: ImageState, tokens: Tensor, *, target: int, score: Score = "logit"
) -> ReadOut:
    """`grad_cam_pp` with maps averaged over image and mirror image; everything else is of the image itself.

    Args:
        network: In evaluation mode.
        canvas: (B, 1, S, S) standardised, as `image` was encoded from.
        image: Their state.
        tokens: (B, F, d) field tokens.
        target: Index of the class.
        score: See `grad_cam_pp`.
    """
    read = grad_cam_pp(network, image, tokens, target=target, score=score)
    other = grad_cam_pp(network, mirrored_state(network, canvas, image), tokens, target=target, score=score)
    return replace(read, maps=(read.maps + other.maps.flip(-1)) / 2)
