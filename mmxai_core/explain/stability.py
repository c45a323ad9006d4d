"""Explaining perturbed copies of an image in one batch, to compare with the original's explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.explain.coalition import CoalitionHead, log_odds
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.perturb import Perturbed
from mmxai_core.explain.saliency import Score, box_of, grad_cam_pp, on_canvas
from mmxai_core.explain.shapley import shapley_values
from mmxai_core.model.encoded import select
from mmxai_core.model.network import FusedNetwork
from mmxai_core.types import FloatMap

#: Up to here the copies' Shapley values are exact; beyond, the same sampled permutations serve original and copies.
EXACT_PLAYERS = 11
PERMUTATIONS = 64


@dataclass(frozen=True, eq=False)
class CopyExplanations:
    """What the copies' explanations came to.

    Attributes:
        perturbed: The copies.
        maps: (h, w) combined Grad-CAM++ map of each copy, on the canvas grid.
        original: (P,) Shapley values of the original, by the same estimator, log-odds.
        copies: (P,) of each copy.
        how: The estimator in words.
    """

    perturbed: Perturbed
    maps: tuple[FloatMap, ...]
    original: NDArray[np.float64]
    copies: tuple[NDArray[np.float64], ...]
    how: str


def explain_copies(
    network: FusedNetwork,
    head: CoalitionHead,
    perturbed: Perturbed,
    values: Tensor,
    known: Tensor,
    *,
    fields: tuple[str, ...],
    boxes: NDArray[np.float32] | None,
    target: int,
    score: Score,
    temperature: float,
    seed: int,
    check: Callable[[], None],
    mirrored: bool = False,
) -> CopyExplanations:
    """Runs on the predictor's worker.

    Args:
        network: The network.
        head: The original's coalitions.
        perturbed: The copies.
        values: (1, F) encoded values.
        known: (1, F) bool.
        fields: All field ids in schema order.
        boxes: (C, 3) second glances, or None: each copy finds its own.
        target: Index of the class.
        score: See `grad_cam_pp`.
        temperature: The logits are divided by it.
        seed: Of the sampled permutations.
        check: Called between parts.
        mirrored: Whether the maps are averaged over image and mirror image, as the original's was.
    """
    device = values.device
    canvases = torch.from_numpy(perturbed.canvases).to(device)
    with torch.no_grad():
        image = network.encode_image(canvases, boxes=None if boxes is None else torch.from_numpy(boxes).to(device))
        tokens = network.encode_clinical(values, known).expand(len(canvases), -1, -1)
    check()
    read = (
        mirrored_grad_cam_pp(network, canvases, image, tokens, target=target, score=score)
        if mirrored
        else grad_cam_pp(network, image, tokens, target=target, score=score)
    )
    maps = read.maps.cpu().numpy()
    check()

    def account(of: CoalitionHead) -> NDArray[np.float64]:
        return quick_values(of, target=target, temperature=temperature, seed=seed, check=check)

    heads = [
        CoalitionHead(network, select(image, slice(i, i + 1)), values, known, fields=fields)
        for i in range(len(canvases))
    ]
    return CopyExplanations(
        perturbed=perturbed,
        maps=tuple(on_canvas(m, box_of(image, i), perturbed.cells) for i, m in enumerate(maps)),
        original=account(head),
        copies=tuple(account(h) for h in heads),
        how="exact Shapley values"
        if len(head.players) <= EXACT_PLAYERS
        else f"Shapley values from {PERMUTATIONS} sampled orders, seed {seed}",
    )


def quick_values(
    head: CoalitionHead, *, target: int, temperature: float, seed: int, check: Callable[[], None] = lambda: None
) -> NDArray[np.float64]:
    """Shapley values in log-odds, within milliseconds: exact for few players, else from sampled orders.

    Args:
        head: The coalitions of one case.
        target: Index of the class.
        temperature: The logits are divided by it.
        seed: Of the sampled orders; the same seed draws the same orders for every head of as many players.
        check: Called between chunks.

    Returns:
        (P,) float64.
    """
    rows = _permutation_rows(len(head.players), np.random.default_rng(seed))
    if rows is None:
        return shapley_values(head.table(temperature=temperature, check=check).log_odds(target))
    logits = head.evaluate(torch.from_numpy(rows.reshape(-1, rows.shape[-1])).to(head.device), check=check)
    outputs = log_odds(logits.double().cpu().numpy() / temperature, target).reshape(rows.shape[:2])
    return _from_permutations(rows, outputs)


def _permutation_rows(players: int, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """(R, P + 1, P) coalitions: players enter one by one in each order and in its reverse; None: enumerate instead."""
    if players <= EXACT_PLAYERS:
        return None
    orders = [rng.permutation(players) for _ in range(PERMUTATIONS // 2)]
    orders += [o[::-1] for o in orders]
    place = np.argsort(np.array(orders), axis=1)  # (R, P): when each player enters
    rows: NDArray[np.bool_] = place[:, None] < np.arange(players + 1)[None, :, None]
    return rows


def _from_permutations(rows: NDArray[np.bool_], outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over orders of what each player changed on entering (Castro et al. 2009, antithetic orders)."""
    entered = rows[:, 1:] & ~rows[:, :-1]
    values: NDArray[np.float64] = (entered * np.diff(outputs, axis=1)[..., None]).sum(1).mean(0)
    return values
