"""The fusion on cached states: what it moves, what it leaves, and that the whole network then says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, Field
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.config import DropConfig, LossConfig, StageConfig
from mmxai_core.training.data import CohortArrays, standardise_batch
from mmxai_core.training.fusion_stage import StateCache, fused_logits, train_fusion
from mmxai_core.training.image_stage import make_batch
from tests.training.image_cases import CONFIG, cases

SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", unit="years", plausible=(10, 110)),
        Field("margin", "Margin", "yes_no", "descriptor"),
    )
)


@pytest.fixture(scope="module")
def data() -> CohortArrays:
    rng, plain = np.random.default_rng(1), cases(12)
    records = tuple(ClinicalRecord({"age": float(rng.integers(20, 90)), "margin": bool(i % 2)}) for i in range(12))
    return replace(plain, records=records).encoded(SCHEMA)


def _trained(data: CohortArrays, readout: str) -> tuple[FusedNetwork, dict[str, torch.Tensor], StateCache]:
    torch.manual_seed(0)
    network = FusedNetwork(CONFIG.arch, SCHEMA).eval()
    before = {k: v.clone() for k, v in network.image_encoder.state_dict().items()}
    cache = StateCache.build(network.image_encoder, data, views=1, seed=3)
    train_fusion(
        network, data, data, schema=SCHEMA, caches=(cache, cache), stage=StageConfig(epochs=4, batch=4, lr=1e-2),
        config=replace(CONFIG, readout=readout), seed=0,
    )  # fmt: skip
    return network.eval(), before, cache


@pytest.mark.parametrize(("readout", "moved"), [("kept", set()), ("own", {"head.weight", "head.bias"})])
def test_of_the_image_encoder_only_what_the_setting_says_is_moved(
    data: CohortArrays, readout: str, moved: set[str]
) -> None:
    network, before, _ = _trained(data, readout)
    after = network.image_encoder.state_dict()
    assert {k for k in before if not torch.equal(before[k], after[k])} == moved | {"absent"}
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("readout", ["kept", "own"])
def test_the_whole_network_says_what_the_cached_states_say(data: CohortArrays, readout: str) -> None:
    """Also where its image head is another than when the states were cached."""
    network, _, cache = _trained(data, readout)
    part = make_batch(data, torch.arange(len(data)))
    with torch.no_grad():
        canvas = standardise_batch(part.grey, part.content)
        whole = network(canvas, torch.from_numpy(data.values), torch.from_numpy(data.known)).logits
        alone = network(canvas, torch.from_numpy(data.values), torch.zeros(data.known.shape, dtype=torch.bool)).logits
    cached = fused_logits(network, cache, data, SCHEMA)
    torch.testing.assert_close(cached["history+descriptor+assessment"], whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(cached["image"], alone, atol=1e-5, rtol=1e-5)


def test_with_nothing_known_the_answer_is_the_share_of_the_class(data: CohortArrays) -> None:
    some = replace(data, labels=(np.arange(len(data)) % 4 == 0).astype(np.int64))
    torch.manual_seed(0)
    network = FusedNetwork(CONFIG.arch, SCHEMA).eval()
    cache = StateCache.build(network.image_encoder, some, views=0, seed=3)
    train_fusion(
        network, some, some, schema=SCHEMA, caches=(cache, cache),
        stage=StageConfig(epochs=80, batch=6, lr=1e-2, patience=80), keep_epoch=79, seed=0,
        config=replace(CONFIG, loss=LossConfig(smoothing=0.0), drop=DropConfig(both=0.5)),
    )  # fmt: skip
    empty = torch.zeros(1, len(SCHEMA.fields))
    with torch.no_grad():
        logits = network.eval()(None, empty, torch.zeros(empty.shape, dtype=torch.bool)).logits
    assert float(logits.softmax(-1)[0, 1]) == pytest.approx(0.25, abs=0.1)
