"""Soft targets from the categories that readers gave: in training alone, and only where the setting asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmxai_core.cohorts.case import Case
from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays, assessed_as
from mmxai_core.training.image_stage import ImageObjective, image_logits, train_image, validation_numbers
from mmxai_core.training.loop import Hooks
from mmxai_core.training.teacher import taught_targets
from tests.training.image_cases import CONFIG, cases


def test_a_category_says_how_often_its_cases_are_of_each_class() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = taught_targets(labels, ("3", "3", "3", "3", "5", ""), classes=2, weight=0.5)
    malignant_of_3 = (1 + 2 * 0.5) / (4 + 2)  # counted, with two cases of the prevalence
    assert found[:3, 1] == pytest.approx(0.5 * malignant_of_3) and found[3, 1] == pytest.approx(
        0.5 + 0.5 * malignant_of_3
    )
    assert found[4, 1] == pytest.approx(0.5 + 0.5 * (1 + 1) / (1 + 2))
    assert found[5].tolist() == [0, 1]  # nobody assessed it
    assert found.sum(1) == pytest.approx(1)
    for assessed, weight in (((), 0.5), (("3",) * 6, 0.0)):
        assert np.array_equal(taught_targets(labels, assessed, classes=2, weight=weight), np.eye(2)[labels])


def test_the_category_is_found_as_a_field_or_as_a_stratum() -> None:
    image = Path("x.png")
    assert assessed_as(Case("a", "a", image, clinical={"birads": "4a"})) == "4a"
    assert assessed_as(Case("a", "a", image, strata={"birads": "4"})) == "4"
    assert assessed_as(Case("a", "a", image, strata={"device": "4"})) == ""


def test_categories_follow_their_cases() -> None:
    data = replace(cases(4), assessed=("x 2", "", "x 5", "x 3"))
    assert data.take([2, 0]).assessed == ("x 5", "x 2") and cases(4).take([1]).assessed == ()
    both = CohortArrays.concatenate([cases(2), data])
    assert both.assessed == ("", "", "x 2", "", "x 5", "x 3")
    assert CohortArrays.concatenate([cases(2), cases(2)]).assessed == ()


def test_the_objective_learns_the_soft_targets_and_validation_goes_by_the_class() -> None:
    data = replace(cases(8), assessed=("x 2",) * 5 + ("",) * 3)
    torch.manual_seed(0)
    encoder = ImageEncoder(CONFIG.arch).eval()
    index = torch.arange(8)

    def ce(config: TrainConfig, given: CohortArrays) -> tuple[float, torch.Tensor]:
        objective = ImageObjective(encoder, given, config)
        drawn = objective.draw(index, torch.Generator().manual_seed(1))
        canvas, boxes = drawn.part(slice(None))[:2]
        with torch.no_grad():
            term = objective.terms(*drawn.part(slice(None)))[0]
            return float(term), encoder(canvas, boxes=boxes).logits

    taught, logits = ce(replace(CONFIG, teacher=1.0), data)
    targets = torch.from_numpy(taught_targets(data.labels, data.assessed, classes=2, weight=1.0))
    smoothing = CONFIG.loss.smoothing
    assert taught == pytest.approx(float(F.cross_entropy(logits, targets, label_smoothing=smoothing)), rel=1e-5)
    plain = float(F.cross_entropy(logits, torch.from_numpy(data.labels), label_smoothing=smoothing))
    assert ce(CONFIG, data)[0] == pytest.approx(plain, rel=1e-5) and abs(taught - plain) > 1e-4

    rows: list[dict[str, float]] = []
    stage = StageConfig(epochs=1, batch=4, lr=1e-3, ema=0.0)
    train_image(
        encoder, data, cases(6), stage=stage, config=replace(CONFIG, teacher=1.0), seed=0,
        hooks=Hooks(log=lambda r: rows.append(r)),  # type: ignore[arg-type]
    )  # fmt: skip
    expected = validation_numbers(image_logits(encoder.eval(), cases(6)), cases(6).labels)["loss"]
    assert rows[0]["val_loss"] == pytest.approx(expected, abs=1e-4)


def test_the_teacher_has_a_share_from_nothing_to_all() -> None:
    with pytest.raises(CohortError, match=r"teacher must be from 0 to 1; got 1\.5"):
        TrainConfig(teacher=1.5)
