"""Every coalition of inputs from one image encoding.

The fusion is additive over fields before its head (see `mmxai_core.model.fusion`). With `b` the binary row of a
coalition, its sums are `base + b @ (known - unknown)`, field by field precomputed, once with the image and once with
the absent-image state. The head's first layers are linear, so they are applied to the few per-field vectors instead
of to every coalition, and the division of the image -> clinical softmax becomes a scale of the row: a coalition costs
one row of one matrix product, a GELU and two small layers.

A removed field is *unknown* and a removed image is *absent*, both as learned in training. Fields that are not known
stay unknown in every coalition and are no players.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmxai_core.errors import ExplanationError
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork

#: Exact enumeration ends here: 2^20 outputs.
MAX_PLAYERS = 20
#: Coalitions evaluated at once: a few MB, within a core's cache.
CHUNK = 4096
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


class CoalitionHead:
    """Answers any coalition of one case. Lives and runs on the predictor's worker.

    Attributes:
        players: Known field ids, then "image" where there is one.
    """

    def __init__(
        self,
        network: FusedNetwork,
        image: ImageState | None,
        values: Tensor,
        known: Tensor,
        *,
        fields: tuple[str, ...],
    ) -> None:
        """Precomputes what each field adds.

        Args:
            network: The network.
            image: State of one image (batch of one), or None: no image, and so no player "image".
            values: (1, F) encoded values.
            known: (1, F) bool.
            fields: All field ids in schema order.
        """
        chosen = known[0].nonzero()[:, 0]
        self.players = tuple(fields[int(i)] for i in chosen) + ((IMAGE,) if image is not None else ())
        self._fields = len(chosen)
        self._network = network
        with torch.no_grad():
            with_known = network.encode_clinical(values, known)
            without = network.encode_clinical(values, torch.zeros_like(known))
            states = [network.encode_image(None)] + ([image] if image is not None else [])
            self._sides = [_Side(network, s, with_known, without, chosen) for s in states]

    def evaluate(self, present: Tensor, *, check: Callable[[], None] = lambda: None) -> Tensor:
        """(R, P) coalitions, 1 where a player is present -> (R, K) raw logits.

        Args:
            present: Bool or float, players in order.
            check: Called between chunks; may raise to end the work.
        """
        out = []
        with torch.no_grad():
            for rows in torch.split(present, CHUNK):
                check()
                fields = rows[:, : self._fields].to(self._sides[0].dtype)
                if len(self._sides) == 1:
                    out.append(self._sides[0].logits(fields))
                    continue
                seen = rows[:, -1].bool()[:, None]
                if bool(seen.all()):
                    out.append(self._sides[1].logits(fields))
                elif not bool(seen.any()):
                    out.append(self._sides[0].logits(fields))
                else:
                    out.append(torch.where(seen, self._sides[1].logits(fields), self._sides[0].logits(fields)))
        return torch.cat(out)

    def table(self, *, temperature: float, check: Callable[[], None] = lambda: None) -> CoalitionTable:
        """All 2^P coalitions.

        Args:
            temperature: The logits are divided by it.
            check: Called between chunks.

        Raises:
            ExplanationError: Too many players for exact enumeration.
        """
        p = len(self.players)
        if p > MAX_PLAYERS:
            raise ExplanationError(f"Exact Shapley values need at most {MAX_PLAYERS} players; this case has {p}.")
        logits = np.empty((2**p, self._network.arch.classes))
        bits = torch.arange(p, device=self._sides[0].device)
        for start in range(0, 2**p, CHUNK):
            rows = torch.arange(start, min(start + CHUNK, 2**p), device=bits.device)
            logits[start : start + CHUNK] = self.evaluate((rows[:, None] >> bits) & 1, check=check).double().cpu()
        return CoalitionTable(self.players, logits / temperature)


class _Side:
    """The fusion of one image state, ready for any coalition of the known fields.

    With H the width of the head's three first layers side by side (joint, gate, clinical head):

        hidden = c + b V + mean_m (n_m + b N_m) / (e_m + b E_m)
               = c + [b, b r_1, ..., b r_M, r_1, ..., r_M] [V; N_1 / M; ...; N_M / M; n_1 / M; ...; n_M / M]

    where r_m = 1 / (e_m + b E_m) are the inverse softmax denominators.
    """

    def __init__(
        self, network: FusedNetwork, state: ImageState, with_known: Tensor, without: Tensor, chosen: Tensor
    ) -> None:
        fusion, d, k = network.fusion, network.arch.width, network.arch.classes
        known, unknown = fusion.field_terms(with_known, state), fusion.field_terms(without, state)
        base = fusion.sums(unknown)
        zero = state.pooled.new_zeros(k, d)
        joint, gate, clinical = fusion.joint[0], fusion.gate[0], fusion.clinical_head
        assert isinstance(joint, nn.Linear) and isinstance(gate, nn.Linear)
        from_pooled = torch.cat([joint.weight[:, :d], gate.weight[:, :d], zero])
        from_fields = torch.cat([joint.weight[:, d : 2 * d], gate.weight[:, d : 2 * d], clinical.weight[:, :d]])
        from_fields = from_fields / max(with_known.shape[1], 1) ** 0.5
        from_back = torch.cat([joint.weight[:, 2 * d :], gate.weight[:, 2 * d :], clinical.weight[:, d:]])
        bias = torch.cat([joint.bias, gate.bias, clinical.bias])

        def numerators(terms_weight: Tensor, terms_value: Tensor) -> Tensor:  # (M, chosen, H)
            return terms_weight[0][:, chosen, None] * (terms_value[0] @ from_back.T)[chosen]

        m = known.weight.shape[1]
        added = numerators(known.weight, known.value) - numerators(unknown.weight, unknown.value)
        self._matrix = torch.cat([
            (known.vector - unknown.vector)[0, chosen] @ from_fields.T,
            (added / m).flatten(0, 1),
            base.numerator[0] @ from_back.T / m,
        ])  # fmt: skip
        self._constant = bias + state.pooled[0] @ from_pooled.T + base.vector[0] @ from_fields.T
        self._denominator = base.denominator[0]
        self._denominator_added = (known.weight - unknown.weight)[0, :, chosen].T
        self._image_logits = state.logits[0]
        self._widths = [joint.out_features, gate.out_features, k]
        self._fusion = fusion
        self.dtype, self.device = state.pooled.dtype, state.pooled.device

    def logits(self, fields: Tensor) -> Tensor:
        """(R, chosen) -> (R, K) raw logits."""
        inverse = 1 / (self._denominator + fields @ self._denominator_added).clamp_min(1e-6)
        scaled = (inverse[:, :, None] * fields[:, None]).flatten(1)
        hidden = torch.addmm(self._constant, torch.cat([fields, scaled, inverse], 1), self._matrix)
        joint, gate, clinical = torch.split(hidden, self._widths, 1)
        weights = torch.softmax(self._fusion.gate[1:](gate), -1)
        branches = weights[:, :1] * self._image_logits + weights[:, 1:] * clinical
        return torch.as_tensor(2 * branches + self._fusion.joint[1:](joint))
