"""`preprocess` from the command line, on a small cohort in BUS-BRA's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from generated_dicom import write_table
from preprocessing.generated_pictures import cross, save, speckle

from mmxai_core.cli.main import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows: list[list[object]] = [["ID", "Case", "Histology", "Pathology", "BIRADS", "Device", "Side"]]
    for i in range(5):
        grey = speckle((96, 120), seed=i)
        if i == 2:
            cross(grey, 48, 60)
        name = f"bus_{i:04d}-l"
        if i != 4:
            save(tmp_path / "bus" / "Images" / f"{name}.png", grey)
        save(
            tmp_path / "bus" / "Masks" / f"mask_{i:04d}-l.png",
            np.pad(np.ones((20, 20), np.float32), ((30, 46), (40, 60))),
        )
        rows.append([name, i, "x", "malignant" if i % 2 else "benign", 4, "D", "left"])
    write_table(tmp_path / "bus" / "bus_data.csv", rows, delimiter=",")
    return tmp_path / "bus"


def test_it_says_what_was_made_reused_and_dropped(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["preprocess", "--cohort", "bus_bra", "--root", str(root), "--out", str(tmp_path / "cache")]
    argv += ["--workers", "1"]
    (root / "Images" / "bus_0003-l.png").write_bytes(b"broken")
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cases"], found["made"], found["reused"], found["dropped"]) == (4, 3, 0, 1)
    assert found["why"][0]["case"] == "bus_0003-l" and "Cannot read image bus_0003-l.png" in found["why"][0]["reason"]
    assert found["dropped_before"] == [["image file missing", 1]] and found["pairs"]["without_picture"] == 1
    assert found["pictures_with_marks"] == 1 and found["images_per_second"] > 0 and found["workers"] == 1
    assert found["modalities"] == {"US": 3} and found["steps"]["no burned-in marks found"] == 2
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == 3
    (tmp_path / "s.toml").write_text("[preprocess]\nmarks = false\n")
    assert main([*argv, "--config", str(tmp_path / "s.toml")]) == 0
    table = capsys.readouterr().out
    assert "3 / 0 / 0 / 1" in table and "pictures a second" in table and "bus_0003-l" in table


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--workers", "0"], "--workers must be from 1 to 256; got 0"),
        (["--cohort", "nothing"], "Unknown cohort 'nothing'"),
        (["--config", "nowhere.toml"], "Cannot read the comparison's settings nowhere.toml"),
    ],
)
def test_bad_usage_is_one_line(
    more: list[str], said: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["preprocess", "--cohort", "bus_bra", "--root", str(root), "--out", str(tmp_path / "cache"), *more]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1 and not (tmp_path / "cache").exists()
