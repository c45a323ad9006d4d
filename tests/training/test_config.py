"""Training settings: read from TOML, checked, complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmxai_core.errors import CohortError
from mmxai_core.training.config import TrainConfig, load_config


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
        'amp = "fp16"',
        "[image]\nepochs = 0",
        "[drop]\nfield = 3",
    ],
)
def test_a_setting_out_of_range_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(CohortError, match="must be"):
        load_config(path)
