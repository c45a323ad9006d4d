"""The network that finds the lesion: trained apart and first, left alone by the image stages, tuned for a cohort."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.comparison.config import CompareConfig
from mmxai_core.errors import BundleError, CohortError
from mmxai_core.model.config import Architecture
from mmxai_core.model.encoders import ImageEncoder
from mmxai_core.model.glance import square_overlap
from mmxai_core.model.lesion_map import LesionFinder
from mmxai_core.training.config import StageConfig, TrainConfig
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.finder_stage import FinderObjective, finder_numbers, train_finder
from mmxai_core.training.image_stage import train_image
from mmxai_core.training.objective import add_gradient
from mmxai_core.training.pretrain import pretrain_encoder
from mmxai_core.training.recipe import blend, fit_split
from mmxai_core.training.run_log import RunLog
from mmxai_core.training.settings_file import load_config, save_config
from mmxai_core.training.train import _kept_epochs
from tests.training.image_cases import BACKBONE, cases

ARCH = Architecture(
    backbone=BACKBONE, canvas=96, glance=64, width=16, heads=2, depth=1, dropout=0.0, finder=True
)  # fmt: skip
STAGE = StageConfig(epochs=1, batch=8, lr=3e-3, ema=0.0)
CONFIG = TrainConfig(
    init="none", arch=ARCH, pretrain_validation=0.5, finder=STAGE, finder_tune=STAGE, pretrain=STAGE, image=STAGE,
    fusion=STAGE, views=0, refit=False, image_mix=0.5,
)  # fmt: skip


def _discs(count: int = 16) -> CohortArrays:
    """A dark disc on speckle, at another place and of another size in each case."""
    data, rng = cases(count, masked=count), np.random.default_rng(1)
    y, x = np.mgrid[:96, :96]
    for i in range(count):
        cy, cx, r = rng.uniform(25, 71), rng.uniform(25, 71), rng.uniform(9, 16)
        data.lesion[i] = (y - cy) ** 2 + (x - cx) ** 2 < r**2
        data.grey[i] = np.where(data.lesion[i], 20, 120 + data.grey[i] // 8)
    return data


def _finder() -> LesionFinder:
    torch.manual_seed(0)
    return LesionFinder(ARCH)


def _changed(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return any(not torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_it_learns_to_find_discs_it_has_not_seen() -> None:
    data, finder = _discs(48), _finder()
    train, held = data.take(range(32)), data.take(range(32, 48))
    before = finder_numbers(finder.eval(), held)
    stage = StageConfig(epochs=40, batch=8, lr=2e-2, ema=0.9, patience=40)
    result = train_finder(finder, train, held, stage=stage, config=CONFIG, seed=0)
    after = finder_numbers(finder.eval(), held)
    assert after["loss"] < 0.6 * before["loss"] and after["iou"] > before["iou"] + 0.15
    assert after["loss"] == pytest.approx(float(result["best_loss"]), abs=1e-4)


def test_overlap_of_squares() -> None:
    a = torch.tensor([[0.5, 0.5, 0.4], [0.5, 0.5, 0.4], [0.2, 0.2, 0.2], [0.5, 0.5, 0.4]])
    b = torch.tensor([[0.5, 0.5, 0.4], [0.7, 0.5, 0.4], [0.8, 0.8, 0.2], [0.5, 0.5, 0.2]])
    assert square_overlap(a, b).tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.25])


def test_cases_without_a_mask_are_left_out_and_none_at_all_is_refused() -> None:
    with pytest.raises(CohortError, match=r"arch\.finder needs training cases with a lesion mask; none has one"):
        train_finder(_finder(), cases(masked=0), cases(masked=8), stage=STAGE, config=CONFIG, seed=0)
    with pytest.raises(CohortError, match="needs validation cases with a lesion mask"):
        train_finder(_finder(), cases(masked=8), cases(masked=0), stage=STAGE, config=CONFIG, seed=0)
    some, few = _finder(), _finder()
    weights = np.arange(1.0, 9.0)
    train_finder(some, cases(masked=3), cases(masked=2), stage=STAGE, config=CONFIG, seed=0, weights=weights)
    only = cases(masked=3).take(range(3))
    train_finder(few, only, cases(masked=2).take(range(2)), stage=STAGE, config=CONFIG, seed=0, weights=weights[:3])
    assert not _changed(some, few)


@pytest.mark.parametrize("draws", ["batch", "case"])
def test_micro_batches_add_up(draws: str) -> None:
    finder, data = _finder().eval(), _discs(8)
    config = replace(CONFIG, draws=draws)

    def gradient(accumulate: int) -> torch.Tensor:
        finder.zero_grad()
        objective = FinderObjective(finder, data, config)
        add_gradient(objective, torch.arange(8), torch.Generator().manual_seed(5), accumulate=accumulate)
        return torch.cat([p.grad.flatten() for p in finder.parameters() if p.grad is not None])

    whole, parts = gradient(1), gradient(3)
    assert float((whole - parts).abs().max()) < 1e-5 * float(whole.abs().max())


def test_an_image_stage_leaves_the_finder_alone_and_is_steered_by_it() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder(ARCH)
    assert encoder.finder is not None
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    stage = replace(STAGE, ema=0.5, weight_decay=0.5)
    train_image(encoder, _discs(), _discs(8), stage=stage, config=CONFIG, seed=0)
    changed = {k.split(".")[0] for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])}
    assert "finder" not in changed and {"cnn", "neck16", "lesion8", "head"} <= changed


def test_blending_leaves_the_tuned_finder_whole() -> None:
    torch.manual_seed(0)
    start, tuned = ImageEncoder(ARCH), ImageEncoder(ARCH)
    mixed, t, s = blend(start, tuned, 0.5).state_dict(), tuned.state_dict(), start.state_dict()
    assert torch.equal(mixed["finder.lesion_out.weight"], t["finder.lesion_out.weight"])
    assert torch.allclose(mixed["head.weight"], (t["head.weight"] + s["head.weight"]) / 2)


def test_the_recipe_trains_it_first_and_tunes_it_where_it_comes_from_another_cohort(tmp_path: Path) -> None:
    log, data, schema = RunLog(tmp_path), _discs(), ClinicalSchema(())
    first = pretrain_encoder(data, config=CONFIG, log=log)
    stages = [json.loads(r)["stage"] for r in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert stages == ["pretrain finder", "pretrain", "pretrain finder", "pretrain"]  # an epoch each, then what came out
    again = pretrain_encoder(data, config=CONFIG, log=log)
    assert not _changed(first, again) and len((tmp_path / "log.jsonl").read_text().splitlines()) == 4
    other = pretrain_encoder(data, config=replace(CONFIG, finder=replace(STAGE, lr=1e-3)), log=RunLog(tmp_path / "2"))
    assert _changed(first, other) and not list(tmp_path.glob("2/" + next(tmp_path.glob("pretrained-*.pt")).name))
    for name, replay in (("own", None), ("other", data)):
        fitted = fit_split(
            data.take(range(8)), data.take(range(8, 16)), pretrained=first, replay=replay, schema=schema,
            config=CONFIG, log=log, name=name, seed=0,
        )  # fmt: skip
        mine, used = fitted.image.finder, fitted.network.image_encoder.finder
        assert mine is not None and used is not None and first.finder is not None
        assert _changed(mine, first.finder) == (replay is not None) == ("finder" in fitted.stages)
        assert not _changed(mine, used)


def test_settings_without_it_keep_their_form_and_with_it_go_round(tmp_path: Path) -> None:
    usual = TrainConfig().to_json()
    assert not {"finder", "finder_tune"} & set(usual) and "finder" not in usual["arch"]
    config = replace(TrainConfig(), arch=replace(TrainConfig().arch, finder=True), finder=STAGE)
    for settings in (config, replace(TrainConfig(), finder=STAGE)):  # a table for what is off is kept as well
        save_config(settings, tmp_path / "c.toml")
        assert load_config(tmp_path / "c.toml") == settings
    assert Architecture.from_json(config.arch.to_json()).finder


def test_what_does_not_go_with_it_is_refused() -> None:
    with pytest.raises(CohortError, match=r'watch must be "class" with arch\.finder'):
        replace(CONFIG, watch="lesion")
    with pytest.raises(CohortError, match=r"arch\.finder is for `train`"):
        CompareConfig(arch=ARCH)
    with pytest.raises(BundleError, match="with finder it must be 0; got 1"):
        replace(ARCH, refine=1)
    with pytest.raises(BundleError, match="finder must be true or false; got 'yes'"):
        Architecture.from_json(ARCH.to_json() | {"finder": "yes"})


def test_an_outline_that_vanishes_on_the_canvas_is_none() -> None:
    data = cases(masked=8)
    data.lesion[2:] = 0  # has_mask stays: there was a file
    some, few = _finder(), _finder()
    train_finder(some, data, data, stage=STAGE, config=CONFIG, seed=0)
    train_finder(few, data.take(range(2)), data.take(range(2)), stage=STAGE, config=CONFIG, seed=0)
    assert not _changed(some, few)


def test_the_last_fit_keeps_the_folds_median_epoch_of_it_too() -> None:
    stages = [{s: {"best_epoch": k} for s in ("finder", "image", "fusion", "clinical")} for k in (1, 5, 3)]
    assert _kept_epochs([{"stages": s} for s in stages])["finder"] == 3
    assert "finder" not in _kept_epochs([{"stages": {k: v for k, v in s.items() if k != "finder"}} for s in stages])
