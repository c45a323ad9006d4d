"""Missingness carries no label, and each level hides the groups it should."""

from __future__ import annotations

import numpy as np
import torch

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.training.config import DropConfig
from mmxai_core.training.missing import LEVELS, MissingBalance, drop_fields, level_mask

SCHEMA = ClinicalSchema(
    (
        Field("age", "Age", "numeric", "history", plausible=(10, 110)),
        Field("palpable", "Palpable", "yes_no", "history"),
        Field("halo", "Halo", "yes_no", "descriptor"),
        Field("birads", "BI-RADS", "ordinal", "assessment", categories=(("2", "2"), ("3", "3"))),
    )
)


def _biased(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    known = np.ones((n, 4), bool)
    known[:, 0] = rng.random(n) < np.where(labels == 1, 0.5, 0.9)
    known[:, 1] = known[:, 0]
    return known, labels


def test_balance_makes_unknown_equally_likely_in_each_class() -> None:
    known, labels = _biased()
    balance = MissingBalance.measure(known, labels, 2)
    hidden = balance.hide(torch.from_numpy(labels), torch.Generator().manual_seed(1)).numpy()
    left = known & ~hidden
    rates = [left[labels == k].mean(0) for k in (0, 1)]
    assert abs(known[labels == 0, 0].mean() - known[labels == 1, 0].mean()) > 0.3
    np.testing.assert_allclose(rates[0], rates[1], atol=0.04)


def test_fields_that_are_missing_together_are_hidden_together() -> None:
    known, labels = _biased()
    balance = MissingBalance.measure(known, labels, 2)
    hidden = balance.hide(torch.from_numpy(labels), torch.Generator().manual_seed(1))
    assert torch.equal(hidden[:, 0], hidden[:, 1]) and hidden[:, 0].any()


def test_levels_are_offered_about_equally_and_never_invent_a_value() -> None:
    known, labels = _biased()
    drop = DropConfig(field=0.0, clinical=0.0)
    balance = MissingBalance(torch.zeros(4, dtype=torch.long), torch.zeros(1, 2))
    left = drop_fields(
        torch.from_numpy(known), torch.from_numpy(labels), schema=SCHEMA, balance=balance, drop=drop,
        rng=torch.Generator().manual_seed(2),
    )  # fmt: skip
    assert not (left.numpy() & ~known).any()
    assert abs(float(left[:, 3].float().mean()) - 1 / 3) < 0.05
    assert abs(float(left[:, 2].float().mean()) - 2 / 3) < 0.05


def test_level_masks_name_the_groups() -> None:
    assert level_mask(SCHEMA, LEVELS["history"]).tolist() == [True, True, False, False]
    assert level_mask(SCHEMA, LEVELS["history+descriptor+assessment"]).all()
