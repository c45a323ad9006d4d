"""The interventional account: a removed field takes the values of the bundle's background rows, one row at a time.

v(S) is the mean over the background of the output with the fields of S as given and the others as in the row (Janzing
et al. 2020: interventional, rows drawn without regard to S). Shapley values are linear in v, so each row has its own
account and the answer is their mean; resampling the rows gives the error bars that a background of this size leaves.
A bundle ships no patient's image, so removed regions are absent here as well, and fields that are not known stay
unknown.

Cost: no pass of the image branch. An image state's terms for all rows come from one call over the distinct values,
since a field's terms do not depend on the other fields. Exact where rows x 2^P stays within `EXACT_OUTPUTS`, else
`ROW_ORDERS` orders a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.coalition import IMAGE, Coalitions, HeadWeights, Side, image_states, log_odds, term_row
from mmxai_core.explain.regions import Regions
from mmxai_core.explain.sampled import draw_orders, estimate
from mmxai_core.explain.shapley import shapley_interactions, shapley_values
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldSums, FieldTerms
from mmxai_core.model.network import FusedNetwork
from mmxai_core.results import Attribution

#: Outputs that may be enumerated over all rows; orders a row where there would be more.
EXACT_OUTPUTS, ROW_ORDERS = 2**19, 24
#: Bootstrap resamples of the rows.
RESAMPLES = 1000
#: More regions than this would need hundreds of image states a row: the image is then one player.
MAX_REGIONS = 4
EXACT = "exact over each background row"
SEMANTICS = (
    "A removed field takes the values of the bundle's background rows (interventional), a removed region of the image "
    "is absent, as learned in training. Fields that were left unknown have no part in it."
)


def interventional_accounts(
    network: FusedNetwork, image: ImageState | None, values: Tensor, known: Tensor, *,
    background: tuple[Tensor, Tensor], fields: tuple[str, ...], regions: Regions | None, temperature: float,
    target: int, full: NDArray[np.float64], seed: int, check: Callable[[], None] = lambda: None,
) -> tuple[Attribution, Attribution]:  # fmt: skip
    """Accounts in log-odds and in probability; the base value is the mean over the rows of the network's own passes.

    Args:
        network: The network.
        image: State of one image, or None.
        values: (1, F) encoded values.
        known: (1, F) bool.
        background: (Z, F) encoded values and (Z, F) bool known of the rows.
        fields: All field ids in schema order.
        regions: The image's players; None, or more than `MAX_REGIONS`: the whole image.
        temperature: Logits are divided by it.
        target: Index of the class.
        full: (K,) logits of the network's own pass with every player present, after temperature.
        seed: Of sampled orders and of the bootstrap.
        check: Called between chunks; may raise.

    Raises:
        ExplanationError: The background has no row.
    """
    rows = len(background[0])
    if rows == 0:
        raise ExplanationError("The interventional account needs background rows; this bundle has none.")
    if image is None or (regions is not None and len(regions.names) > MAX_REGIONS):
        regions = None
    replaced = _Replaced.make(network, background[0], background[1] & known)
    base = log_odds(replaced.without_image(network).double().cpu().numpy() / temperature, target)
    end = float(log_odds(full, target))
    names = () if image is None else (IMAGE,) if regions is None else regions.names
    players = tuple(f for f, k in zip(fields, known[0].tolist(), strict=True) if k) + names
    exact = rows * 2 ** len(players) <= EXACT_OUTPUTS
    parts: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    pairs = [np.zeros((len(players),) * 2) for _ in parts]
    orders = None if exact else draw_orders(len(players), count=ROW_ORDERS, seed=seed)
    total, outputs = [np.zeros(2 ** len(players) if exact else 0) for _ in parts], 0
    for game in _games(network, image, values, known, replaced, players=players, regions=regions):
        check()
        if orders is None:
            odds = game.table(temperature=temperature, check=check).log_odds(target)
        else:
            raw = game.evaluate(torch.from_numpy(orders.rows).to(game.device), check=check)
            odds = log_odds(raw.double().cpu().numpy() / temperature, target)
        outputs += len(odds)
        for i, table in enumerate((odds, _logistic(odds))):
            if orders is None:
                parts[i].append(shapley_values(table))
                total[i] += table / rows
            else:
                guess = estimate(orders, table)
                parts[i].append(guess.values)
                pairs[i] += guess.interactions / rows
    if exact:  # interactions are linear in the game, so those of the mean are enough
        pairs = [shapley_interactions(t) for t in total]
    drawn = np.random.default_rng(seed).integers(0, rows, (RESAMPLES, rows))
    weight = np.stack([np.bincount(d, minlength=rows) for d in drawn]) / rows
    accounts = []
    for space, each, between, low, high in (
        ("log_odds", parts[0], pairs[0], base, end),
        ("probability", parts[1], pairs[1], _logistic(base), float(_logistic(np.array(end)))),
    ):
        by_row = np.stack(each)
        mean, first = by_row.mean(0), float(low.mean())
        accounts.append(
            Attribution(
                players=players, space=space, values=mean, base_value=first, output=high, interactions=between,
                residual=float(high - first - mean.sum()),
                estimator=EXACT if exact else f"sampled: {ROW_ORDERS} orders a row, seed {seed}",
                coalitions=outputs, semantics=SEMANTICS,
                interval=np.percentile(weight @ by_row, [2.5, 97.5], axis=0).T,
                interval_from=f"95 % interval of a bootstrap over the {rows} background rows"
                + ("" if exact else ", sampling included"),
            )
        )  # fmt: skip
    return accounts[0], accounts[1]


def _games(
    network: FusedNetwork, image: ImageState | None, values: Tensor, known: Tensor,
    replaced: _Replaced, *, players: tuple[str, ...], regions: Regions | None,
) -> Iterator[Coalitions]:  # fmt: skip
    """The game of each background row."""
    chosen = known[0].nonzero()[:, 0]
    found: list[tuple[Tensor, Tensor, FieldTerms, FieldTerms]] = []
    with torch.no_grad():
        given, weights = network.encode_clinical(values, known), HeadWeights.of(network, values.shape[1])
        for states in image_states(network, image, regions):
            b = len(states.tokens)
            kept = network.fusion.field_terms(given.expand(b, -1, -1), states)
            taken = network.fusion.field_terms(replaced.tokens.expand(b, -1, -1), states)
            found += [
                (states.pooled[i], states.logits[i], term_row(kept, i), _without_attention(term_row(taken, i)))
                for i in range(b)
            ]
        for own in replaced.where:
            sides = [
                Side(
                    weights, pooled, logits, terms,
                    FieldTerms(other.vector[:, own], other.weight[..., own], other.value[:, own], other.attention),
                    chosen,
                )
                for pooled, logits, terms, other in found
            ]  # fmt: skip
            yield Coalitions(players, sides, regions=len(players) - len(chosen))


@dataclass(frozen=True, eq=False)
class _Replaced:
    """What background rows put in a field's place: each value of each field once, since rows share most of them.

    Attributes:
        tokens: (1, U, d) field tokens.
        where: (Z, F) which of them each row has.
    """

    tokens: Tensor
    where: Tensor

    @classmethod
    def make(cls, network: FusedNetwork, values: Tensor, known: Tensor) -> _Replaced:
        """(Z, F) encoded values and (Z, F) bool known."""
        rows, f = values.shape
        field = torch.arange(f, device=values.device).expand(rows, f)
        key = torch.stack([field.to(values.dtype), torch.where(known, values, 0), known.to(values.dtype)], 2)
        unique, where = torch.unique(key.reshape(rows * f, 3), dim=0, return_inverse=True)
        example = torch.empty(len(unique), dtype=torch.long, device=values.device)
        example[where] = torch.arange(rows * f, device=values.device)
        with torch.no_grad():
            tokens = network.encode_clinical(values, known).reshape(rows * f, -1)[example]
        return cls(tokens[None], where.reshape(rows, f))

    def without_image(self, network: FusedNetwork) -> Tensor:
        """(Z, K) raw logits of the rows without an image, by the fusion itself."""
        with torch.no_grad():
            state = network.encode_image(None)
            terms = network.fusion.field_terms(self.tokens, state)
            weight = terms.weight[0][:, self.where].transpose(0, 1)  # (Z, M, F)
            sums = FieldSums(terms.vector[0][self.where].sum(1), weight @ terms.value[0][self.where], weight.sum(2))
            z = len(self.where)
            return network.fusion.combine(
                state.pooled.expand(z, -1), state.logits.expand(z, -1), sums, fields=self.where.shape[1]
            ).logits


def _without_attention(terms: FieldTerms) -> FieldTerms:
    """The terms without their attention over the image, which would be kept for rows x fields."""
    return FieldTerms(
        terms.vector.clone(), terms.weight.clone(), terms.value.clone(), terms.attention[:, :, :0].clone()
    )


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    value: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return value
