"""What early stopping of an image stage watches: the class alone, or the lesion map too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.image_stage import encode_cases, train_image, weighted_numbers
from mmxai_core.training.loop import Hooks
from mmxai_core.training.losses import lesion_loss
from mmxai_core.training.pretrain import pretrain_encoder
from mmxai_core.training.run_log import RunLog
from tests.training.image_cases import CONFIG, cases

STAGE = StageConfig(epochs=3, batch=4, lr=3e-3, ema=0.0, patience=3)


@pytest.fixture
def encoder() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(CONFIG.arch).eval()


def _rows(encoder: ImageEncoder, config: TrainConfig) -> tuple[list[dict[str, Any]], int]:
    rows: list[dict[str, Any]] = []
    result = train_image(
        encoder, cases(), cases(masked=8), stage=STAGE, config=config, seed=0, hooks=Hooks(log=lambda r: rows.append(r))
    )
    return [r for r in rows if "val_loss" in r], int(result["best_epoch"])


def test_the_whole_loss_is_that_of_the_class_plus_the_maps_share(encoder: ImageEncoder) -> None:
    data = cases()
    found = weighted_numbers(encoder, data, weights=(1.0, 0.7))
    states = list(encode_cases(encoder, data))
    logits = torch.cat([s.logits for s in states])
    ce = F.cross_entropy(logits, torch.from_numpy(data.labels)).item()
    of_map = lesion_loss(
        torch.cat([s.lesion_logits for s in states]), torch.from_numpy(data.lesion).float()[:, None],
        torch.from_numpy(data.has_mask),
    ).item()  # fmt: skip
    assert found["lesion"] == pytest.approx(of_map, rel=1e-5) and found["lesion"] > 0.1
    assert found["loss"] == pytest.approx(ce + 0.7 * of_map, rel=1e-5) and "auc" in found
    alone = weighted_numbers(encoder, data, weights=(0.0, 0.7))
    assert alone["loss"] == pytest.approx(0.7 * of_map, rel=1e-5)


def test_each_choice_keeps_the_epoch_of_its_own_lowest_loss(encoder: ImageEncoder) -> None:
    kept = {}
    for watch in ("class", "whole", "lesion"):
        torch.manual_seed(0)
        rows, best = _rows(ImageEncoder(CONFIG.arch), replace(CONFIG, watch=watch))
        losses = [r["val_loss"] for r in rows]
        assert best == losses.index(min(losses)) and ("val_lesion" in rows[0]) == (watch != "class")
        if watch == "lesion":
            assert losses == pytest.approx([CONFIG.loss.lesion * r["val_lesion"] for r in rows], abs=1e-3)
        kept[watch] = losses
    assert kept["class"] != kept["whole"]


def test_a_pretrained_branch_of_the_other_choice_is_not_taken_for_it(tmp_path: Path) -> None:
    config = replace(CONFIG, pretrain=replace(STAGE, epochs=1), pretrain_validation=0.5)
    for watch in ("class", "whole", "class"):
        pretrain_encoder(cases(masked=8), config=replace(config, watch=watch), log=RunLog(tmp_path))
    assert len(list(tmp_path.glob("pretrained-*.pt"))) == 2


def test_without_a_mask_there_is_no_map_to_watch(encoder: ImageEncoder) -> None:
    with pytest.raises(CohortError, match="needs validation cases with a lesion mask"):
        train_image(encoder, cases(), cases(masked=0), stage=STAGE, config=replace(CONFIG, watch="lesion"), seed=0)
    with pytest.raises(CohortError, match=r"needs loss\.lesion above 0"):
        replace(CONFIG, watch="lesion", loss=replace(CONFIG.loss, lesion=0.0))
