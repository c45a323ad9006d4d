"""Where a case lies in the space the head reads: image, clinical data, and what the image took from the fields."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork


def fused_vectors(network: FusedNetwork, image: ImageState, values: Tensor, known: Tensor) -> NDArray[np.float32]:
    """(B, 3d) input of the head. One pass of the fusion.

    Args:
        network: The network.
        image: States of B images, or of one for all; `network.encode_image(None)`: no image.
        values: (B, F) encoded values.
        known: (B, F) bool.
    """
    with torch.no_grad():
        tokens = network.encode_clinical(values, known)
        sums = network.fusion.sums(network.fusion.field_terms(tokens, image))
        pooled = image.pooled.expand(len(tokens), -1)
        vectors: NDArray[np.float32] = network.fusion.context(pooled, sums, fields=tokens.shape[1]).cpu().numpy()
    return vectors


def block_scale(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 3d) -> (3d,): what to divide by so that image, clinical data and exchange have the same mean square length.

    A block that does not vary (no image, no field known) counts for nothing: infinity.
    """
    centred = (vectors - vectors.mean(0)).reshape(len(vectors), 3, -1)  # (N, 3, d)
    length = np.sqrt((centred**2).sum(2).mean(0))
    length = np.where(length > 1e-4 * max(float(length.max()), 1e-6), length, np.inf)
    scale: NDArray[np.float32] = np.repeat(length, centred.shape[2]).astype(np.float32)
    return scale
