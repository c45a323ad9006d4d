"""What is said of the groups that a case lies within: of all of them, and of no class more than of another."""

from __future__ import annotations

import numpy as np
import what_if_case as made
from tiny_bundle import SCHEMA

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.explain.similar import similar_groups
from mmxai_core.model.prototypes import Prototypes
from mmxai_core.results.similar import SimilarGroups

CLASSES = ("benign", "malignant")


def near(*groups: tuple[float, int, int]) -> SimilarGroups:
    """What is said where the case lies at these distances from groups of so many cases of each class."""
    network, fields, count = made.network(), len(SCHEMA.fields), len(groups)
    wide = 3 * network.arch.width
    prototypes = Prototypes(
        schema=SCHEMA, classes=CLASSES, levels=("image only",), level_known=np.zeros((1, fields), bool),
        level_image=np.ones(1, bool), offset=np.zeros(wide, np.float32), projection=np.zeros((wide, 1), np.float32),
        centroids=np.array([[[d] for d, _, _ in groups]], np.float32), reach=np.ones((1, count), np.float32),
        outcomes=np.array([[b, m] for _, b, m in groups], np.int64), known=np.zeros((count, fields), np.int64),
        quartiles=np.full((count, fields, 3), np.nan, np.float32), common=np.full((count, fields), -1),
        share=np.zeros((count, fields), np.float32), source="made up",
    )  # fmt: skip
    return similar_groups(network, made.image(network), ClinicalRecord(), prototypes)


def test_every_group_that_the_case_lies_within_counts() -> None:
    """The nearest of three holds malignant cases only; the next one as many benign ones and more."""
    got = near((0.3, 0, 8), (0.4, 18, 0), (0.9, 4, 4), (1.2, 0, 30))
    assert got.sentence.endswith("lies within 3 groups of training cases, together 34 cases, 22 benign, 12 malignant.")
    assert [g.cases for g in got.groups] == [8, 18, 8]


def test_groups_beyond_those_described_count_too() -> None:
    said = near((0.1, 0, 8), (0.2, 5, 0), (0.3, 5, 0), (0.4, 6, 1)).sentence
    assert said.endswith("4 groups of training cases, together 25 cases, 16 benign, 9 malignant. "
                         "The nearest 3 are described.")  # fmt: skip


def test_one_group_or_none() -> None:
    assert near((0.3, 2, 8), (1.4, 18, 0)).sentence == (
        "The case lies within one group of training cases: 10 cases, 2 benign, 8 malignant."
    )
    none = near((1.04, 2, 8), (1.4, 18, 0)).sentence
    assert none.startswith("No group of training cases is near: the nearest lies 1.04 times as far")
    assert "benign" not in none and "malignant" not in none, "what is not near speaks for no class"
