"""The lesion map of the second glance: its term, its gradient, and that a network learns it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmxai_core.comparison.config import CompareConfig
from mmxai_core.comparison.encoders import new_encoder, train_encoder
from mmxai_core.errors import CohortError
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.training.augment import lesion_boxes
from mmxai_core.training.config import LossConfig, StageConfig, TrainConfig
from mmxai_core.training.image_stage import ImageObjective
from mmxai_core.training.losses import lesion_glance_mask, lesion_loss
from mmxai_core.training.objective import add_gradient
from mmxai_core.training.run_log import RunLog
from tests.training.image_cases import CONFIG, cases
from tests.training.test_objective import close, encoder, gradient

#: Without decay: a weight that no term reads keeps its first value.
ONE = StageConfig(epochs=1, batch=8, weight_decay=0.0)
BOTH = replace(CONFIG, loss=LossConfig(second_lesion=0.5))


def test_the_term_is_the_loss_of_what_the_mask_shows_there() -> None:
    """The mask's cut against one made pixel by pixel; its loss against the loss of that cut."""
    mask = torch.zeros(1, 1, 96, 96)
    mask[..., 24:48, 36:72] = 1
    box = torch.tensor([[0.5, 0.375, 0.5]])  # pixels 24 to 72 across, 12 to 60 down
    cut = lesion_glance_mask(mask, box, 16)
    assert torch.allclose(cut, F.avg_pool2d(mask[..., 12:60, 24:72], 3), atol=0.08)
    sure = torch.where(cut > 0.5, 9.0, -9.0)
    here = torch.tensor([True])
    assert float(lesion_loss(sure, cut, here)) < 0.2 < 5 < float(lesion_loss(-sure, cut, here))


def test_only_where_it_is_asked_for() -> None:
    plain, both = (ImageObjective(encoder(), cases(), config) for config in (CONFIG, BOTH))
    assert plain.names == ("ce", "lesion", "coherence")
    assert both.names == (*plain.names, "second_lesion") and both.weights == (*plain.weights, 0.5)
    index = torch.arange(8)
    assert both.masses(index) == (8.0, 3.0, 3.0, 3.0)
    for objective in (plain, both):
        terms = add_gradient(objective, index, torch.Generator().manual_seed(5))
        assert tuple(terms) == objective.names


def test_micro_batches_add_up_here_too() -> None:
    model = encoder().eval()  # batch norm's statistics are what a split changes otherwise
    whole, terms = gradient(model, BOTH, accumulate=1)
    parts, same = gradient(model, BOTH, accumulate=3)
    assert close(whole, parts) < 1e-5
    assert same == pytest.approx(terms, rel=1e-5)


def _second_loss(model: ImageEncoder, config: TrainConfig) -> float:
    """Loss of the second glance's map, boxes from the masks without jitter."""
    objective = ImageObjective(model, cases(masked=8), config)
    canvas, _, _, lesion, has_mask = objective.draw(torch.arange(8), torch.Generator().manual_seed(1)).part(slice(0, 8))
    boxes = lesion_boxes(lesion, None)
    with torch.no_grad():
        logits = model(canvas, boxes=boxes, maps="both").second_lesion_logits
    assert logits is not None
    return float(lesion_loss(logits, lesion_glance_mask(lesion, boxes, logits.shape[-1]), has_mask))


def test_a_network_learns_the_second_map_by_its_own_term() -> None:
    """Every other term off: what lowers the second map's loss is its own."""
    config = replace(CONFIG, class_weight=0.0, loss=LossConfig(lesion=0.0, coherence=0.0, second_lesion=1.0))
    model = encoder().train()
    objective = ImageObjective(model, cases(masked=8), config)
    before = _second_loss(model, config)
    optimiser, rng = torch.optim.Adam(model.parameters(), lr=3e-3), torch.Generator().manual_seed(0)
    for _ in range(30):
        optimiser.zero_grad()
        add_gradient(objective, torch.arange(8), rng)
        optimiser.step()
    assert _second_loss(model, config) < 0.75 * before


def test_settings_from_before_keep_their_form() -> None:
    before = {"smoothing": 0.05, "lesion": 0.5, "coherence": 0.1, "branch": 0.3}
    assert TrainConfig().to_json()["loss"] == before and CompareConfig().to_json()["loss"] == before | {
        "coherence": 0.0
    }
    assert "refine" not in CompareConfig().to_json()["arch"]
    assert BOTH.to_json()["loss"] == before | {"second_lesion": 0.5}


def test_a_box_is_not_refined_on_a_map_that_nothing_trains() -> None:
    arch = replace(CONFIG.arch, refine=1)
    assert replace(BOTH, arch=arch).arch.refine == 1
    with pytest.raises(CohortError, match=r"arch\.refine needs loss\.second_lesion above 0"):
        replace(CONFIG, arch=arch)
    with pytest.raises(CohortError, match=r"arch\.refine needs loss\.second_lesion above 0"):
        CompareConfig(arch=arch)


def test_without_lesion_loss_trains_no_map_at_all(tmp_path: Path) -> None:
    """The ablation of a recipe that trains both maps; with it the recipe itself, for the account."""
    arch = replace(CONFIG.arch, refine=1)
    config = CompareConfig(init="none", arch=arch, main=ONE, ablation=ONE, loss=LossConfig(second_lesion=0.5))
    data, accounts = cases(masked=8), {}
    for kind in ("no_lesion_loss", "main"):
        log = RunLog(tmp_path / kind)
        trained = train_encoder(kind, data, data, config=config, seed=0, cache=tmp_path, log=log, name="fold 0")
        accounts[kind] = trained.account
        torch.manual_seed(0)
        untrained = new_encoder(kind, config)[0]
        kept = trained.encoder.lesion_out.weight
        assert torch.equal(kept, untrained.lesion_out.weight) == (kind == "no_lesion_loss")
    assert "second_lesion_loss" not in accounts["no_lesion_loss"] and accounts["no_lesion_loss"]["lesion_loss"] == 0
    assert accounts["main"]["second_lesion_loss"] == 0.5
