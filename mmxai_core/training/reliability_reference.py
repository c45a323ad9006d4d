"""What a bundle carries for its reliability numbers: the cohort's thresholds and the null of the saliency maps.

For `mmxai_core.training.enrich`: the names under which the reference keeps them are in
`mmxai_core.explain.strip_reference`, which reads them back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmxai_core.explain.mirror import mirrored_state
from mmxai_core.explain.null_maps import DRAWS, Null, NullBatch, null_peaks
from mmxai_core.explain.strip import measure_strip, read_strip
from mmxai_core.explain.strip_case import StripSettings, prepare_case
from mmxai_core.explain.thresholds import measure_thresholds
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.training.data import CohortArrays, standardise_batch
from mmxai_core.training.image_stage import encode_cases, make_batch
from mmxai_core.types import Json

#: Cases the strip runs over: each costs some 40 forward passes.
STRIP_CASES = 64
#: Cases the null is measured on: each costs some eight read-outs with gradient.
NULL_CASES = 256
#: Images encoded together.
BATCH = 8
Progress = Callable[[int, int], None]


def sample(data: CohortArrays, *, most: int, seed: int) -> NDArray[np.int64]:
    """Sorted indices of at most `most` cases, drawn evenly at random."""
    drawn: NDArray[np.int64] = np.sort(np.random.default_rng(seed).permutation(len(data))[:most])
    return drawn


def reliability_thresholds(
    network: FusedNetwork, data: CohortArrays, *, settings: StripSettings, most: int = STRIP_CASES,
    progress: Progress = lambda done, total: None,
) -> Json:  # fmt: skip
    """The cohort's distribution of every reliability number, all its known fields known.

    Args:
        network: In evaluation mode, on the CPU.
        data: Cases, encoded with the bundle's schema.
        settings: How they are tested; `exact=False` is quick and close. The class explained is each case's most
            probable one, as on the page; `settings.target` is not read.
        most: Most cases.
        progress: Called with (cases done, all).

    Returns:
        What `measure_thresholds` gives: the entry "reliability_thresholds".
    """
    index = sample(data, most=most, seed=settings.seed)
    rows = []
    for done, i in enumerate(index, start=1):
        one = data.take(index[done - 1 : done])
        (state,) = encode_cases(network.image_encoder, one)
        grey, geometry = canvas_image(data, int(i))
        values, known = torch.from_numpy(one.values), torch.from_numpy(one.known)
        with torch.no_grad():
            called = int(network.fuse(state, network.encode_clinical(values, known))[0].logits.argmax())
        case = prepare_case(
            network, grey, geometry, state, values, known, settings=replace(settings, target=called)
        )  # fmt: skip
        rows.append(read_strip(measure_strip(network, case)).values())
        progress(done, len(index))
    return measure_thresholds(rows)


def null_saliency(
    network: FusedNetwork, data: CohortArrays, *, most: int = NULL_CASES, draws: int = DRAWS, seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Null:  # fmt: skip
    """Peaks of maps without meaning, over the cohort: the array "null_saliency_peaks/peaks", and its account.

    Args:
        network: In evaluation mode, on the CPU; not changed.
        data: Cases, encoded with the bundle's schema; all their known fields count as known.
        most: Most cases.
        draws: Shuffles of the labels.
        seed: Of the shuffles and the sample.
        progress: Called with (batches done, all), first while they are encoded, then while they are mapped.

    Raises:
        CohortError: The cases are of one class.
    """
    index = sample(data, most=most, seed=seed)
    starts = range(0, len(index), BATCH)
    cases = []
    for done, start in enumerate(starts, start=1):  # batch by batch: attention maps are large, and are not needed
        part = data.take(index[start : start + BATCH])
        (read,) = encode_cases(network.image_encoder, part, batch=BATCH)
        state = replace(read, block_attention=())
        del read
        plain = make_batch(part, range(len(part)))
        mirror = mirrored_state(network, standardise_batch(plain.grey, plain.content), state)
        with torch.no_grad():
            tokens = network.encode_clinical(torch.from_numpy(part.values), torch.from_numpy(part.known))
        cases.append(NullBatch(state, replace(mirror, block_attention=()), tokens))
        progress(done, 2 * len(starts))
    return null_peaks(
        network, cases, data.labels[index], draws=draws, seed=seed,
        progress=lambda done, total: progress(total + done, 2 * total),
    )  # fmt: skip


def canvas_image(data: CohortArrays, index: int) -> tuple[NDArray[np.float32], CanvasGeometry]:
    """One case's image as it lies on its canvas -> (grey in [0, 1], geometry without scaling)."""
    y, x, rows, cols = (int(v) for v in data.content[index])
    side = data.grey.shape[-1]
    grey = data.grey[index][y : y + rows, x : x + cols].astype(np.float32) / 255
    return grey, CanvasGeometry((rows, cols), side, (rows, cols), (y, x))
