"""Numbers that say how far an explanation can be trusted, each with its threshold and a verdict in plain words.

Each function makes `ReliabilityNumber`s from what was measured and costs no forward pass; `mmxai_core.explain.strip`
measures and puts them in order. A threshold comes from the bundle's cohort where it was measured, and `computed_from`
says so; see `mmxai_core.explain.thresholds`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from mmxai_core.explain.perturb import DEGREES, NOISE_SD, NOISY, Perturbed
from mmxai_core.explain.thresholds import Threshold, Thresholds
from mmxai_core.results import MAX_RESIDUAL, Attribution, ReliabilityNumber
from mmxai_core.types import FloatArray, FloatMap, Mask

#: No bundle: general thresholds.
NONE_MEASURED = Thresholds({})


def additivity(attributions: Sequence[Attribution]) -> ReliabilityNumber:
    """Largest absolute residual of the Shapley accounts."""
    worst = max(abs(a.residual) for a in attributions)
    good = not any(a.withheld for a in attributions)
    return ReliabilityNumber(
        name="Additivity residual",
        value=worst,
        threshold=MAX_RESIDUAL,
        higher_is_better=False,
        verdict="The contributions add up to the prediction."
        if good
        else "The contributions do not add up to the prediction: they are not shown.",
        computed_from=f"{attributions[0].coalitions} coalitions of inputs and the network's own output",
    )


def map_stability(
    original: FloatMap, copies: Sequence[FloatMap], perturbed: Perturbed, *, thresholds: Thresholds = NONE_MEASURED
) -> tuple[ReliabilityNumber, ...]:
    """Mean SSIM (Wang et al. 2004) of the combined Grad-CAM++ map under noise, and under shift and rotation.

    The dynamic range is the original map's maximum. An empty map has no structure to compare: value None.

    Args:
        original: (h, w) map of the unchanged image.
        copies: The maps of the copies, in the order of `perturbed`.
        perturbed: How the copies were made.
        thresholds: The bundle's.
    """
    scores = [_ssim(*perturbed.same_place(original, c, i)) for i, c in enumerate(copies)]
    noise = f"{NOISY} copies with {100 * NOISE_SD:.0f} % Gaussian noise"
    shift = (
        f"{len(scores) - NOISY} copies moved by {100 / perturbed.cells:.1f} % of the image's longer side or turned by "
        f"{DEGREES:g} degrees"
    )
    return (
        _stability("Map stability under noise (SSIM)", scores[:NOISY], thresholds.of("ssim_noise"), "map", noise),
        _stability(
            "Map stability under small movements (SSIM)", scores[NOISY:], thresholds.of("ssim_shift"), "map", shift
        ),
    )


def attribution_stability(
    original: FloatArray, copies: Sequence[FloatArray], *, how: str, thresholds: Thresholds = NONE_MEASURED
) -> tuple[ReliabilityNumber, ...]:
    """Mean Pearson correlation of the Shapley values with those of the copies, under noise and under movements.

    Needs three players at least: with two, a correlation is always 1 or -1.

    Args:
        original: (P,) values of the unchanged image.
        copies: The values of each copy, noisy ones first.
        how: How the values were estimated, in words.
        thresholds: The bundle's.
    """
    scores = [_pearson(original, c) for c in copies]
    return tuple(
        _stability(
            f"Attribution stability under {name} (Pearson)", part, thresholds.of(key), "account", f"{how}, {name}"
        )
        for name, key, part in (
            ("noise", "pearson_noise", scores[:NOISY]), ("small movements", "pearson_shift", scores[NOISY:])
        )
    )  # fmt: skip


def evidence_inside(
    saliency: FloatMap, region: Mask, *, content: Mask, name: str, where: str, thresholds: Thresholds = NONE_MEASURED
) -> ReliabilityNumber:
    """Part of the Grad-CAM++ map's sum that lies in a region.

    Args:
        saliency: (h, w) on the canvas grid.
        region: (h, w) bool.
        content: (h, w) bool: cells that hold image, not padding.
        name: Name of the number.
        where: The region in words, e.g. "the model's lesion region".
        thresholds: The bundle's.
    """
    threshold = thresholds.of("inside_lesion")
    inside_image = saliency * content
    total = float(inside_image.sum())
    value = float((inside_image * region).sum()) / total if total > 0 else None
    area = float((region & content).sum() / max(content.sum(), 1))
    if value is None:
        verdict = "Could not be computed: the map is empty."
    elif value >= threshold.value:
        verdict = f"{100 * value:.0f} % of the evidence lies in {where}, which covers {100 * area:.0f} % of the image."
    else:
        verdict = (
            f"Only {100 * value:.0f} % of the evidence lies in {where}, which covers {100 * area:.0f} % of the image."
        )
    return ReliabilityNumber(
        name, value, threshold.value, True, verdict, f"Grad-CAM++ map and {where}; {threshold.source}"
    )


def lesion_region(probability: FloatMap) -> Mask:
    """(h, w) lesion probability -> the component with most mass among cells above half of the maximum.

    The rule by which `mmxai_core.model.glance.find_boxes` finds the lesion on the whole canvas, before the box is drawn
    around it. An architecture that refines its box looks once more, so that its second glance may lie closer.
    """
    labels, count = ndimage.label(probability > 0.5 * probability.max())
    if count == 0:
        return np.zeros(probability.shape, np.bool_)
    mass = ndimage.sum_labels(probability, labels, range(1, count + 1))
    region: Mask = labels == int(np.argmax(mass)) + 1
    return region


def box_region(box: tuple[float, float, float, float], cells: int, canvas: int) -> Mask:
    """(x0, y0, x1, y1) in canvas pixels -> (cells, cells) bool: cells whose centre is inside."""
    centre = (np.arange(cells) + 0.5) / cells * canvas
    region: Mask = ((centre >= box[1]) & (centre < box[3]))[:, None] & ((centre >= box[0]) & (centre < box[2]))[None]
    return region


def _stability(
    name: str, scores: Sequence[float | None], threshold: Threshold, what: str, source: str
) -> ReliabilityNumber:
    known = [s for s in scores if s is not None]
    value = float(np.mean(known)) if known and len(known) == len(scores) else None
    if value is None:
        nothing = "the map is empty" if what == "map" else "it needs at least three inputs that differ"
        verdict = f"Could not be computed: {nothing}."
    elif value >= threshold.value:
        verdict = f"The {what} stays much the same when the image changes slightly."
    else:
        verdict = f"The {what} changes when the image changes slightly: read it with caution."
    return ReliabilityNumber(name, value, threshold.value, True, verdict, f"{source}; {threshold.source}")


def _ssim(a: FloatMap, b: FloatMap) -> float | None:
    top = float(a.max())
    return float(structural_similarity(a, b, data_range=top)) if top > 0 else None


def _pearson(a: FloatArray, b: FloatArray) -> float | None:
    x: NDArray[np.float64] = np.asarray(a, np.float64)
    y: NDArray[np.float64] = np.asarray(b, np.float64)
    if len(x) < 3 or min(x.std(), y.std()) < 1e-9:
        return None
    return float(np.corrcoef(x, y)[0, 1])
