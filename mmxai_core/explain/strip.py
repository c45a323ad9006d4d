"""The reliability strip of one case: measured on the worker in a few batched passes, then read against thresholds.

Cost: about `PASSES` forward passes in all (copies 15, deletion and insertion 25, cascade 10); everything else is read
from what is cached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain import deletion, randomisation
from mmxai_core.explain.coalition import CoalitionHead
from mmxai_core.explain.coherence import agreement, attention_overlap
from mmxai_core.explain.evidence_scale import Peaks, evidence_strength
from mmxai_core.explain.faithfulness import cascade_number, coherence_numbers, curve_numbers, removal_number
from mmxai_core.explain.field_removal import TOP, field_removal, from_head
from mmxai_core.explain.grids import canvas_cells
from mmxai_core.explain.perturb import NOISY, ROTATED, SHIFTED, perturb
from mmxai_core.explain.reliability import (
    NONE_MEASURED,
    attribution_stability,
    evidence_inside,
    lesion_region,
    map_stability,
)
from mmxai_core.explain.rollout import attention_on_canvas
from mmxai_core.explain.saliency import ReadOut, Score, box_of, on_canvas
from mmxai_core.explain.stability import CopyExplanations, explain_copies
from mmxai_core.explain.thresholds import Thresholds
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry, standardise
from mmxai_core.results import ReliabilityNumber
from mmxai_core.results.strip import CascadeStep, DeletionCurves, FieldRemoval, ReliabilityStrip
from mmxai_core.types import FloatMap, GreyImage, Mask

#: Forward passes that `measure_strip` costs, about; with its mirror image and both gradients, a copy costs 2.5.
PASSES = deletion.PASSES + randomisation.PASSES + round(2.5 * (NOISY + SHIFTED + ROTATED))


@dataclass(frozen=True, eq=False)
class StripImage:
    """The image whose explanation is tested.

    Attributes:
        grey: (H, W) display grey in [0, 1].
        geometry: How it lies on the canvas.
        state: Its state, a batch of one, on the network's device.
        read: Its differentiated pass.
        drawn: Whether the reader drew the second glance; then it stays with each copy.
        mirrored: Whether `read` averages its maps over image and mirror image; the strip's maps then do too.
    """

    grey: GreyImage
    geometry: CanvasGeometry
    state: ImageState
    read: ReadOut
    drawn: bool
    mirrored: bool = False


@dataclass(frozen=True, eq=False)
class StripCase:
    """What is tested.

    Attributes:
        image: None: clinical data only; then only the removal of fields is measured.
        values: (1, F) encoded values, on the network's device.
        known: (1, F) bool.
        fields: All field ids in schema order.
        head: The case's coalitions, with the whole image as one player.
        contributions: (P,) Shapley values of the head's players, log-odds.
        target: Index of the class explained.
        score: What Grad-CAM++ differentiates.
        temperature: Logits are divided by it.
        seed: Of every random number.
    """

    image: StripImage | None
    values: Tensor
    known: Tensor
    fields: tuple[str, ...]
    head: CoalitionHead
    contributions: NDArray[np.float64]
    target: int
    score: Score
    temperature: float
    seed: int


@dataclass(frozen=True, eq=False)
class ImageEvidence:
    """What was measured of the image, on the CPU.

    Attributes:
        grid: (c, c) combined Grad-CAM++ map on the canvas grid.
        content: (c, c) bool: cells that hold image.
        lesion: (c, c) bool: the model's lesion region.
        copies: Explanations of perturbed copies.
        curves: None where the map is empty.
        cascade: From the output down.
        overlap: Of the fields' attention with the map; None where undefined.
    """

    grid: FloatMap
    content: Mask
    lesion: Mask
    copies: CopyExplanations
    curves: DeletionCurves | None
    cascade: tuple[CascadeStep, ...]
    overlap: float | None


@dataclass(frozen=True, eq=False)
class StripEvidence:
    """What was measured.

    Attributes:
        image: None without an image.
        removal: None with too few known fields.
        agreement: Of image and fields; None without one of them.
        seconds: Wall time by step.
    """

    image: ImageEvidence | None
    removal: FieldRemoval | None
    agreement: float | None
    seconds: Mapping[str, float]


def measure_strip(
    network: FusedNetwork,
    case: StripCase,
    *,
    check: Callable[[], None] = lambda: None,
    step: Callable[[str, float], None] = lambda name, part: None,
) -> StripEvidence:
    """Runs on the predictor's worker; costs about `PASSES` forward passes, or none without an image.

    Args:
        network: The network.
        case: What is tested.
        check: Called between batches; may raise to end the work.
        step: Called with what comes next, in plain words, and the part done.
    """
    seconds: dict[str, float] = {}
    image = None if case.image is None else _measure_image(network, case, case.image, seconds, check=check, step=step)
    with _timed(seconds, "removal"):
        removal = field_removal(
            from_head(case.head, target=case.target, temperature=case.temperature), case.head.players,
            case.contributions, fields=case.fields,
        )  # fmt: skip
    return StripEvidence(image, removal, agreement(case.head.players, case.contributions, fields=case.fields), seconds)


def read_strip(
    evidence: StripEvidence, *, thresholds: Thresholds = NONE_MEASURED, null: Peaks | None = None
) -> ReliabilityStrip:
    """The numbers with their thresholds and verdicts; costs nothing.

    Args:
        evidence: What was measured.
        thresholds: The bundle's.
        null: The bundle's null peaks (see `mmxai_core.explain.evidence_scale`), or None.
    """
    numbers: dict[str, ReliabilityNumber] = {}
    image = evidence.image
    if image is not None:
        copies = image.copies
        numbers["evidence"] = evidence_strength(float(image.grid.max()), null)
        numbers["ssim_noise"], numbers["ssim_shift"] = map_stability(
            image.grid, copies.maps, copies.perturbed, thresholds=thresholds
        )
        numbers["pearson_noise"], numbers["pearson_shift"] = attribution_stability(
            copies.original, copies.copies, how=copies.how, thresholds=thresholds
        )
        numbers["deletion_gain"], numbers["insertion_gain"] = curve_numbers(image.curves, thresholds=thresholds)
    numbers["field_gain"] = removal_number(evidence.removal, top=TOP, thresholds=thresholds)
    if image is not None:
        numbers["randomisation"] = cascade_number(image.cascade, thresholds=thresholds)
        numbers["agreement"], numbers["attention_overlap"] = coherence_numbers(
            evidence.agreement, image.overlap, thresholds=thresholds
        )
        numbers["inside_lesion"] = evidence_inside(
            image.grid, image.lesion, content=image.content, name="Evidence inside the lesion region",
            where="the model's lesion region", thresholds=thresholds,
        )  # fmt: skip
    return ReliabilityStrip(
        tuple(numbers.values()), image.curves if image else None, evidence.removal, image.cascade if image else (),
        tuple(numbers), evidence.seconds,
    )  # fmt: skip


def _measure_image(
    network: FusedNetwork, case: StripCase, image: StripImage, seconds: dict[str, float], *,
    check: Callable[[], None], step: Callable[[str, float], None],
) -> ImageEvidence:  # fmt: skip
    cells, state = canvas_cells(network.arch), image.state
    maps = image.read.maps[0].cpu().numpy()
    grid = on_canvas(maps, box_of(state), cells)
    padding = image.geometry.content_mask()
    canvas, content = (
        torch.from_numpy(a)[None, None].to(case.values.device)
        for a in (standardise(image.geometry.to_canvas(image.grey), padding), padding)
    )
    with torch.no_grad():
        tokens = network.encode_clinical(case.values, case.known)
    step("Testing how stable the explanation is", 0.0)
    with _timed(seconds, "stability"):
        perturbed = perturb(image.grey, image.geometry, cells=cells, rng=np.random.default_rng(case.seed))
        copies = explain_copies(
            network, case.head, perturbed, case.values, case.known, fields=case.fields,
            boxes=perturbed.boxes(box_of(state)) if image.drawn else None, target=case.target, score=case.score,
            temperature=case.temperature, seed=case.seed, check=check, mirrored=image.mirrored,
        )  # fmt: skip
    step("Testing whether the marked regions matter", 0.25)
    with _timed(seconds, "deletion"):
        curves = deletion.deletion_curves(
            network, canvas, state, tokens, grid=grid, content=content, target=case.target,
            temperature=case.temperature, seed=case.seed, check=check,
        )  # fmt: skip
    step("Testing the map with random weights", 0.85)
    with _timed(seconds, "randomisation"):
        cascade = randomisation.weight_randomisation(
            network, canvas, state, tokens, maps=maps, target=case.target, score=case.score, seed=case.seed,
            check=check, mirrored=image.mirrored,
        )  # fmt: skip
    inside = deletion.content_cells(content, cells)
    return ImageEvidence(
        grid, inside, lesion_region(torch.sigmoid(state.lesion_logits[0, 0]).cpu().numpy()), copies, curves, cascade,
        _overlap(case, image, grid, inside),
    )  # fmt: skip


def _overlap(case: StripCase, image: StripImage, grid: FloatMap, content: Mask) -> float | None:
    known = case.known[0].cpu().numpy()
    if not known.any():
        return None
    attention = image.read.terms.attention[0].mean(0).cpu().numpy()[known]
    looked = attention_on_canvas(attention, box_of(image.state), grid.shape[0])
    named = {p: abs(float(v)) for p, v in zip(case.head.players, case.contributions, strict=True)}
    weights = np.array([named[f] for f, k in zip(case.fields, known, strict=True) if k])
    return attention_overlap(grid, looked, weights, content)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
