"""Training settings: read from TOML, checked, complete."""

from __future__ import annotations

import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from mmxai_core.errors import CohortError, MmxaiError
from mmxai_core.model.config import Architecture
from mmxai_core.training.config import DropConfig, LossConfig, StageConfig, TrainConfig
from mmxai_core.training.settings_file import load_config, save_config

SHIPPED = Path(__file__).resolve().parents[2] / "pretrained" / "breast-us" / "training" / "config.toml"


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("seed = 3\n[image]\nepochs = 2\nlr = 1\n[arch]\nwidth = 64\n")
    config = load_config(path)
    assert (config.seed, config.image.epochs, config.image.lr, config.arch.width) == (3, 2, 1.0, 64)
    assert config.pretrain == TrainConfig().pretrain
    assert load_config(None) == TrainConfig()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sede = 3", "Unknown training setting sede"),
        ("[image]\nepochs = 'ten'", "image.epochs must be int; got 'ten'"),
        ("image = 4", "image must be a table"),
        ("seed = = 3", "Cannot read the training settings run.toml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(CohortError, match=words):
        load_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "validation = 0",
        "folds = 1",
        "seed = -1",
        "image_mix = 7",
        'amp = "fp8"',
        "accumulate = 0",
        'batch_norm = "off"',
        'draws = "image"',
        'readout = "none"',
        "checkpoint_steps = -1",
        'pretrain_cohort = "bus"',
        'init = "weights.onnx"',
        "[image]\nepochs = 0",
        "[drop]\nfield = 3",
        "[image]\nlr = nan",
        "[arch]\nheads = 0",
        "[arch]\ncanvas = 64\nglance = 32",
        "[arch]\ndropout = 1.0",
        "[arch]\nbackbone = 'resnet'",
    ],
)
def test_a_setting_out_of_range_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(MmxaiError, match="must be") as refused:
        load_config(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("shipped", [False, True])
def test_what_is_saved_is_read_back_equal(tmp_path: Path, shipped: bool) -> None:
    config = load_config(SHIPPED) if shipped else TrainConfig(seed=2, init='a "b" \\ é.pth', accumulate=4, amp="fp16")
    save_config(config, tmp_path / "saved.toml")
    assert load_config(tmp_path / "saved.toml") == config
    written = tomllib.loads((tmp_path / "saved.toml").read_text(encoding="utf-8"))
    assert written == config.to_json()  # every setting is there, those with their default too


def test_every_setting_is_checked() -> None:
    """A setting that is added without a rule is found here: each is put to a value no setting can have."""
    for kind in (TrainConfig, StageConfig, LossConfig, DropConfig, Architecture):
        for f in fields(kind):
            value = getattr(kind(), f.name)
            if isinstance(value, bool) or is_dataclass(value):
                continue  # any bool is fine; tables are checked by their own settings
            with pytest.raises(MmxaiError):
                made = kind(**{f.name: "no such thing" if isinstance(value, str) else -7})
                TrainConfig(arch=made if isinstance(made, Architecture) else Architecture())
