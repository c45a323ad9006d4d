from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from generated_dicom import write_table
from preprocessing.generated_pictures import save, speckle

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


TINY = """
folds = 2
views = 1
init = "none"
validation = 0.3
[arch]
canvas = 96
glance = 64
width = 16
heads = 2
depth = 1
[pretrain]
epochs = 1
[image]
epochs = 1
samples = 8
[fusion]
epochs = 2
"""


def test_some_folds_of_a_cohort_that_is_only_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """BUS-BRA with the one field that `compare` gives it; no bundle, and the other folds are left."""
    rows: list[list[object]] = [["ID", "Case", "Histology", "Pathology", "BIRADS", "Device", "Side"]]
    root, run = tmp_path / "bus", tmp_path / "run"
    for i in range(16):
        save(root / "Images" / f"bus_{i:04d}-l.png", speckle((96, 120), seed=i))
        mask = np.pad(np.ones((20, 20), np.float32), ((30, 46), (40, 60)))
        save(root / "Masks" / f"mask_{i:04d}-l.png", mask)
        rows.append([f"bus_{i:04d}-l", i, "x", "malignant" if i % 2 else "benign", 2 + i % 4, "D", "left"])
    write_table(root / "bus_data.csv", rows, delimiter=",")
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")
    argv = [
        "train",
        "--cohort",
        "bus_bra",
        "--root",
        str(root),
        "--config",
        str(tmp_path / "tiny.toml"),
        "--folds",
        "1",
    ]
    assert main(argv) == 2
    assert "--folds needs --run-dir" in capsys.readouterr().err
    assert main([*argv, "--run-dir", str(run), "--name", "x"]) == 2
    assert "--name is of no use with --folds" in capsys.readouterr().err
    assert main([*argv, "2", "--run-dir", str(run)]) == 2
    assert "The folds are 0 to 1; got 2." in capsys.readouterr().err and not run.exists()
    assert main([*argv, "--run-dir", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = json.loads((run / "fold-1.json").read_text(encoding="utf-8"))
    assert [f["fold"] for f in told["folds"]] == [1] and set(told["folds"][0]["auc"]) == set(kept["probabilities"])
    assert kept["fields"] == ["birads"] and not (run / "fold-0.json").exists()
    assert len(kept["case_ids"]) == 8 and "fold 1 pretrain" in (run / "log.jsonl").read_text(encoding="utf-8")
    assert main([*argv, "--run-dir", str(run)]) == 0  # done already: told again, in words
    assert "fold 1, auc, image" in capsys.readouterr().out
