"""An absolute scale for saliency: how strong is a map against maps whose weights mean nothing?

The null: everything that reads the features (Transformer, pooling, heads, fusion) is replaced by random weights (see
`mmxai_core.explain.randomisation`), while the features stay the trained CNN's, so that a null map looks like a map. A
random read-out has its own loudness, and a map is in units of the logit: each null's gradient is scaled so that its
logit varies over the cohort as much as the trained network's does. The peaks of these maps over the cohort are the null
distribution; a case's peak then has a percentile among them, and what lies below their 95th percentile is drawn blank.

This is the model-randomisation null of Adebayo et al. 2018 turned into a permutation-style test (Phipson & Smyth 2010
for the p value). It answers "more than a meaningless read-out of the same features?", not "is there a lesion?".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.randomisation import randomise, stage_modules
from mmxai_core.explain.saliency import Score, box_of, cam, channel_weights, class_score, on_canvas
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.results import ReliabilityNumber
from mmxai_core.results.strip import EvidenceScale

#: Random read-outs, each over the whole cohort.
DRAWS = 4
#: Null peaks kept in a bundle: equally spaced quantiles of all of them.
KEPT = 1000
#: A map below this percentile of the null is drawn blank, and a case above it counts as evidence.
LEVEL = 0.95
NAME = "Strength of the evidence (percentile of maps without meaning)"

Peaks = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NullBatch:
    """Cases the null is measured on.

    Attributes:
        state: Their image states; `block_attention` may be left out.
        mirror: States of their mirror images, as `mmxai_core.explain.mirror.mirrored_state` gives them: the map shown
            is averaged over both.
        tokens: (B, F, d) field tokens from `encode_clinical`.
    """

    state: ImageState
    mirror: ImageState
    tokens: Tensor


def null_peaks(
    network: FusedNetwork,
    cases: Sequence[NullBatch],
    *,
    target: int,
    score: Score = "logit",
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Peaks:
    """Measured once, on the cohort, after training. Costs about 1 x (draws + 1) forward passes a case.

    Args:
        network: In evaluation mode; not changed.
        cases: Batches on the network's device; up to some 250 cases say enough, and their features are held in memory.
        target: Index of the class.
        score: What is differentiated.
        draws: Random read-outs.
        seed: Of the random weights.
        progress: Called with (read-outs done, all).

    Returns:
        Peaks of the combined null maps, sorted; at most `KEPT`, as equally spaced quantiles; for the bundle's
        reference as "null_saliency_peaks".
    """
    trained = np.concatenate([_values(network, c.state, c.tokens, target=target, score=score) for c in cases])
    cells, generator = canvas_cells(network.arch), torch.Generator().manual_seed(seed)
    peaks: list[float] = []
    for draw in range(draws):
        model = copy.deepcopy(network)
        for depth in (0, 1):
            randomise(stage_modules(model, depth), generator)
        found = [
            [_gradient(model, s, c.tokens, target=target, score=score) for s in (c.state, c.mirror)] for c in cases
        ]
        spread = float(np.concatenate([own[0] for own, _ in found]).std())
        loudness = float(trained.std()) / spread if spread > 1e-9 else 0.0
        for case, gradients in zip(cases, found, strict=True):
            own, other = (
                cam(s.features, channel_weights(s.features, g * loudness))
                for s, (_, g) in zip((case.state, case.mirror), gradients, strict=True)
            )
            maps = ((own + other.flip(-1)) / 2).cpu().numpy()
            peaks += [float(on_canvas(m, box_of(case.state, i), cells).max()) for i, m in enumerate(maps)]
        progress(draw + 1, draws)
    ordered = np.sort(np.array(peaks))
    return ordered if len(ordered) <= KEPT else np.quantile(ordered, np.linspace(0, 1, KEPT))


def evidence_scale(peaks: Peaks, *, reference: float) -> EvidenceScale:
    """The scale of a bundle; costs nothing.

    Args:
        peaks: What `null_peaks` gave.
        reference: The bundle's `saliency_reference`.
    """
    return EvidenceScale(float(np.quantile(peaks, LEVEL)), reference, len(peaks))


def null_percentile(peak: float, peaks: Peaks) -> float:
    """1 - p of a map's peak, p = (1 + nulls at least as high) / (1 + nulls) (Phipson & Smyth 2010); in [0, 1)."""
    return 1 - (1 + int((peaks >= peak).sum())) / (1 + len(peaks))


def evidence_strength(peak: float, peaks: Peaks | None) -> ReliabilityNumber:
    """The strength of one case's map on the absolute scale; costs nothing.

    Args:
        peak: Largest value of the case's combined map.
        peaks: The bundle's null peaks; None: never measured.
    """
    if peaks is None or not len(peaks):
        value, verdict = None, "Could not be computed: this bundle has no maps without meaning to compare with."
        source = "not measured for this bundle"
    else:
        value = null_percentile(peak, peaks)
        source = f"peak of the map against {len(peaks)} maps of the training images read by random weights"
        if value >= LEVEL:
            verdict = f"The map is stronger than {value:.0%} of maps that mean nothing."
        else:
            verdict = f"No more than chance: only {value:.0%} of maps that mean nothing are weaker. Ignore it."
    return ReliabilityNumber(NAME, value, LEVEL, True, verdict, source)


def _gradient(
    network: FusedNetwork, state: ImageState, tokens: Tensor, *, target: int, score: Score
) -> tuple[NDArray[np.float64], Tensor]:
    """(B,) score and (B, 2, d, g, g) gradient with respect to the features."""
    features = state.features.detach().requires_grad_()
    with torch.enable_grad():
        image = network.image_encoder.read_features(features, boxes=state.boxes, lesion_logits=state.lesion_logits)
        value = class_score(network.fuse(image, tokens)[0].logits, target, score)
        (gradient,) = torch.autograd.grad(value.sum(), features)
    return value.detach().double().cpu().numpy(), gradient


def _values(
    network: FusedNetwork, state: ImageState, tokens: Tensor, *, target: int, score: Score
) -> NDArray[np.float64]:
    with torch.no_grad():
        value = class_score(network.fuse(state, tokens)[0].logits, target, score)
    scored: NDArray[np.float64] = value.double().cpu().numpy()
    return scored
