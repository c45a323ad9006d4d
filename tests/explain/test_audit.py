from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network

from mmxai_core.errors import CancelledError
from mmxai_core.explain import audit
from mmxai_core.explain.audit import attention_audit, audit_blocks, critical_rank, knock_out, spearman
from mmxai_core.explain.coalition import log_odds
from mmxai_core.explain.cross_relevance import cross_relevance, normalised
from mmxai_core.model.encoders import ImageState
from mmxai_core.model.fusion import FieldTerms
from mmxai_core.model.network import FusedNetwork
from mmxai_core.preprocess import CanvasGeometry

VALUES = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]])
KNOWN = torch.tensor([[True, True, False, True, True]])
BOX = (0.5, 0.45, 0.4)
GEOMETRY = CanvasGeometry.letterbox((90, 120), 128)
BLOCKS = audit_blocks(GEOMETRY, BOX, cells=16, grid=ARCH.grid)


@pytest.fixture(scope="module")
def network() -> FusedNetwork:
    return tiny_network()


@pytest.fixture(scope="module")
def image(network: FusedNetwork) -> ImageState:
    canvas = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network.encode_image(canvas, boxes=torch.tensor([BOX]))


def found(network: FusedNetwork, image: ImageState) -> audit.Knockouts:
    return knock_out(network, image, VALUES, KNOWN, blocks=BLOCKS, target=1, temperature=1.5, seed=0)


def test_blocks_share_out_all_tokens() -> None:
    assert BLOCKS.tokens.sum(0).tolist() == [1] * (2 * ARCH.grid**2)
    assert len(BLOCKS.names) == 16


def test_a_knockout_changes_what_one_field_sees_and_nothing_else(network: FusedNetwork, image: ImageState) -> None:
    measured = found(network, image)
    assert measured.effect.shape == (4, len(BLOCKS.names))
    with torch.no_grad():
        tokens = network.encode_clinical(VALUES, KNOWN)
        fused, terms = network.fuse(image, tokens)
        whole = log_odds(fused.logits.double().numpy() / 1.5, 1)[0]
        for row, (field, block) in enumerate(((0, 5), (1, 9), (3, 0), (4, 10))):
            hidden = image.tokens.clone()
            hidden[:, torch.from_numpy(BLOCKS.tokens[block])] = network.image_encoder.absent
            other = network.image_encoder.pool(
                hidden, features=image.features, boxes=image.boxes, lesion_logits=image.lesion_logits
            )
            vector = terms.vector.clone()
            vector[:, field] = network.fusion.field_terms(tokens, other).vector[:, field]
            sums = network.fusion.sums(FieldTerms(vector, *terms[1:]))
            logits = network.fusion.combine(image.pooled, image.logits, sums, fields=5).logits.double().numpy()
            assert measured.effect[row, block] == pytest.approx(whole - log_odds(logits / 1.5, 1)[0], abs=1e-6)
    assert np.abs(measured.effect).max() > 1e-4


def test_relevance_follows_chefers_rules(network: FusedNetwork, image: ImageState) -> None:
    tokens = network.encode_clinical(VALUES, KNOWN)
    relevance = cross_relevance(network, image, tokens, target=1).tokens.numpy()
    features = image.features.clone().requires_grad_()
    state = network.image_encoder.read_features(features, boxes=image.boxes, lesion_logits=image.lesion_logits)
    fused, terms = network.fuse(state, tokens)
    (fused.logits[0, 1] - fused.logits[0, 0]).backward(inputs=[*state.block_attention, terms.attention])
    n = state.tokens.shape[1]
    flow = np.eye(n)
    for weights in state.block_attention:
        heads = (weights.grad * weights)[0].detach().numpy()
        flow = flow + np.maximum(heads, 0).mean(0) @ flow
    beyond = flow - np.eye(n)
    scaled = np.eye(n) + beyond / beyond.sum(1, keepdims=True)
    cross = np.maximum((terms.attention.grad * terms.attention)[0].detach().numpy(), 0).mean(0)
    assert relevance.shape == (5, n)
    assert relevance.max() > 0
    assert np.allclose(relevance, cross @ scaled, rtol=1e-3, atol=1e-9)


def test_a_row_without_relevance_stays_the_identity() -> None:
    flow = torch.eye(3)
    flow[0, 1] = 2.0
    assert normalised(flow).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_the_audit_marks_what_is_not_borne_out() -> None:
    rng = np.random.default_rng(0)
    tokens = BLOCKS.tokens.shape[1]
    attention = rng.dirichlet(np.ones(tokens), 3).astype(np.float32)
    mass = attention @ BLOCKS.tokens.T
    effect = np.stack(
        [-mass[0], mass[1].max() - mass[1], np.full(16, 0.2)]
    )  # in the second, the least attended matters
    measured = audit.Knockouts(
        BLOCKS, attention, attention, effect, attended_effect=np.array([0.5, 0.1, 0.2]),
        random_effect=np.array([0.2, 0.3, 0.2]), removed=4,
    )  # fmt: skip
    shown = attention_audit(measured, fields=("age", "margin", "birads"), box=BOX, target_class="malignant")
    assert shown.attention_rank[0] == pytest.approx(1)
    assert shown.attention_rank[1] == pytest.approx(-1)
    assert np.isnan(shown.attention_rank[2])
    assert shown.between_rank.tolist() == pytest.approx([1, 1, 1])
    assert shown.disagrees == (False, True, True)
    assert [v.split(":")[0] for v in shown.verdicts] == ["Borne out", "Not borne out", "Not tested"]
    assert np.allclose(shown.attention_mass.sum(1), 1, atol=1e-5)
    assert np.allclose(shown.relevance.sum((1, 2)), shown.relevance_mass.sum(1), rtol=1e-4)


def test_a_high_rank_with_a_weak_knockout_is_not_borne_out_and_says_why() -> None:
    weak = audit._verdict(0.9, 0.43, 0.01, 0.02)
    assert weak == (
        "Not borne out: hiding its most attended blocks moves the log-odds by 0.010, less than random blocks do "
        "(0.020). The order alone holds (rank correlation 0.90, needs 0.43)."
    )
    assert audit._verdict(0.9, 0.43, 0.03, 0.02).startswith("Borne out")


def test_a_verdict_names_the_check_that_failed_with_its_number_and_bar() -> None:
    low = audit._verdict(0.2, 0.43, 0.03, 0.02)
    assert "rank correlation 0.20, needs 0.43" in low and "less than random" not in low
    both = audit._verdict(0.2, 0.43, 0.01, 0.02)
    assert "rank correlation 0.20, needs 0.43" in both and "by 0.010, less than random blocks do (0.020)" in both
    close = audit._verdict(0.4291, 0.4309, 0.0204, 0.0201)
    assert "rank correlation 0.429, needs 0.431" in close, "rounding never makes a missed bar look reached"
    assert audit.told_apart(0.5, 0.5, digits=2) == ("0.50", "0.50")


def test_the_threshold_is_the_five_percent_level() -> None:
    assert critical_rank(16) == pytest.approx(0.4259, abs=1e-3)
    rng = np.random.default_rng(0)
    chance = [spearman(rng.normal(size=16), rng.normal(size=16)) for _ in range(2000)]
    assert np.mean(np.array(chance) >= critical_rank(16)) == pytest.approx(0.05, abs=0.015)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))
    assert critical_rank(3) == 1


def test_the_same_seed_gives_the_same_numbers_and_work_can_be_stopped(network: FusedNetwork, image: ImageState) -> None:
    first, again = found(network, image), found(network, image)
    assert np.array_equal(first.random_effect, again.random_effect)
    assert (first.attended_effect >= 0).all()
    assert SCHEMA.ids[0] == "age"

    def stop() -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        knock_out(network, image, VALUES, KNOWN, blocks=BLOCKS, target=1, temperature=1, seed=0, check=stop)
