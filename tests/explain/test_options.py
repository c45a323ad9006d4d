from __future__ import annotations

import numpy as np
import pytest
import torch
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.clinical import Field
from mmxai_core.explain.options import UNKNOWN, FieldOptions, entropy_bits, grid_values, softmax, with_option

RAW = {"age": 57.5, "palpable": True, "margin": "spiky"}


def own_pass(network, record, images):  # type: ignore[no-untyped-def]
    """(images, K) through the network's own forward, image encoded again."""
    encoded = SCHEMA.encode(record)
    values, known = (torch.from_numpy(x)[None].expand(max(images, 1), -1) for x in (encoded.values, encoded.known))
    with torch.no_grad():
        out = network(made.CANVAS[:images] if images else None, values, known).logits
    return out.double().numpy() / made.TEMPERATURE


@pytest.mark.parametrize("images", [0, 1, 2])
def test_every_combination_equals_the_networks_own_pass(images: int) -> None:
    network = made.network()
    head, _, _ = made.case(RAW, of=network, images=images)
    options, rng = head.options, np.random.default_rng(0)
    rows = np.array([[rng.integers(len(v)) for v in options.values] for _ in range(25)])
    rows[0], rows[1] = options.current, UNKNOWN
    got = head.logits(rows)
    deciders = set()
    for row, logits in zip(rows, got, strict=True):
        own = own_pass(network, options.record(row), images)
        decides = int(softmax(own)[:, 1].argmax())
        deciders.add(decides)
        assert np.allclose(logits, own[decides], atol=2e-5)
    assert np.ptp(got[:, 1]) > 0.2  # the fields do something


def test_the_cases_own_value_is_an_option_and_unknown_is_the_first() -> None:
    options = FieldOptions.make(SCHEMA, SCHEMA.record(RAW))
    assert all(v[UNKNOWN] is None for v in options.values)
    assert 57.5 in options.values[0] and list(options.answers(0)) == sorted(options.answers(0))
    assert options.record(options.current) == SCHEMA.record(RAW)
    assert options.known.tolist() == [True, True, False, True, False]
    assert not len(options.record(with_option(options.current * 0, 1, [UNKNOWN])[0]).values)


@pytest.mark.parametrize(
    ("scale", "step"), [((10.0, 90.0), 2.0), ((0.0, 1.0), 0.05), ((3.0, 7400.0), 200.0), ((-5.0, 43.0), 1.0)]
)
def test_steps_are_round_and_few_and_reach_both_ends(scale: tuple[float, float], step: float) -> None:
    field = Field("x", "X", "numeric", "history", plausible=scale)
    values = grid_values(field, None)
    assert values[0] == scale[0] and values[-1] == scale[1] and len(values) <= 51
    assert np.allclose(np.diff(values)[1:-1], step)


def test_entropy_is_one_bit_for_a_coin_toss() -> None:
    assert entropy_bits(np.array([[0.0, 0.0], [50.0, -50.0]])) == pytest.approx([1.0, 0.0])
