from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.errors import CancelledError, ExplanationError
from mmxai_core.explain import coalition
from mmxai_core.explain.coalition import CoalitionHead, log_odds
from mmxai_core.model.network import FusedNetwork

CANVAS = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
VALUES = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]])
KNOWN = torch.tensor([[True, True, False, True, True]])


@pytest.fixture(scope="module")
def network() -> FusedNetwork:
    return tiny_network()


def brute_force(network: FusedNetwork, players: tuple[str, ...]) -> np.ndarray:
    """Every coalition through the network's own forward, image encoded again each time."""
    out = []
    for index in range(2 ** len(players)):
        present = {p for i, p in enumerate(players) if index >> i & 1}
        known = torch.tensor([[f in present for f in SCHEMA.ids]])
        with torch.no_grad():
            out.append(network(CANVAS if "image" in present else None, VALUES, known).logits[0].double().numpy())
    return np.array(out)


@pytest.mark.parametrize("with_image", [True, False])
def test_the_table_equals_a_forward_pass_per_coalition(network: FusedNetwork, with_image: bool) -> None:
    with torch.no_grad():
        image = network.encode_image(CANVAS) if with_image else None
    table = CoalitionHead(network, image, VALUES, KNOWN, fields=SCHEMA.ids).table(temperature=1.5)
    assert table.players == ("age", "palpable", "margin", "birads") + (("image",) if with_image else ())
    expected = brute_force(network, table.players) / 1.5
    assert np.ptp(expected, axis=0).min() > 0.02  # the players do something
    assert np.allclose(table.logits, expected, atol=1e-5)
    p = table.probability(1)
    assert np.allclose(p, torch.softmax(torch.from_numpy(expected), 1)[:, 1].numpy(), atol=1e-5)


def test_image_only_has_one_player(network: FusedNetwork) -> None:
    with torch.no_grad():
        head = CoalitionHead(network, network.encode_image(CANVAS), VALUES, torch.zeros_like(KNOWN), fields=SCHEMA.ids)
    table = head.table(temperature=1)
    assert table.players == ("image",)
    assert np.allclose(table.logits, brute_force(network, ("image",)), atol=1e-5)


def test_chunks_do_not_change_the_numbers(network: FusedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.no_grad():
        head = CoalitionHead(network, network.encode_image(CANVAS), VALUES, KNOWN, fields=SCHEMA.ids)
    whole = head.table(temperature=1).logits
    monkeypatch.setattr(coalition, "CHUNK", 5)  # cuts between and across image absent and present
    assert np.allclose(head.table(temperature=1).logits, whole, atol=1e-6)


def test_too_many_players_and_cancelling(network: FusedNetwork) -> None:
    with torch.no_grad():
        head = CoalitionHead(network, network.encode_image(CANVAS), VALUES, KNOWN, fields=SCHEMA.ids)

    def stop() -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        head.table(temperature=1, check=stop)
    schema = ClinicalSchema(tuple(Field(f"f{i}", f"F{i}", "yes_no", "history") for i in range(21)))
    many = tiny_network(ARCH, schema)
    full = CoalitionHead(many, None, torch.ones(1, 21), torch.ones(1, 21, dtype=torch.bool), fields=schema.ids)
    with pytest.raises(ExplanationError, match="at most 20 players; this case has 21"):
        full.table(temperature=1)


def test_log_odds_of_more_than_two_classes() -> None:
    logits = np.array([[1.0, 2.0, -1.0], [900.0, 0.0, 5.0]])
    assert log_odds(logits, 1)[0] == pytest.approx(2 - np.log(np.exp(1) + np.exp(-1)))
    assert log_odds(logits, 1)[1] == pytest.approx(-900)
