"""The fusion on cached states: what it moves, what it leaves, and that the whole network then says the same."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mmxai_core.clinical import ClinicalRecord, ClinicalSchema, Field
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training import fusion_stage
from mmxai_core.training.config import DropConfig, LossConfig, StageConfig
from mmxai_core.training.data import CohortArrays, standardise_batch
from mmxai_core.training.fusion_stage import StateCache, fused_logits, train_fusion
from mmxai_core.training.image_stage import encode_cases, make_batch
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


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_part_of_the_cases_is_drawn_with_neither_image_nor_field(
    data: CohortArrays, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the answer with nothing known is then the share of the class."""
    some = replace(data, labels=(np.arange(len(data)) % 4 == 0).astype(np.int64))
    torch.manual_seed(0)
    network = FusedNetwork(CONFIG.arch, SCHEMA).eval()
    cache = StateCache.build(network.image_encoder, some, views=0, seed=3)
    drawn: list[torch.Tensor] = []
    batch = 6  # a training step's; validation takes all cases
    encode, fuse = network.encode_clinical, network.fuse

    def encode_clinical(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        if len(values) == batch:
            drawn.append(~known.any(1))
        return encode(values, known)

    def fuse_seen(state: ImageState, tokens: torch.Tensor) -> object:
        if len(tokens) == batch:
            blank = network.encode_image(None, batch=1)
            absent = torch.isclose(state.tokens, blank.tokens.expand_as(state.tokens)).flatten(1).all(1)
            assert torch.equal(absent, drawn[-1])
        return fuse(state, tokens)

    monkeypatch.setattr(network, "encode_clinical", encode_clinical)
    monkeypatch.setattr(network, "fuse", fuse_seen)
    train_fusion(
        network, some, some, schema=SCHEMA, caches=(cache, cache),
        stage=StageConfig(epochs=80, batch=batch, lr=1e-2, patience=80), keep_epoch=79, seed=0,
        config=replace(
            CONFIG, loss=LossConfig(smoothing=0.0), drop=DropConfig(field=0.0, image=0.0, clinical=0.0), nothing=part
        ),
    )  # fmt: skip
    seen = torch.cat(drawn).float()
    assert len(seen) == 80 * len(some) and float(seen.mean()) == pytest.approx(part, abs=0.06)
    if part:
        empty = torch.zeros(1, len(SCHEMA.fields))
        with torch.no_grad():
            logits = network.eval()(None, empty, torch.zeros(empty.shape, dtype=torch.bool)).logits
        assert float(logits.softmax(-1)[0, 1]) == pytest.approx(0.25, abs=0.1)


def test_of_a_large_cohort_no_more_than_a_few_batches_are_in_memory_at_once(
    data: CohortArrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention and feature maps take some 5 MB a case: of 1,300 cases in five views they were 19 GB, for nothing."""
    network = FusedNetwork(CONFIG.arch, SCHEMA).eval()
    born: list[weakref.ref[ImageState]] = []
    most = 0

    def watched(*args: Any, **options: Any) -> Iterator[ImageState]:
        nonlocal most
        for state in encode_cases(*args, **options, batch=2):
            born.append(weakref.ref(state))
            most = max(most, sum(r() is not None for r in born))
            yield state

    monkeypatch.setattr(fusion_stage, "encode_cases", watched)
    cache = StateCache.build(network.image_encoder, data, views=2, seed=3)
    assert len(born) == 18 and cache.tokens.shape[:2] == (3, 12)
    assert most <= 3, "the first batch is kept for what the fusion does not read; the others must go"
