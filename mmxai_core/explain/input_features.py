"""What an input check measures of an image: numbers of the picture, and the CNN's mean features of both glances."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain.image_statistics import image_statistics
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.types import FloatMap, GreyImage

PICTURE, WHOLE, LESION = "picture", "whole glance", "lesion glance"
#: Added before the log: mean activations of a ReLU stage are mostly near 0.
_FLOOR = 1e-2


def glance_vectors(features: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(B, 2, d, g, g) ReLU features -> log mean activation of the whole and of the lesion glance, (B, d) each."""
    mean = torch.log(features.detach().double().mean((-1, -2)) + _FLOOR).cpu().numpy()
    return mean[:, 0], mean[:, 1]


def canvas_grey(grey: GreyImage, geometry: CanvasGeometry) -> FloatMap:
    """(S, S) letterboxed display grey in [0, 1], rounded to 8 bits as in training."""
    canvas: FloatMap = np.round(geometry.to_canvas(grey) * 255).astype(np.float32) / np.float32(255)
    return canvas


def picture_vector(canvas: FloatMap, geometry: CanvasGeometry) -> NDArray[np.float64]:
    """The picture's numbers, padding left out."""
    (y, x), (rows, cols) = geometry.offset, geometry.content
    return content_vector(canvas, (y, x, rows, cols))


def content_vector(canvas: FloatMap, content: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """The same for a training array's canvas and its (y0, x0, rows, cols); a strip thinner than 32 pixels is widened.

    Args:
        canvas: (S, S) display grey in [0, 1].
        content: Where the image lies on it.
    """
    y, x, rows, cols = content
    part = canvas[y : y + rows, x : x + cols]
    repeat = (-(-32 // rows), -(-32 // cols))
    return image_statistics(np.tile(part, repeat) if max(repeat) > 1 else part)
