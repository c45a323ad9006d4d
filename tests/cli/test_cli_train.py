from __future__ import annotations

from pathlib import Path

import pytest

from mmxai_core.cli.main import main


@pytest.mark.parametrize(
    ("settings", "extra", "said"),
    [
        ("", (), "No BUS-BRA table (bus_data.csv)"),
        ("sed = 3", (), "Unknown training setting sed; known: seed"),
        ("seed = 'three'", (), "Training setting seed must be int; got 'three'"),
        ("seed = ", (), "Cannot read the training settings settings.toml"),
        ("pretrain_cohort = 'bus_bra'", (), "give its folder with --pretrain-root"),
        ("", ("--pretrain-root", "."), "the settings name no pretrain_cohort"),
        ("", ("--task", "grade"), "Tasks of cohort bus_bra are none; got 'grade'"),
        ("", ("--accumulate", "0"), "Training setting accumulate must be from 1 to 4096; got 0"),
        ("", ("--amp", "fp8"), "--amp: invalid choice: 'fp8'"),
    ],
)
def test_refusals_come_before_any_training(
    tmp_path: Path, settings: str, extra: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(settings, encoding="utf-8")
    args = ["--cohort", "bus_bra", "--root", str(tmp_path), "--out", str(tmp_path / "new"), "--config", str(config)]
    assert main(["train", *args, *extra]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_help_says_how_several_gpus_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert "torchrun --nproc-per-node 4 -m mmxai_core train" in out and "--tensorboard DIR" in out
