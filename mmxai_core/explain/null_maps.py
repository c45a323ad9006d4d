"""Maps that mean nothing: Grad-CAM++ of read-outs fitted to shuffled labels, for an absolute scale of saliency.

The null is a permutation test of what the network reads off its features. Everything up to the last linear layers (CNN,
Transformer, cross-attention, gate) stays as trained, so that a null map looks like a map. Those layers, whose outputs
are summed to the logits, are fitted again to the cohort's labels, all at once, by ridge regression; its strength is the
one that predicts left-out cases best, and one factor makes that refit as loud as the trained network (the same SD of
the logits). The null is the same fit, strength and factor with the labels shuffled among the cases: what this read-out
finds where labels mean nothing. Each null map is of the class its own read-out calls, as the page's map is. The peaks
of these maps over the cohort are the null distribution; a case's peak has a percentile among them, and what lies below
their 95th percentile is drawn blank.

What was tried and left: random read-outs scaled to the trained network's SD of the logits. The trained logits vary
along the few directions in which the features vary most; a random direction needs some sixty times larger weights for
the same SD, Grad-CAM++ grows with the gradient and so with the weights, and such maps were ten times as loud as any
real one: they measured the scaling. A refit on shuffled labels has weights of the trained ones' size and a smaller SD
of the logits, as a permutation test of a regression has. Permuting the entries of the trained weights, which keeps
their size exactly, gave nearly the same null.

Limits: the features were trained on these labels and stay; the null says nothing of them, nor of images unlike the
cohort's. It answers "more than this read-out finds in these features by chance?", not "is there a lesion?".

Sources: permutation test of a predictor, Ojala & Garriga 2010; randomisation of labels as a sanity check of maps,
Adebayo et al. 2018; p value, Phipson & Smyth 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmxai_core.errors import CohortError
from mmxai_core.explain.evidence_scale import LEVEL, Peaks
from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.saliency import Score, box_of, cam, channel_weights, class_score, on_canvas
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork

#: Of the largest feature: what differs by less is float32's rounding.
ROUNDING = 1e-5
#: Shuffles of the labels, each over the whole cohort.
DRAWS = 4
#: Penalties tried, over the mean eigenvalue of the Gram matrix.
STRENGTHS = tuple(float(s) for s in 10.0 ** np.arange(-3, 2.25, 0.25))
#: Quantiles of the peaks told in the account.
ACCOUNT_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Null peaks kept in a bundle: equally spaced quantiles of all of them.
KEPT = 1000


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


@dataclass(frozen=True, eq=False)
class Null:
    """What the null came to.

    Attributes:
        peaks: Peaks of the combined null maps, sorted; at most `KEPT`, as equally spaced quantiles; for the bundle's
            reference as "null_saliency_peaks".
        account: Plain values: "maps", "draws", "strength" (of the ridge), "left_out_error" (mean square, over the
            labels' variance), "logit_sd" and "weights" (norm) of the trained, refitted and null read-outs, "peaks"
            (quantiles of each), "above" (share of the trained network's maps above the null's `LEVEL`).
    """

    peaks: Peaks
    account: dict[str, float | int | dict[str, float] | dict[str, list[float]]]


def null_peaks(
    network: FusedNetwork,
    cases: Sequence[NullBatch],
    labels: NDArray[np.int64],
    *,
    score: Score = "logit",
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Null:
    """Measured once, on the cohort, after training. Costs about (draws + 4) read-outs with gradient a case.

    Args:
        network: In evaluation mode; not changed.
        cases: Batches on the network's device; up to some 250 cases say enough, and their features are held in memory.
        labels: (N,) class of each case, in order.
        score: What is differentiated.
        draws: Shuffles of the labels.
        seed: Of the shuffles.
        progress: Called with (batches done, all).

    Raises:
        CohortError: The cases are of one class, or the read-out does not tell one case from another.
    """
    with torch.no_grad():
        phi = torch.cat([read_out_inputs(network, c.state, c.tokens) for c in cases]).double().cpu()
    # Equal pictures differ by float32's rounding, by how many threads computed them; a read-out must not learn that.
    alike = float(_centred(phi).abs().max()) <= ROUNDING * float(phi.abs().max())
    trained = trained_read_out(network).double().cpu()
    ridge = _Ridge(phi, labels, classes=network.arch.classes)
    refit = ridge.fit(ridge.targets)
    loud = _centred(phi @ refit.T).std()
    if alike or not float(loud) > 1e-9:
        raise CohortError("The null of the saliency maps needs cases whose read-out differs with their label.")
    factor = _centred(phi @ trained.T).std() / loud
    generator = torch.Generator().manual_seed(seed)
    shuffled = [ridge.fit(ridge.targets[torch.randperm(len(phi), generator=generator)]) for _ in range(draws)]
    weights = [trained, refit * factor, *(w * factor for w in shuffled)]
    found: list[list[float]] = [[] for _ in weights]
    cells = canvas_cells(network.arch)
    for done, case in enumerate(cases, start=1):
        for peaks, maps in zip(found, _maps(network, case, weights, score=score), strict=True):
            peaks += [float(on_canvas(m, box_of(case.state, i), cells).max()) for i, m in enumerate(maps)]
        progress(done, len(cases))
    null = np.sort(np.concatenate(found[2:]))
    kinds = {"trained": weights[:1], "refitted": weights[1:2], "shuffled": weights[2:]}
    peaks_of = {"trained": np.array(found[0]), "refitted": np.array(found[1]), "shuffled": null}
    account: dict[str, Any] = {
        "maps": len(null), "draws": draws, "strength": ridge.strength, "left_out_error": ridge.error,
        "logit_sd": {k: float(np.mean([float(_centred(phi @ w.T).std()) for w in v])) for k, v in kinds.items()},
        "weights": {k: float(np.mean([float(w.norm()) for w in v])) for k, v in kinds.items()},
        "peaks": {k: np.quantile(v, ACCOUNT_QUANTILES).tolist() for k, v in peaks_of.items()},
        "above": float((peaks_of["trained"] > np.quantile(null, LEVEL)).mean()),
    }  # fmt: skip
    return Null(null if len(null) <= KEPT else np.quantile(null, np.linspace(0, 1, KEPT)), account)


def read_out_inputs(network: FusedNetwork, image: ImageState, tokens: Tensor) -> Tensor:
    """(B, D) what the last linear layers read: logits are a sum over D of weight x this, for weights of any value.

    The image head reads the image vector, the clinical head the fields' part of the fused vector, each times twice its
    branch weight; the joint head reads its hidden layer. A column of ones (or of the branch weight) stands for a bias.
    """
    fusion, d = network.fusion, network.arch.width
    terms = fusion.field_terms(tokens, image)
    context = fusion.context(image.pooled, fusion.sums(terms), fields=tokens.shape[1])
    gate = 2 * torch.softmax(fusion.gate(context), -1)
    return torch.cat([
        gate[:, :1] * image.pooled, gate[:, :1], gate[:, 1:] * context[:, d:], gate[:, 1:],
        fusion.joint[:-1](context), torch.ones_like(gate[:, :1]),
    ], 1)  # fmt: skip


def trained_read_out(network: FusedNetwork) -> Tensor:
    """(K, D) the weights with which `read_out_inputs` gives the network's own logits."""
    last = network.fusion.joint[-1]
    assert isinstance(last, nn.Linear)
    layers = (network.image_encoder.head, network.fusion.clinical_head, last)
    return torch.cat([torch.cat([layer.weight, layer.bias[:, None]], 1) for layer in layers], 1).detach()


class _Ridge:
    """Ridge regression of the classes (one indicator each) on the read-out's inputs, all centred.

    Attributes:
        targets: (N, K) indicators, centred.
        strength: Penalty, chosen among `STRENGTHS` x the mean eigenvalue of the inputs' Gram matrix by the error of
            left-out cases, in closed form (Allen 1974, PRESS).
        error: That error, over the targets' variance.
    """

    def __init__(self, phi: Tensor, labels: NDArray[np.int64], *, classes: int) -> None:
        self._x = phi - phi.mean(0)
        one = torch.nn.functional.one_hot(torch.from_numpy(np.asarray(labels, np.int64)), classes).double()
        self.targets = one - one.mean(0)
        if len(np.unique(labels)) < 2:
            raise CohortError("The null of the saliency maps needs cases of two classes; there is one.")
        values, self._vectors = torch.linalg.eigh(self._x @ self._x.T)
        self._values = values.clamp_min(0)
        n, mean = len(phi), max(float(self._values.mean()), 1e-12)
        errors = {}
        for part in STRENGTHS:
            kept = self._values / (self._values + part * mean)
            leverage = (self._vectors**2 @ kept) + 1 / n
            rest = (self.targets - self._vectors @ (kept[:, None] * (self._vectors.T @ self.targets))) / (
                1 - leverage.clamp_max(1 - 1e-9)
            )[:, None]
            errors[part * mean] = float((rest**2).mean() / (self.targets**2).mean())
        self.strength = min(errors, key=lambda k: errors[k])
        self.error = errors[self.strength]

    def fit(self, targets: Tensor) -> Tensor:
        """(N, K) targets, centred -> (K, D) weights."""
        inner = self._vectors @ ((self._vectors.T @ targets) / (self._values + self.strength)[:, None])
        weights: Tensor = (self._x.T @ inner).T
        return weights


def _centred(logits: Tensor) -> Tensor:
    """(N, K) logits without what a softmax does not see, and without their mean over cases."""
    free = logits - logits.mean(1, keepdim=True)
    return free - free.mean(0)


def _maps(
    network: FusedNetwork, case: NullBatch, weights: Sequence[Tensor], *, score: Score
) -> Iterator[NDArray[np.float32]]:
    """(B, 2, g, g) Grad-CAM++ maps of each read-out, mean of image and mirror image, of the class it calls."""
    sides = []
    for state in (case.state, case.mirror):
        features = state.features.detach().requires_grad_()
        with torch.enable_grad():
            image = network.image_encoder.read_features(
                features, boxes=state.boxes, lesion_logits=state.lesion_logits
            )  # fmt: skip
            sides.append((features, read_out_inputs(network, image, case.tokens)))
    for weight in weights:
        w = weight.to(sides[0][1])
        called: Tensor | None = None
        found = []
        for features, phi in sides:
            with torch.enable_grad():
                logits = phi @ w.T
                called = logits.argmax(1, keepdim=True) if called is None else called
                scores = torch.stack([class_score(logits, k, score) for k in range(logits.shape[1])], 1)
                (gradient,) = torch.autograd.grad(scores.gather(1, called).sum(), features, retain_graph=True)
            plain = features.detach()
            found.append(cam(plain, channel_weights(plain, gradient)))
        yield ((found[0] + found[1].flip(-1)) / 2).cpu().numpy()
