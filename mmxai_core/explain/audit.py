"""Audited attention: each field's attention and relevance, held against what knocking out image blocks does.

A knockout is made through one field at a time: the block's tokens (of both glances) are replaced by the learned absent
token where this field's query looks, and everything else keeps the whole image. So the effect is what the field read
in that block was worth, and nothing besides. Blocks are a 4 x 4 grid over the image's content.

Cost: no pass of the image branch; cross-attention over B + F + `RANDOM_SETS` image states (below two passes' time with
8 fields), and one pass of the Transformer with its gradient for the relevance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from mmxai_core.explain.coalition import STATES, log_odds, with_tokens
from mmxai_core.explain.cross_relevance import cross_relevance
from mmxai_core.explain.regions import Regions, grid_partition, regions_of, token_centres
from mmxai_core.explain.rollout import attention_on_canvas
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldSums
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry
from mmxai_core.results.audit import AttentionAudit

#: Blocks along an edge; part of the blocks in the most attended set; random sets it is compared with.
SIDE, PART, RANDOM_SETS = 4, 0.25, 8
SEMANTICS = (
    "Attention says what a field read, relevance weighs it by how much it raised the class called, and hiding "
    "measures it: the change of the log-odds when this field alone cannot see a block of the image."
)


@dataclass(frozen=True, eq=False)
class Knockouts:
    """What the worker measured, on the CPU.

    Attributes:
        blocks: The blocks.
        attention: (F, N) attention of each known field over the image tokens, mean over heads.
        relevance: (F, N) relevance.
        effect: (F, B) log-odds minus log-odds without the block, by field.
        attended_effect: (F,) absolute.
        random_effect: (F,) absolute, mean over the random sets.
        removed: Blocks in a set.
    """

    blocks: Regions
    attention: NDArray[np.float32]
    relevance: NDArray[np.float32]
    effect: NDArray[np.float64]
    attended_effect: NDArray[np.float64]
    random_effect: NDArray[np.float64]
    removed: int


def audit_blocks(geometry: CanvasGeometry, box: tuple[float, float, float], *, cells: int, grid: int) -> Regions:
    """The blocks of one image: 4 x 4 over its content."""
    names = tuple(f"block_{i}" for i in range(SIDE**2))
    return regions_of(grid_partition(geometry, cells, side=SIDE), names, token_centres(box, grid))


def knock_out(
    network: FusedNetwork, image: ImageState, values: Tensor, known: Tensor, *, blocks: Regions, target: int,
    temperature: float, seed: int, check: Callable[[], None] = lambda: None,
) -> Knockouts:  # fmt: skip
    """Measures every block through every known field. Runs on the predictor's worker.

    Args:
        network: The network.
        image: State of one image.
        values: (1, F) encoded values.
        known: (1, F) bool, at least one true.
        blocks: From `audit_blocks`.
        target: Index of the class.
        temperature: Logits are divided by it.
        seed: Of the random sets.
        check: Called between batches; may raise.
    """
    device = image.tokens.device
    members = torch.from_numpy(blocks.tokens).to(device)
    with torch.no_grad():
        tokens = network.encode_clinical(values, known)
    chosen = known[0].nonzero()[:, 0]
    relevance = cross_relevance(network, image, tokens, target=target).tokens[chosen].cpu().numpy()
    check()
    with torch.no_grad():
        terms = network.fusion.field_terms(tokens, image)
        attention = terms.attention[0].mean(0)[chosen]
        sums, f = network.fusion.sums(terms), tokens.shape[1]

        def odds(vectors: Tensor) -> NDArray[np.float64]:  # (..., d) changes of the sum of field vectors
            changed = FieldSums(sums.vector[0] + vectors, sums.numerator[0], sums.denominator[0])
            shape = vectors.shape[:-1]
            lead = [x.expand(*shape, *x.shape) for x in (image.pooled[0], image.logits[0], *changed[1:])]
            fused = network.fusion.combine(
                lead[0], lead[1], FieldSums(changed.vector, lead[2], lead[3]), fields=f
            )  # fmt: skip
            return log_odds(fused.logits.double().cpu().numpy() / temperature, target)

        def without(sets: Tensor) -> Tensor:  # (S, B) bool knocked out -> (S, P, d) change of each field's vector
            found = []
            for part in torch.split(sets, STATES):
                check()
                kept = ~(part[:, :, None] & members).any(1)
                states = with_tokens(network, image, kept)
                seen = network.fusion.field_terms(tokens.expand(len(part), -1, -1), states).vector
                found.append((seen - terms.vector)[:, chosen])
            return torch.cat(found)

        whole = float(odds(torch.zeros(1, sums.vector.shape[-1], device=device))[0])
        b = len(members)
        effect = whole - odds(without(torch.eye(b, dtype=torch.bool, device=device)))  # (B, P)
        removed = max(1, round(PART * b))
        mass = attention @ members.T.to(attention.dtype)
        top = torch.zeros_like(mass, dtype=torch.bool).scatter_(1, mass.topk(removed, 1).indices, True)
        rng = np.random.default_rng(seed)
        drawn = torch.zeros(RANDOM_SETS, b, dtype=torch.bool, device=device)
        for i in range(RANDOM_SETS):
            drawn[i, torch.from_numpy(rng.choice(b, removed, replace=False)).to(device)] = True
        attended = np.abs(whole - np.diagonal(odds(without(top))))
        random = np.abs(whole - odds(without(drawn))).mean(0)
    return Knockouts(blocks, attention.cpu().numpy(), relevance, effect.T, attended, random, removed)


def attention_audit(
    found: Knockouts, *, fields: Sequence[str], box: tuple[float, float, float], target_class: str
) -> AttentionAudit:
    """The audit as it is shown. Costs no pass.

    Args:
        found: From `knock_out`.
        fields: Ids of the known fields, in order.
        box: Second glance, parts of the canvas.
        target_class: The class the knockouts were measured for.
    """
    members = found.blocks.tokens.T.astype(np.float64)
    attention, relevance = found.attention @ members, found.relevance @ members
    ranks = [
        np.array([spearman(x, y) for x, y in zip(a, b, strict=True)])
        for a, b in ((attention, np.abs(found.effect)), (relevance, found.effect), (attention, relevance))
    ]
    threshold = critical_rank(members.shape[1])
    verdicts = tuple(
        _verdict(rank, threshold, float(out), float(chance))
        for rank, out, chance in zip(ranks[0], found.attended_effect, found.random_effect, strict=True)
    )
    return AttentionAudit(
        fields=tuple(fields), relevance=attention_on_canvas(found.relevance, box, found.blocks.labels.shape[0]),
        blocks=found.blocks.labels, attention_mass=attention, relevance_mass=relevance, effect=found.effect,
        attended_effect=found.attended_effect, random_effect=found.random_effect, attention_rank=ranks[0],
        relevance_rank=ranks[1], between_rank=ranks[2], threshold=threshold, removed=found.removed, verdicts=verdicts,
        target_class=target_class, semantics=SEMANTICS,
    )  # fmt: skip


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; NaN where it is not defined: fewer than three values, or one side constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def critical_rank(count: int) -> float:
    """Rank correlation over `count` blocks that chance passes in 5 % of cases, one-sided (t approximation)."""
    if count < 4:
        return 1.0
    t = float(stats.t.ppf(0.95, count - 2))
    return float(t / np.sqrt(count - 2 + t**2))


def _verdict(rank: float, threshold: float, attended: float, random: float) -> str:
    """Whether the attention is borne out; where it is not, which check failed, with its number and its bar."""
    if np.isnan(rank):
        return "Not tested: attention or its effect is the same everywhere."
    follows, stronger = rank >= threshold, attended >= random
    if follows and stronger:
        return (
            f"Borne out: where this field looks is where its reading counts (rank correlation {rank:.2f}; most "
            f"attended blocks {attended:.3f} log-odds, random blocks {random:.3f})."
        )
    found, bar = told_apart(rank, threshold, digits=2)
    hidden, chance = told_apart(attended, random, digits=3)
    order = f"rank correlation {found}, needs {bar}"
    weak = f"hiding its most attended blocks moves the log-odds by {hidden}, less than random blocks do ({chance})"
    if follows:
        return f"Not borne out: {weak}. The order alone holds ({order})."
    opening = f"Not borne out: where this field looks is not where its reading counts: {order}"
    if stronger:
        return f"{opening} (most attended blocks {hidden} log-odds, random blocks {chance})."
    return f"{opening}; and {weak}."


def told_apart(value: float, bar: float, *, digits: int) -> tuple[str, str]:
    """A number and its bar with as many digits as it takes to see which is larger.

    Args:
        value: The number.
        bar: What it is held against.
        digits: Decimals where these tell them apart.
    """
    enough = next((d for d in range(digits, digits + 5) if value == bar or f"{value:.{d}f}" != f"{bar:.{d}f}"), digits)
    return f"{value:.{enough}f}", f"{bar:.{enough}f}"
