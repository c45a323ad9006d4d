"""`compare` from the command line: bad usage is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmxai_core.cli.main import main


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--folds", "1"], "--folds must be from 2 to 100; got 1"),
        (["--seeds", "0"], "--seeds must be from 1 to 100; got 0"),
        (["--models", "image,oracle"], "got 'oracle'"),
        (["--config", "nowhere.toml"], "Cannot read the comparison's settings nowhere.toml"),
    ],
)
def test_bad_usage_is_one_line(more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["compare", "--cohort", "bus_bra", "--root", str(tmp_path), "--out", str(tmp_path / "out"), *more]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_source_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.toml").write_text('source_cohort = "bus_bra"\n')
    (tmp_path / "manifest.csv").write_text("case_id\n")
    argv = ["compare", "--cohort", "breast_lesions_usg", "--root", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*argv, "--config", str(tmp_path / "s.toml")]) == 2
    assert "BrEaST clinical table" in capsys.readouterr().err
