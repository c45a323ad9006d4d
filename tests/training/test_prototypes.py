from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import BundleError, CohortError
from mmxai_core.explain.fused_space import block_scale, fused_vectors
from mmxai_core.explain.similar import similar_groups
from mmxai_core.model.prototypes import MIN_CASES, Prototypes
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.image_stage import encode_cases
from mmxai_core.training.prototypes import group_cases, measure_prototypes

CLASSES = ("benign", "malignant")


def arrays(n: int = 40) -> CohortArrays:
    """Speckle whose texture goes with the class, and records that do too."""
    records, labels = made.cohort(n, seed=1)
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 120, (n, 128, 128)).astype(np.uint8)
    grey[labels == 1, 40:90, 40:90] += 100
    encoded = [SCHEMA.encode(r) for r in records]
    return CohortArrays(
        grey, np.tile([0, 0, 128, 128], (n, 1)), np.zeros_like(grey), np.zeros(n, bool),
        np.stack([e.values for e in encoded]), np.stack([e.known for e in encoded]), labels,
        tuple(f"c{i}" for i in range(n)), tuple(f"p{i}" for i in range(n)), tuple(records),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data() -> CohortArrays:
    return arrays()


@pytest.fixture(scope="module")
def found(data: CohortArrays) -> Prototypes:
    return measure_prototypes(made.network(), data, schema=SCHEMA, classes=CLASSES, source="40 made-up cases", seed=0)


def test_groups_hold_every_case_once_and_none_is_small(found: Prototypes, data: CohortArrays) -> None:
    assert found.outcomes.sum(0).tolist() == np.bincount(data.labels).tolist()
    assert found.outcomes.sum(1).min() >= MIN_CASES and len(found.outcomes) >= 2
    assert not (found.known > found.outcomes.sum(1)[:, None]).any()
    told = np.isfinite(found.quartiles).all(2) | (found.common >= 0)
    assert (found.known[told] >= MIN_CASES).all() and told.any()
    assert all(len(a) < 40 or a.ndim < 2 or n == "projection" for n, a in found.to_arrays().items())  # no row a case
    assert found.levels[0] == "image only" and len(set(found.levels)) == len(found.levels) == 7


def test_small_groups_are_given_to_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 1, (40, 3)), rng.normal(30, 0.1, (2, 3)), rng.normal(9, 1, (20, 3))])
    group = group_cases(points.astype(np.float32), seed=0)
    assert np.bincount(group).min() >= MIN_CASES and set(group) == set(range(group.max() + 1))
    assert group[40] == group[41]


def test_a_training_case_lies_in_a_group_of_cases_like_it(found: Prototypes, data: CohortArrays) -> None:
    network = made.network()
    inside = 0
    for i in range(0, 40, 4):
        one = data.take([i])
        (state,) = encode_cases(network.image_encoder, one)
        got = similar_groups(network, state, data.records[i], found)
        inside += got.groups[0].inside
        distances = [g.distance for g in got.groups]
        assert distances == sorted(distances)
        assert sum(got.groups[0].outcomes.values()) == got.groups[0].cases >= MIN_CASES
    assert inside >= 5


def test_summaries_say_what_the_members_have(found: Prototypes) -> None:
    network = made.network()
    record = SCHEMA.record({"age": 1, "margin": "spiky"})
    got = similar_groups(network, None, record, found, count=2)
    assert got.level == "history, descriptor, no image"  # 2 of 4 fields; of history alone 1 of 4
    for group in got.groups:
        by_field = {f.field: f for f in group.fields}
        assert by_field["age"].agrees is False  # nobody is one year old
        assert by_field["palpable"].agrees is None
        assert "years (" in by_field["age"].text and by_field["margin"].text.split()[0] in ("Smooth", "Spiky")
        assert by_field["margin"].agrees == by_field["margin"].text.startswith("Spiky")
    assert "no independent evidence" in " ".join(got.semantics.split()) and "40 made-up cases" in got.semantics


def test_a_case_unlike_all_is_said_to_be_near_none(found: Prototypes) -> None:
    network = made.network()
    far = replace(found, centroids=found.centroids + 1000)
    got = similar_groups(network, made.image(network), ClinicalRecord(), far)
    assert got.level == "image only" and got.sentence.startswith("No group of training cases is near")


def test_arrays_give_it_back_and_a_wrong_shape_is_refused(found: Prototypes) -> None:
    again = Prototypes.from_arrays(found.to_arrays(), found.entry(), schema=SCHEMA, classes=CLASSES)
    assert again.levels == found.levels and np.array_equal(again.centroids, found.centroids)
    with pytest.raises(BundleError, match="reach must be"):
        Prototypes.from_arrays(
            found.to_arrays() | {"reach": np.ones((1, 1))}, found.entry(), schema=SCHEMA, classes=CLASSES
        )
    with pytest.raises(BundleError, match="at least 5 cases"):
        replace(found, outcomes=np.minimum(found.outcomes, 2))
    with pytest.raises(BundleError, match="lack or misstate"):
        Prototypes.from_arrays({}, found.entry(), schema=SCHEMA, classes=CLASSES)


def test_too_few_cases_are_refused(data: CohortArrays) -> None:
    with pytest.raises(CohortError, match="at least 10 cases; the cohort has 9"):
        measure_prototypes(
            made.network(), data.take(range(9)), schema=SCHEMA, classes=CLASSES, source="", seed=0
        )  # fmt: skip


def test_the_fused_vector_is_what_the_head_reads() -> None:
    network = made.network()
    state = made.image(network, 2)
    values, known = torch.rand(2, 5).round(), torch.ones(2, 5, dtype=torch.bool)
    vectors = torch.from_numpy(fused_vectors(network, state, values, known))
    with torch.no_grad():
        tokens = network.encode_clinical(values, known)
        fused, _ = network.fuse(state, tokens)
        d = network.arch.width
        assert torch.allclose(vectors[:, :d], state.pooled, atol=1e-6)
        assert torch.allclose(network.fusion.clinical_head(vectors[:, d:]), fused.clinical_logits, atol=1e-5)
    constant = vectors.numpy().copy()
    constant[:, :d] = constant[0, :d]
    scale = block_scale(constant)
    assert np.isinf(scale[:d]).all() and np.isfinite(scale[d:]).all()
