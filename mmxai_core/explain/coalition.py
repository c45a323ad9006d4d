"""Every coalition of inputs from one image encoding.

The fusion is additive over fields before its head (see `mmxai_core.model.fusion`). With `b` the binary row of a
coalition, its sums are `base + b @ (known - unknown)`, field by field precomputed, once with the image and once with
the absent-image state. The head's first layers are linear, so they are applied to the few per-field vectors instead
of to every coalition, and the division of the image -> clinical softmax becomes a scale of the row: a coalition costs
one row of one matrix product, a GELU and two small layers.

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
from mmxai_core.model.fusion import FieldTerms
from mmxai_core.model.network import FusedNetwork

#: Exact enumeration ends here: 2^20 outputs.
MAX_PLAYERS = 20
#: Coalitions evaluated at once: a few MB, within a core's cache.
CHUNK = 4096
#: Image states whose terms are computed at once: some 0.2 MB of tokens each, and as much again for keys and values.
STATES = 16
IMAGE = "image"
SEMANTICS = (
    "Removing a field makes it unknown; removing the image puts the learned absent-image token in its place. "
    "Fields that were left unknown are not players."
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
            for i, side in enumerate(self._sides):
                for start in range(0, 2**f, CHUNK):
                    check()
                    rows = torch.arange(start, min(start + CHUNK, 2**f), device=first.device)
                    found = side.logits(((rows[:, None] >> bits) & 1).to(first.dtype))
                    logits[i * 2**f + start : i * 2**f + start + len(rows)] = found.double().cpu()
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
            with_known = network.encode_clinical(values, known)
            without = network.encode_clinical(values, torch.zeros_like(known))
            for states in image_states(network, image, regions):
                given, removed = (
                    network.fusion.field_terms(t.expand(len(states.tokens), -1, -1), states)
                    for t in (with_known, without)
                )
                sides += [
                    Side(network, states.pooled[i], states.logits[i], term_row(given, i), term_row(removed, i), chosen)
                    for i in range(len(states.tokens))
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
        yield network.encode_image(None)
        if image is not None:
            yield image
        return
    members = torch.from_numpy(regions.tokens).to(image.tokens.device)
    index = torch.arange(2 ** len(regions.names), device=members.device)
    for part in torch.split(index, STATES):
        present = (part[:, None] >> torch.arange(len(members), device=members.device)) & 1
        yield with_tokens(network, image, (present[:, :, None].bool() & members).any(1))


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


class Side:
    """The fusion of one image state, ready for any coalition of the known fields.

    With H the width of the head's three first layers side by side (joint, gate, clinical head):

        hidden = c + b V + mean_m (n_m + b N_m) / (e_m + b E_m)
               = c + [b, b r_1, ..., b r_M, r_1, ..., r_M] [V; N_1 / M; ...; N_M / M; n_1 / M; ...; n_M / M]

    where r_m = 1 / (e_m + b E_m) are the inverse softmax denominators.
    """

    def __init__(
        self, network: FusedNetwork, pooled: Tensor, image_logits: Tensor, known: FieldTerms, removed: FieldTerms,
        chosen: Tensor,
    ) -> None:  # fmt: skip
        """Applies the head's first layers.

        Args:
            network: The network.
            pooled: (d,) image vector.
            image_logits: (K,) of the image alone.
            known: Terms of all F fields with their values, a batch of one.
            removed: Terms of all F fields as they are when removed.
            chosen: (P,) indices of the fields that are players.
        """
        fusion, d, k = network.fusion, network.arch.width, network.arch.classes
        base = fusion.sums(removed)
        zero = pooled.new_zeros(k, d)
        joint, gate, clinical = fusion.joint[0], fusion.gate[0], fusion.clinical_head
        assert isinstance(joint, nn.Linear) and isinstance(gate, nn.Linear)
        from_pooled = torch.cat([joint.weight[:, :d], gate.weight[:, :d], zero])
        from_fields = torch.cat([joint.weight[:, d : 2 * d], gate.weight[:, d : 2 * d], clinical.weight[:, :d]])
        from_fields = from_fields / max(known.vector.shape[1], 1) ** 0.5
        from_back = torch.cat([joint.weight[:, 2 * d :], gate.weight[:, 2 * d :], clinical.weight[:, d:]])
        bias = torch.cat([joint.bias, gate.bias, clinical.bias])

        def numerators(terms_weight: Tensor, terms_value: Tensor) -> Tensor:  # (M, chosen, H)
            return terms_weight[0][:, chosen, None] * (terms_value[0] @ from_back.T)[chosen]

        m = known.weight.shape[1]
        added = numerators(known.weight, known.value) - numerators(removed.weight, removed.value)
        self._matrix = torch.cat([
            (known.vector - removed.vector)[0, chosen] @ from_fields.T,
            (added / m).flatten(0, 1),
            base.numerator[0] @ from_back.T / m,
        ])  # fmt: skip
        self._constant = bias + pooled @ from_pooled.T + base.vector[0] @ from_fields.T
        self._denominator = base.denominator[0]
        self._denominator_added = (known.weight - removed.weight)[0, :, chosen].T
        self._image_logits = image_logits
        self._widths = [joint.out_features, gate.out_features, k]
        self._fusion = fusion
        self.dtype, self.device, self.classes = pooled.dtype, pooled.device, k

    def logits(self, fields: Tensor) -> Tensor:
        """(R, chosen) -> (R, K) raw logits."""
        inverse = 1 / (self._denominator + fields @ self._denominator_added).clamp_min(1e-6)
        scaled = (inverse[:, :, None] * fields[:, None]).flatten(1)
        hidden = torch.addmm(self._constant, torch.cat([fields, scaled, inverse], 1), self._matrix)
        joint, gate, clinical = torch.split(hidden, self._widths, 1)
        weights = torch.softmax(self._fusion.gate[1:](gate), -1)
        branches = weights[:, :1] * self._image_logits + weights[:, 1:] * clinical
        return torch.as_tensor(2 * branches + self._fusion.joint[1:](joint))
