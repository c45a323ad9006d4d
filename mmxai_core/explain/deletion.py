"""Deletion and insertion: does the prediction depend on the places the map points to, more than on random places?

*Deleting* a region replaces its pixels by a strongly blurred copy of the same image, with soft edges. Pixels, not
tokens: a token's neighbours know of it through the CNN and the Transformer, and a reader takes the map as a claim about
the image. Blurred, not black: a black patch is a new lesion in ultrasound; the blur keeps the local brightness. What a
blurred patch does by itself is the same for the random regions, which have the same areas and shapes: they are the
map's own, mirrored and moved (wrapping around the image's edges).

The second glance stays where the original's was, so that only the pixels change.

Sources: Petsiuk et al. 2018 (RISE); Samek et al. 2017 (random order as the baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mmxai_core.explain.coalition import log_odds
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.results.strip import DeletionCurves
from mmxai_core.types import FloatMap, Mask

#: Parts of the image deleted; three keep the strip within 60 passes, and beyond the last little is said of a lesion.
FRACTIONS = (0.05, 0.15, 0.4)
#: Random regions of each size.
RANDOM = 3
#: SD of the blur, part of the canvas's side.
BLUR = 1 / 8
#: Images in one pass; *measured*: larger batches leave the processor's cache and cost more an image.
BATCH = 4
HOW = (
    f"pixels replaced by a copy blurred with an SD of {100 * BLUR:.1f} % of the image's longer side; "
    f"{RANDOM} random regions of the same areas and shapes"
)
#: Forward passes that `deletion_curves` costs: map and random regions, deleted and inserted, and the blurred image.
PASSES = 2 * len(FRACTIONS) * (1 + RANDOM) + 1


def strongest_regions(
    grid: FloatMap, content: Mask, *, rng: np.random.Generator, random: int = RANDOM
) -> NDArray[np.bool_]:
    """The map's strongest cells and random regions of the same areas and shapes.

    Args:
        grid: (c, c) map on the canvas grid, at least 0. Ties (cells without evidence) go to the cells nearest to it.
        content: (c, c) bool: cells that hold image; a filled rectangle.
        rng: Moves and mirrors.
        random: How many random regions.

    Returns:
        (1 + random, n, c, c) bool, n of `FRACTIONS`; the first is the map's own.
    """
    rows, cols = np.flatnonzero(content.any(1)), np.flatnonzero(content.any(0))
    window = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    inside = grid[window].astype(np.float64)
    near = ndimage.gaussian_filter(inside, max(inside.shape) / 8)
    order = np.lexsort((near.ravel(), inside.ravel()))[::-1]
    place = np.argsort(order).reshape(inside.shape)  # 0 for the strongest cell
    places = [place]
    for _ in range(random):
        flipped = place[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        down, right = rng.integers(inside.shape).tolist()
        places.append(np.roll(flipped, (down, right), (0, 1)))
    out = np.zeros((1 + random, len(FRACTIONS), *grid.shape), np.bool_)
    for i, p in enumerate(places):
        for j, part in enumerate(FRACTIONS):
            out[i, j][window] = p < round(part * p.size)
    return out


def content_cells(content: Tensor, cells: int) -> Mask:
    """(1, 1, S, S) content mask -> (cells, cells) bool: cells that are image for more than half."""
    inside: Mask = F.adaptive_avg_pool2d(content, cells)[0, 0].cpu().numpy() > 0.5
    return inside


def blurred(canvas: Tensor, content: Tensor) -> Tensor:
    """(1, 1, S, S) canvas and content mask -> the canvas blurred within its content; padding stays 0."""
    side = canvas.shape[-1]
    cells = max(16, side // 8)
    small = F.interpolate(torch.cat([canvas * content, content]), size=(cells, cells), mode="area")
    soft = ndimage.gaussian_filter(small.double().cpu().numpy(), (0, 0, BLUR * cells, BLUR * cells), mode="constant")
    mean = torch.from_numpy(soft[:1] / np.maximum(soft[1:], 1e-6)).to(canvas)
    return F.interpolate(mean, size=(side, side), mode="bilinear", align_corners=False) * content


def deletion_curves(
    network: FusedNetwork,
    canvas: Tensor,
    state: ImageState,
    tokens: Tensor,
    *,
    grid: FloatMap,
    content: Tensor,
    target: int,
    temperature: float,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> DeletionCurves | None:
    """Runs on the predictor's worker; costs `PASSES` (25) forward passes, in batches of `BATCH`.

    Args:
        network: The network.
        canvas: (1, 1, S, S) standardised canvas, padding 0.
        state: Its state: the second glance's box is read.
        tokens: (1, F, d) field tokens.
        grid: (c, c) Grad-CAM++ map on the canvas grid.
        content: (1, 1, S, S) float, 1 on image, 0 on padding.
        target: Index of the class.
        temperature: The logits are divided by it.
        seed: Of the random regions.
        check: Called between batches; may raise to end the work.

    Returns:
        None where the map is empty or flat: it ranks nothing.
    """
    cells = content_cells(content, len(grid))
    inside = grid[cells]
    if not inside.size or inside.max() <= inside.min():
        return None
    masks = strongest_regions(grid, cells, rng=np.random.default_rng(seed))
    curves, n = masks.shape[:2]
    side = canvas.shape[-1]
    plain = blurred(canvas, content)
    flat = torch.from_numpy(masks.reshape(-1, 1, *grid.shape)).to(canvas)

    def images() -> Iterator[Tensor]:
        yield plain
        for into, base in ((plain, canvas), (canvas, plain)):  # deletion, insertion
            for part in torch.split(flat, BATCH):
                soft = F.interpolate(part, size=(side, side), mode="bilinear", align_corners=False)
                yield base + (into - base) * soft

    def probability(batch: Tensor) -> NDArray[np.float64]:
        check()
        with torch.no_grad():
            boxes = state.boxes.expand(len(batch), -1)
            seen = network.encode_image(batch, boxes=boxes, lesion_logits=state.lesion_logits)
            logits = network.fuse(seen, tokens.expand(len(batch), -1, -1))[0].logits
        return _probability(logits, temperature, target)

    with torch.no_grad():
        whole = float(_probability(network.fuse(state, tokens)[0].logits, temperature, target)[0])
    found = [probability(b) for b in images()]
    nothing, rest = float(found[0][0]), np.concatenate(found[1:]).reshape(2, curves, n)
    deletion = np.concatenate([np.full((curves, 1), whole), rest[0]], 1)
    insertion = np.concatenate([np.full((curves, 1), nothing), rest[1]], 1)
    return DeletionCurves(
        np.array([0.0, *FRACTIONS]), deletion[0], deletion[1:], insertion[0], insertion[1:], HOW
    )  # fmt: skip


def _probability(logits: Tensor, temperature: float, target: int) -> NDArray[np.float64]:
    odds = log_odds(logits.double().cpu().numpy() / temperature, target)
    likely: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return likely
