from __future__ import annotations

import numpy as np
import pytest
import shap
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.errors import CancelledError, ExplanationError
from mmxai_core.explain import interventional
from mmxai_core.explain.coalition import CoalitionHead, log_odds, with_tokens
from mmxai_core.explain.interventional import interventional_accounts
from mmxai_core.explain.joint import joint_accounts, without_player
from mmxai_core.explain.regions import Regions, lesion_partition, regions_of, token_centres
from mmxai_core.explain.sampled import draw_orders, estimate
from mmxai_core.explain.shapley import shapley_interactions, shapley_values
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork

VALUES = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]])
KNOWN = torch.tensor([[True, True, False, True, True]])
BOX = (0.5, 0.45, 0.4)


@pytest.fixture(scope="module")
def network() -> FusedNetwork:
    return tiny_network()


@pytest.fixture(scope="module")
def image(network: FusedNetwork) -> ImageState:
    canvas = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network.encode_image(canvas, boxes=torch.tensor([BOX]))


def three_regions() -> Regions:
    y, x = np.mgrid[:16, :16]
    probability = np.exp(-((y - 7.0) ** 2 + (x - 8.0) ** 2) / 8).astype(np.float32)
    return regions_of(lesion_partition(probability), ("a", "b", "c"), token_centres(BOX, ARCH.grid))


def ends(network: FusedNetwork, image: ImageState, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    with torch.no_grad():
        full = network.fuse(image, network.encode_clinical(VALUES, KNOWN))[0].logits[0]
        base = network(None, VALUES, torch.zeros_like(KNOWN)).logits[0]
    return base.double().numpy() / temperature, full.double().numpy() / temperature


def by_forward(network: FusedNetwork, image: ImageState, regions: Regions, rows: np.ndarray) -> np.ndarray:
    """Log-odds of coalitions by pooling and fusing each one on its own: no precomputed term, no shared code."""
    chosen = KNOWN[0].nonzero()[:, 0].tolist()
    out = []
    for row in np.asarray(rows) > 0.5:
        known = torch.zeros_like(KNOWN)
        known[0, [c for c, present in zip(chosen, row, strict=False) if present]] = True
        tokens = image.tokens.clone()
        for r, present in enumerate(row[len(chosen) :]):
            if not present:
                tokens[:, torch.from_numpy(regions.tokens[r])] = network.image_encoder.absent
        with torch.no_grad():
            state = network.image_encoder.pool(
                tokens, features=image.features, boxes=image.boxes, lesion_logits=image.lesion_logits
            )
            logits = network.fuse(state, network.encode_clinical(VALUES, known))[0].logits
        out.append(float(log_odds(logits.double().numpy() / 1.5, 1)[0]))
    return np.array(out)


@pytest.mark.parametrize("space", [0, 1])
def test_shaps_exact_explainer_agrees_on_fields_and_regions(
    network: FusedNetwork, image: ImageState, space: int
) -> None:
    regions = three_regions()
    assert regions.names == ("a", "b", "c")
    base, full = ends(network, image, 1.5)
    head = CoalitionHead(network, image, VALUES, KNOWN, fields=SCHEMA.ids, regions=regions)
    ours = joint_accounts(head, temperature=1.5, target=1, base=base, full=full, seed=0)
    ours = ours.probability if space else ours.log_odds
    assert ours.players == ("age", "palpable", "margin", "birads", "a", "b", "c")

    def output(rows: np.ndarray) -> np.ndarray:
        odds = by_forward(network, image, regions, rows)
        return odds if space == 0 else 1 / (1 + np.exp(-odds))

    theirs = shap.explainers.Exact(output, np.zeros((1, 7)))(np.ones((1, 7)), max_evals=128)
    assert np.abs(ours.values[4:]).min() > 1e-4
    assert np.allclose(ours.values, theirs.values[0], atol=1e-5)
    assert abs(ours.residual) < 1e-5
    assert not ours.withheld
    assert ours.estimator == "exact"
    assert ours.coalitions == 128
    table = output((np.arange(128)[:, None] >> np.arange(7)) & 1)
    assert np.allclose(ours.interactions, shapley_interactions(table), atol=1e-5)  # shap's pairs are another index
    assert np.abs(ours.interactions[:4, 4:]).max() > 1e-5


def test_all_regions_removed_is_the_absent_image(network: FusedNetwork, image: ImageState) -> None:
    with torch.no_grad():
        gone = with_tokens(network, image, torch.zeros(1, image.tokens.shape[1], dtype=torch.bool))
        absent = network.encode_image(None)
    assert torch.allclose(gone.pooled, absent.pooled, atol=1e-6)
    assert torch.allclose(gone.logits, absent.logits, atol=1e-6)


def test_a_prediction_of_other_inputs_withholds_the_account(network: FusedNetwork, image: ImageState) -> None:
    base, full = ends(network, image)
    head = CoalitionHead(network, image, VALUES, KNOWN, fields=SCHEMA.ids, regions=three_regions())
    wrong = joint_accounts(head, temperature=1, target=1, base=base, full=full + np.array([0, 1e-3]), seed=0)
    assert wrong.log_odds.withheld
    with pytest.raises(CancelledError):
        joint_accounts(head, temperature=1, target=1, base=base, full=full, seed=0, check=stop)


def stop() -> None:
    raise CancelledError("stopped")


def test_sampled_orders_come_with_intervals_that_hold(network: FusedNetwork, image: ImageState) -> None:
    base, full = ends(network, image)
    head = CoalitionHead(network, image, VALUES, KNOWN, fields=SCHEMA.ids, regions=three_regions())
    exact = joint_accounts(head, temperature=1, target=1, base=base, full=full, seed=0).log_odds
    sampled = joint_accounts(head, temperature=1, target=1, base=base, full=full, seed=3, max_players=6).log_odds
    assert exact.interval is None
    assert sampled.estimator == "sampled: 2048 orders, seed 3"
    assert "1024 pairs" in sampled.interval_from
    assert sampled.interval is not None
    half = (sampled.interval[:, 1] - sampled.interval[:, 0]) / 2
    assert (np.abs(sampled.values - exact.values) <= 2 * half + 1e-6).all()
    assert half.max() < 0.05 * np.abs(exact.values).max()
    assert np.abs(sampled.interactions - exact.interactions).max() < 0.2 * np.abs(exact.interactions).max()
    assert abs(sampled.residual) < 1e-5


def test_estimates_of_a_game_with_pairs_are_exact_and_of_triples_close() -> None:
    p = 8
    b = ((np.arange(2**p)[:, None] >> np.arange(p)) & 1).astype(float)
    weights = np.random.default_rng(0).normal(size=p)
    table = b @ weights + 3 * b[:, 1] * b[:, 4]
    orders = draw_orders(p, count=600, seed=1)
    at = orders.rows @ (1 << np.arange(p))
    found = estimate(orders, table[at])
    assert np.allclose(found.values, shapley_values(table), atol=1e-12)
    assert found.standard_error.max() < 1e-12
    assert np.allclose(found.interactions, shapley_interactions(table), atol=1e-12)
    triple = table + 5 * b[:, 0] * b[:, 2] * b[:, 6]
    found = estimate(orders, triple[at])
    error = np.abs(found.values - shapley_values(triple))
    assert 0 < error.max() < 4 * found.standard_error.max()
    assert np.abs(found.interactions - shapley_interactions(triple)).max() < 1.5


def test_the_table_without_a_player() -> None:
    table = np.arange(16.0)
    assert without_player(table, 0).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert without_player(table, 2).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]


def background(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(5)
    values = np.stack([SCHEMA.encode(SCHEMA.record({
        "age": 30 + 5.0 * i, "palpable": bool(i % 2), "margin": ("smooth", "spiky")[i % 2], "birads": str(2 + i % 4),
    })).values for i in range(rows)])  # fmt: skip
    return torch.from_numpy(values), torch.from_numpy(rng.random((rows, 5)) > 0.2)


def test_the_interventional_account_is_the_mean_over_background_rows(network: FusedNetwork, image: ImageState) -> None:
    regions, rows = three_regions(), background(6)
    _, full = ends(network, image, 1.5)
    kept = rows[0].clone(), rows[1].clone()
    ours, likely = interventional_accounts(
        network, image, VALUES, KNOWN, background=rows, fields=SCHEMA.ids, regions=regions, temperature=1.5, target=1,
        full=full, seed=2,
    )  # fmt: skip
    assert torch.equal(rows[0], kept[0])
    assert torch.equal(rows[1], kept[1])
    chosen = KNOWN[0].nonzero()[:, 0].tolist()

    def output(coalitions: np.ndarray) -> np.ndarray:
        out = []
        for row in np.asarray(coalitions) > 0.5:
            tokens = image.tokens.clone()
            for r, present in enumerate(row[4:]):
                if not present:
                    tokens[:, torch.from_numpy(regions.tokens[r])] = network.image_encoder.absent
            values, known = rows[0].clone(), rows[1] & KNOWN
            for c, present in zip(chosen, row, strict=False):
                if present:
                    values[:, c], known[:, c] = VALUES[0, c], True
            with torch.no_grad():
                state = network.image_encoder.pool(
                    tokens.expand(6, -1, -1), features=image.features, boxes=image.boxes,
                    lesion_logits=image.lesion_logits,
                )  # fmt: skip
                logits = network.fuse(state, network.encode_clinical(values, known))[0].logits.double().numpy()
            out.append(log_odds(logits / 1.5, 1).mean())
        return np.array(out)

    theirs = shap.explainers.Exact(output, np.zeros((1, 7)))(np.ones((1, 7)), max_evals=128)
    assert np.allclose(ours.values, theirs.values[0], atol=1e-5)
    assert ours.base_value == pytest.approx(float(theirs.base_values[0]), abs=1e-5)
    assert max(abs(ours.residual), abs(likely.residual)) < 1e-5
    assert ours.interval is not None
    assert (ours.interval[:, 0] <= ours.values + 1e-9).all()
    assert (ours.values <= ours.interval[:, 1] + 1e-9).all()
    assert np.ptp(ours.interval, axis=1).max() > 1e-3
    assert "bootstrap over the 6 background rows" in ours.interval_from
    assert ours.estimator == "exact over each background row"
    removal = joint_accounts(
        CoalitionHead(network, image, VALUES, KNOWN, fields=SCHEMA.ids, regions=regions),
        temperature=1.5, target=1, base=ends(network, image, 1.5)[0], full=full, seed=0,
    ).log_odds  # fmt: skip
    assert np.abs(removal.values - ours.values).max() > 1e-3  # the two semantics answer different questions
    assert removal.semantics != ours.semantics


def test_more_rows_than_can_be_enumerated_are_sampled(
    network: FusedNetwork, image: ImageState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def account() -> tuple[np.ndarray, str, float]:
        found = interventional_accounts(
            network, image, VALUES, KNOWN, background=background(6), fields=SCHEMA.ids, regions=None, temperature=1,
            target=1, full=ends(network, image)[1], seed=2,
        )[0]  # fmt: skip
        return found.values, found.estimator, found.residual

    values, how, _ = account()
    monkeypatch.setattr(interventional, "EXACT_OUTPUTS", 10)
    sampled, how_sampled, residual = account()
    assert how != how_sampled
    assert "24 orders a row, seed 2" in how_sampled
    assert np.abs(sampled - values).max() < 0.1 * np.abs(values).max()
    assert abs(residual) < 1e-5
    with pytest.raises(ExplanationError, match="needs background rows"):
        interventional_accounts(
            network, image, VALUES, KNOWN, background=(VALUES[:0], KNOWN[:0]), fields=SCHEMA.ids, regions=None,
            temperature=1, target=1, full=np.zeros(2), seed=0,
        )  # fmt: skip


@pytest.mark.parametrize("extra", [0, 1])
def test_twenty_players_are_exact_and_twenty_one_sampled(extra: int) -> None:
    fields = 17 + extra
    schema = ClinicalSchema(tuple(Field(f"f{i}", f"F{i}", "yes_no", "history") for i in range(fields)))
    network = tiny_network(ARCH, schema)
    canvas = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    values, known = torch.ones(1, fields), torch.ones(1, fields, dtype=torch.bool)
    with torch.no_grad():
        image = network.encode_image(canvas, boxes=torch.tensor([BOX]))
        full = network.fuse(image, network.encode_clinical(values, known))[0].logits[0].double().numpy()
        base = network(None, values, ~known).logits[0].double().numpy()
    head = CoalitionHead(network, image, values, known, fields=schema.ids, regions=three_regions())
    if extra:
        with pytest.raises(ExplanationError, match="at most 20 players; this case has 21"):
            head.table(temperature=1)
    account = joint_accounts(head, temperature=1, target=1, base=base, full=full, seed=0).log_odds
    assert account.estimator.split(":")[0] == ("sampled" if extra else "exact")
    assert (account.interval is not None) == bool(extra)
    assert abs(account.residual) < 1e-4
