"""What training measures of Grad-CAM++: maps of a cohort's cases, and the value a full colour scale stands for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.saliency import box_of, grad_cam_pp, on_canvas
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases
from mmxai_core.types import FloatMap


def case_maps(network: FusedNetwork, data: CohortArrays, known: Tensor, *, target: int) -> Iterator[FloatMap]:
    """Raw Grad-CAM++ of the class `target` for each case, as deployed: the model finds the lesion itself.

    Args:
        network: In evaluation mode.
        data: Cases, encoded with the network's schema.
        known: (N, F) bool: the fields offered.
        target: Class index.

    Yields:
        (cells, cells) float32 over the canvas.
    """
    cells, start = canvas_cells(network.arch), 0
    for state in encode_cases(network.image_encoder, data):
        stop = start + len(state.tokens)
        with torch.no_grad():
            tokens = network.encode_clinical(torch.from_numpy(data.values[start:stop]), known[start:stop])
        maps = grad_cam_pp(network, state, tokens, target=target).maps.numpy()
        for i, pair in enumerate(maps):
            yield on_canvas(pair, box_of(state, i), cells)
        start = stop


def saliency_reference(network: FusedNetwork, data: CohortArrays, *, target: int) -> float:
    """95th percentile of the map maxima over the cases, all fields known: the top of the colour scale."""
    peaks = [float(m.max()) for m in case_maps(network, data, torch.from_numpy(data.known), target=target)]
    return float(np.percentile(peaks, 95))
