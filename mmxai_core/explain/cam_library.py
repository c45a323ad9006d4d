"""CAM methods of pytorch-grad-cam on one glance, raw: for the choice of methods, beside our own Grad-CAM++.

The library hooks the model and scales every map to its own maximum. Here it runs on the predictor's worker only, its
hooks are released whatever happens, and its own map functions are called on what it hooked, without its scaling: values
keep the method's unit. What is part of a method stays: ScoreCAM scales each activation to [0, 1] to make a mask of it.
The library takes one input, so each glance is explained with the other's features held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmxai_core.explain.saliency import Score, cam, channel_weights, class_score
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork

LibraryMethod = Literal["grad_cam_pp", "grad_cam", "layer_cam", "eigen_cam", "score_cam"]
Layer = Literal["neck", "stride_16", "stride_8"]
#: Layers that can be read, in words.
LAYERS: dict[Layer, str] = {
    "neck": "stride-16 features after ReLU (CNN neck)",
    "stride_16": "stride-16 stage of the CNN (linear: features can be negative)",
    "stride_8": "stride-8 stage of the CNN (linear: features can be negative)",
}
#: Masked images ScoreCAM runs together; the library shows a progress bar of its own on stderr meanwhile.
SCORE_BATCH = 4


class GlanceNetwork(nn.Module):
    """The network as a function of one glance: (B, 1, S, S) -> (B, K) logits."""

    def __init__(self, network: FusedNetwork, state: ImageState, tokens: Tensor, glance: int) -> None:
        super().__init__()
        self.network, self.glance = network, glance
        self.neck = nn.Identity()  # a module to hook: the neck's ReLU is a function
        self._state, self._tokens = state, tokens
        self.eval()

    def layer(self, name: Layer) -> nn.Module:
        """The module whose output is explained."""
        if name == "neck":
            return self.neck
        cnn = self.network.image_encoder.cnn
        stage = cnn.feature_info.module_name()[-2 if name == "stride_16" else -3]
        found: nn.Module = cnn.get_submodule(stage)
        return found

    def forward(self, glance: Tensor) -> Tensor:
        """Logits of a batch of this glance, the other glance as it was."""
        b, state = len(glance), self._state
        encoder = self.network.image_encoder
        own = self.neck(encoder._cnn(glance)[0])
        other = state.features[:, 1 - self.glance].expand(b, -1, -1, -1)
        pair = torch.stack([own, other] if self.glance == 0 else [other, own], 1)
        image = encoder.read_features(
            pair, boxes=state.boxes.expand(b, -1), lesion_logits=state.lesion_logits.expand(b, -1, -1, -1)
        )
        return self.network.fuse(image, self._tokens.expand(b, -1, -1))[0].logits


def library_map(
    model: GlanceNetwork, glance: Tensor, *, method: LibraryMethod, layer: Layer, target: int, score: Score
) -> NDArray[np.float32]:
    """The raw map of one glance. On the worker; one pass with gradient, ScoreCAM one a channel (128 in the neck).

    Args:
        model: The network as a function of this glance.
        glance: (1, 1, S, S).
        method: Which CAM. "grad_cam_pp" takes the hooked features and gradients, but our exact weights.
        layer: Of which layer.
        target: Index of the class.
        score: What is differentiated.

    Returns:
        (g, g) float32 on the layer's grid, at least 0.
    """
    from pytorch_grad_cam import EigenCAM, GradCAM, LayerCAM, ScoreCAM  # slow to import, and seldom needed

    kinds = {"grad_cam": GradCAM, "layer_cam": LayerCAM, "eigen_cam": EigenCAM, "score_cam": ScoreCAM}
    where = model.layer(layer)
    explain = kinds.get(method, GradCAM)(model=model, target_layers=[where])

    def scored(logits: Tensor) -> Tensor:
        return class_score(logits, target, score)

    try:
        with torch.enable_grad():
            seen = glance.detach().clone().requires_grad_()
            torch.autograd.grad(scored(explain.activations_and_grads(seen)).sum(), seen)  # the hooks keep what passes
        hooked = explain.activations_and_grads
        features, gradient = hooked.activations[0], hooked.gradients[0]
        if method == "grad_cam_pp":
            positive = features.clamp_min(0)
            raw = cam(positive, channel_weights(positive, gradient))[0].numpy()
        elif method == "eigen_cam":
            raw = _oriented(features.numpy(), explain, glance, where, scored)
        else:
            explain.batch_size = SCORE_BATCH
            raw = explain.get_cam_image(glance, where, [scored], features.numpy(), gradient.numpy(), False)[0]
    finally:
        explain.activations_and_grads.release()
    shown: NDArray[np.float32] = np.maximum(raw, 0).astype(np.float32)
    return shown


def _oriented(
    features: NDArray[np.float32], explain: Callable[..., object], glance: Tensor, where: nn.Module,
    scored: Callable[[Tensor], Tensor],
) -> NDArray[np.float32]:  # fmt: skip
    """EigenCAM's first component has no sign of its own: it gets the one that goes with more activation."""
    raw = np.asarray(explain.get_cam_image(glance, where, [scored], features, features, False))[0]  # type: ignore[attr-defined]
    energy = np.abs(features[0]).sum(0)
    sign = float(((raw - raw.mean()) * (energy - energy.mean())).sum())
    return np.asarray(raw if sign >= 0 else -raw, np.float32)
