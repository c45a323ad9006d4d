"""Every coalition of inputs from one image encoding.

The fusion is additive over fields before its head (see `mmxai_core.model.fusion`). With `b` the binary row of a
coalition, its sums are `base + b @ (known - unknown)`, field by field precomputed, once with the image and once with
the absent-image state. The head's first layers are linear, so they are applied to the few per-field vectors instead
of to every coalition, and the division of the image -> clinical softmax becomes a scale of the row's entries: a
coalition costs one row of one matrix product, a GELU and two small layers.

The image is one player, or several regions: R of them give 2^R image states, each with its own precomputed terms, and
again a coalition is one row. A removed field is *unknown* and a removed image, or the tokens of a removed region, are
*absent*, both as learned in training. Fields that are not known stay unknown in every coalition and are no players.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.regions import Regions
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldTerms, Fusion
from mmxai_core.model.network import FusedNetwork

#: Exact enumeration ends here: 2^20 outputs.
MAX_PLAYERS = 20
#: Coalitions evaluated at once: a few MB, within a core's cache.
CHUNK = 4096
#: Image states whose terms are computed at once: some 0.2 MB of tokens each, and as much again for keys and values.
STATES = 16
IMAGE = "image"
SEMANTICS = (
    "Removing a field makes it unknown; removing the image leaves the model without one, as it was trained to be. "
    "Fields that were left unknown have no part in it."
)


@dataclass(frozen=True, eq=False)
class CoalitionTable:
    """The outputs of all coalitions.

    Attributes:
        players: Known field ids in schema order, then "image" where there is one. P of them.
        logits: (2^P, K) float64 after temperature. Bit i of a row's index says whether player i is present.
    """

    players: tuple[str, ...]
    logits: NDArray[np.float64]

    def log_odds(self, target: int) -> NDArray[np.float64]:
        """(2^P,) logit of the target class minus logsumexp of the others."""
        return log_odds(self.logits, target)

    def probability(self, target: int) -> NDArray[np.float64]:
        """(2^P,) softmax probability of the target class."""
        odds: NDArray[np.float64] = 1 / (1 + np.exp(-self.log_odds(target)))
        return odds


def log_odds(logits: NDArray[np.float64], target: int) -> NDArray[np.float64]:
    """(..., K) logits -> (...): logit of one class minus logsumexp of the others."""
    others = np.delete(logits, target, axis=-1)
    top = others.max(-1)
    value: NDArray[np.float64] = logits[..., target] - top - np.log(np.exp(others - top[..., None]).sum(-1))
    return value


class Coalitions:
    """Answers any coalition of known fields and image regions. Lives and runs on the predictor's worker.

    Attributes:
        players: Known field ids, then the regions of the image.
        device: Where rows belong.
    """

    def __init__(self, players: tuple[str, ...], sides: Sequence[Side], *, regions: int) -> None:
        """Takes what each image state and field adds.

        Args:
            players: Fields, then regions.
            sides: 2^regions of them; bit r of the index says whether region r is present.
            regions: How many of the players are regions.
        """
        if len(sides) != 2**regions:
            raise ExplanationError(f"{regions} regions need {2**regions} image states; got {len(sides)}.")
        self.players = players
        self._fields = len(players) - regions
        self._sides = tuple(sides)
        self.device = sides[0].device

    def evaluate(self, present: Tensor, *, check: Callable[[], None] = lambda: None) -> Tensor:
        """(R, P) coalitions, 1 where a player is present -> (R, K) raw logits.

        Args:
            present: Bool or float, players in order.
            check: Called between chunks; may raise to end the work.
        """
        first = self._sides[0]
        regions = present.shape[1] - self._fields
        powers = 2 ** torch.arange(regions, device=present.device)
        state = (present[:, self._fields :].long() * powers).sum(1)
        order = torch.argsort(state, stable=True)  # rows of one image state go through its side together
        counts = torch.bincount(state, minlength=len(self._sides)).tolist()
        out = torch.empty(len(present), first.classes, dtype=first.dtype, device=first.device)
        with torch.no_grad():
            for side, rows in zip(self._sides, torch.split(order, counts), strict=True):
                for part in torch.split(rows, CHUNK):
                    check()
                    out[part] = side.logits(present[part, : self._fields].to(first.dtype))
        return out

    def table(self, *, temperature: float, check: Callable[[], None] = lambda: None) -> CoalitionTable:
        """All 2^P coalitions, in chunks of `CHUNK`.

        Args:
            temperature: The logits are divided by it.
            check: Called between chunks.

        Raises:
            ExplanationError: Too many players for exact enumeration.
        """
        p, f = len(self.players), self._fields
        if p > MAX_PLAYERS:
            raise ExplanationError(f"Exact Shapley values need at most {MAX_PLAYERS} players; this case has {p}.")
        first = self._sides[0]
        logits = np.empty((2**p, first.classes))
        bits = torch.arange(f, device=first.device)
        with torch.no_grad():
            for start in range(0, 2**f, CHUNK):
                rows = torch.arange(start, min(start + CHUNK, 2**f), device=first.device)
                present = ((rows[:, None] >> bits) & 1).to(first.dtype)
                for i, side in enumerate(self._sides):
                    check()
                    at = i * 2**f + start
                    logits[at : at + len(rows)] = side.logits(present).double().cpu()
        return CoalitionTable(self.players, logits / temperature)


class CoalitionHead(Coalitions):
    """The coalitions of one case where what is removed becomes unknown or absent, as learned in training."""

    def __init__(
        self,
        network: FusedNetwork,
        image: ImageState | None,
        values: Tensor,
        known: Tensor,
        *,
        fields: tuple[str, ...],
        regions: Regions | None = None,
    ) -> None:
        """Precomputes what each field adds in each image state: 2^R states, in batches of `STATES`.

        Args:
            network: The network.
            image: State of one image (batch of one), or None: no image, and so no region.
            values: (1, F) encoded values.
            known: (1, F) bool.
            fields: All field ids in schema order.
            regions: The image's players; None: the whole image is one player, "image".
        """
        chosen = known[0].nonzero()[:, 0]
        names = () if image is None else (IMAGE,) if regions is None else regions.names
        sides = []
        with torch.no_grad():
            tokens = network.encode_clinical(values.expand(2, -1), torch.cat([known, torch.zeros_like(known)]))
            both, weights = tokens.flatten(0, 1)[None], HeadWeights.of(network, values.shape[1])
            for states in image_states(network, image, regions):
                b = len(states.tokens)
                given, removed = split_fields(network.fusion.field_terms(both.expand(b, -1, -1), states))
                sides += [
                    Side(weights, states.pooled[i], states.logits[i], term_row(given, i), term_row(removed, i), chosen)
                    for i in range(b)
                ]
        super().__init__(tuple(fields[int(i)] for i in chosen) + names, sides, regions=len(names))


def image_states(network: FusedNetwork, image: ImageState | None, regions: Regions | None) -> Iterator[ImageState]:
    """Every image state of a game, in order of its index, in batches of at most `STATES`.

    Costs no pass of the image branch: tokens are swapped after the Transformer and pooled again.

    Args:
        network: The network.
        image: State of one image, or None: only the absent image.
        regions: Players of the image; None: the whole image.
    """
    if image is None or regions is None:
        yield absent_image(network)
        if image is not None:
            yield image
        return
    members = torch.from_numpy(regions.tokens).to(image.tokens.device)
    index = torch.arange(2 ** len(regions.names), device=members.device)
    for part in torch.split(index, STATES):
        present = (part[:, None] >> torch.arange(len(members), device=members.device)) & 1
        yield with_tokens(network, image, (present[:, :, None].bool() & members).any(1))


def absent_image(network: FusedNetwork) -> ImageState:
    """`network.encode_image(None)` by one token: all of them are the same, so attention over one is theirs."""
    encoder = network.image_encoder
    token = encoder.absent.expand(1, 1, -1)
    blank = token.new_zeros(1, 2, token.shape[-1], 1, 1)
    return encoder.pool(token, features=blank, boxes=token.new_tensor([[0.5, 0.5, 1.0]]), lesion_logits=blank[:, 0])


def with_tokens(network: FusedNetwork, image: ImageState, kept: Tensor) -> ImageState:
    """The image with tokens replaced by the learned absent token, after the Transformer, and pooled again.

    Args:
        network: The network.
        image: State of one image.
        kept: (B, N) bool: tokens that stay.

    Returns:
        B states.
    """
    encoder, b = network.image_encoder, len(kept)
    return encoder.pool(
        torch.where(kept[..., None], image.tokens, encoder.absent),
        features=image.features.expand(b, -1, -1, -1, -1), boxes=image.boxes.expand(b, -1),
        lesion_logits=image.lesion_logits.expand(b, -1, -1, -1),
    )  # fmt: skip


def term_row(terms: FieldTerms, row: int) -> FieldTerms:
    """One entry of a batch of terms, as a batch of one."""
    return FieldTerms(*(t[row : row + 1] for t in terms))


def split_fields(terms: FieldTerms) -> tuple[FieldTerms, FieldTerms]:
    """Terms of 2 F tokens -> those of the first F and of the last F: a field's terms do not depend on the others."""
    f = terms.vector.shape[1] // 2
    first, last = (
        FieldTerms(terms.vector[:, s], terms.weight[..., s], terms.value[:, s], terms.attention[:, :, s])
        for s in (slice(f), slice(f, None))
    )
    return first, last


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The head's three first layers side by side, H rows, by what they read: the same for every image state.

    Attributes:
        fusion: Whose layers they are.
        pooled: (H, d) on the image vector.
        fields: (H, d) on the sum over fields, its scale included.
        back: (H, d) on what the image took from the fields.
        bias: (H,).
        widths: Rows of joint, gate and clinical head.
    """

    fusion: Fusion
    pooled: Tensor
    fields: Tensor
    back: Tensor
    bias: Tensor
    widths: tuple[int, int, int]

    @classmethod
    def of(cls, network: FusedNetwork, fields: int) -> HeadWeights:
        """Reads them off a network with F fields."""
        fusion, d, k = network.fusion, network.arch.width, network.arch.classes
        joint, gate, clinical = fusion.joint[0], fusion.gate[0], fusion.clinical_head
        assert isinstance(joint, nn.Linear) and isinstance(gate, nn.Linear)
        zero = clinical.weight.new_zeros(k, d)
        every = torch.cat([joint.weight, gate.weight, torch.cat([zero, clinical.weight], 1)])
        return cls(
            fusion, every[:, :d], every[:, d : 2 * d] / max(fields, 1) ** 0.5, every[:, 2 * d :],
            torch.cat([joint.bias, gate.bias, clinical.bias]), (joint.out_features, gate.out_features, k),
        )  # fmt: skip


class Side:
    """The fusion of one image state, ready for any coalition of the known fields.

    With H the width of the head's three first layers side by side (joint, gate, clinical head), and r_m the inverse
    denominator of image query m's softmax over the fields, which is linear in the coalition before it is inverted:

        hidden = c + b V + sum_f (mean_m r_m w_mf) v_f

    where field f has its known weights w and vector v where it is present, its removed ones where not. So a coalition
    is one row [b, b a, (1 - b) a', a''] with a = r w: three columns a player, whatever the number of queries.
    """

    def __init__(
        self, weights: HeadWeights, pooled: Tensor, image_logits: Tensor, known: FieldTerms, removed: FieldTerms,
        chosen: Tensor,
    ) -> None:  # fmt: skip
        """Applies the head's first layers.

        Args:
            weights: The head's.
            pooled: (d,) image vector.
            image_logits: (K,) of the image alone.
            known: Terms of all F fields with their values, a batch of one.
            removed: Terms of all F fields as they are when removed.
            chosen: (P,) indices of the fields that are players.
        """
        m, f = known.weight.shape[1:]
        rest = torch.ones(f, dtype=torch.bool, device=chosen.device)
        rest[chosen] = False
        self._players = len(chosen)
        values = torch.cat([known.value[0, chosen], removed.value[0, chosen], removed.value[0, rest]])
        self._matrix = torch.cat([
            (known.vector - removed.vector)[0, chosen] @ weights.fields.T, values @ weights.back.T
        ])  # fmt: skip
        self._attended = torch.cat(
            [known.weight[0][:, chosen], removed.weight[0][:, chosen], removed.weight[0][:, rest]], 1
        ) / m  # fmt: skip
        self._constant = weights.bias + pooled @ weights.pooled.T + removed.vector[0].sum(0) @ weights.fields.T
        self._denominator = removed.weight[0].sum(1)
        self._denominator_added = (known.weight - removed.weight)[0, :, chosen].T
        self._image_logits = image_logits
        self._widths, self._fusion = list(weights.widths), weights.fusion
        self.dtype, self.device, self.classes = pooled.dtype, pooled.device, len(image_logits)

    def logits(self, fields: Tensor) -> Tensor:
        """(R, chosen) -> (R, K) raw logits."""
        p = self._players
        inverse = 1 / (self._denominator + fields @ self._denominator_added).clamp_min(1e-6)
        row = torch.cat([fields, inverse @ self._attended], 1)
        row[:, p : 2 * p] *= fields
        row[:, 2 * p : 3 * p] *= 1 - fields
        hidden = torch.addmm(self._constant, row, self._matrix)
        joint, gate, clinical = torch.split(hidden, self._widths, 1)
        weights = torch.softmax(self._fusion.gate[1:](gate), -1)
        branches = weights[:, :1] * self._image_logits + weights[:, 1:] * clinical
        return torch.as_tensor(2 * branches + self._fusion.joint[1:](joint))
