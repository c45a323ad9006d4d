from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmxai_core.cli.main import main
from mmxai_core.reader_study.ratings import ratings_frame
from mmxai_core.reader_study.roe_metz import rehearse


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    table = rehearse({"unaided": 0.75, "ai": 0.9}, readers=5, positives=30, negatives=40, seed=2)
    ratings_frame(table).to_csv(tmp_path / "pilot.csv", index=False)
    return tmp_path / "pilot.csv"


@pytest.mark.data
def test_mrmc_prints_the_vandyke_oracle(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reader-study", "mrmc", str(data_dir / "mrmc" / "VanDyke.csv"), "--json"]) == 0
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found["auc"] == pytest.approx({"1": 0.8970370, "2": 0.9408374}, abs=1e-6)
    numbers = [found[k] for k in ("difference", "se", "f", "df1", "df2", "p")] + found["ci"]
    oracle = [-0.04380032, 0.02074862, 4.456319, 1, 15.25967, 0.05166569, -0.0879595, 0.00035885]
    assert numbers == pytest.approx(oracle, abs=1e-6, rel=1e-6)


def test_mrmc_table_and_imrmc_file(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_file = pilot.with_suffix(".imrmc")
    assert main(["reader-study", "mrmc", str(pilot), "--generalise", "cases", "--imrmc", str(out_file)]) == 0
    out, _ = capsys.readouterr()
    assert "AUC unaided" in out
    assert "difference ai - unaided" in out
    assert "these readers only" in out
    assert "BEGIN DATA:\n" in out_file.read_text()


def test_bootstrap_is_seeded(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["reader-study", "mrmc", str(pilot), "--json", "--covariance", "bootstrap", "--replicates", "200"]
    results = []
    for seed in ("1", "1", "2"):
        assert main([*arguments, "--seed", seed]) == 0
        results.append(json.loads(capsys.readouterr()[0]))
    assert results[0] == results[1]
    assert results[0]["se"] != results[2]["se"]
    assert results[2]["seed"] == 2


def test_plan(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reader-study", "plan", str(pilot), "--effect", "0.1", "--json"]) == 0
    plans = json.loads(capsys.readouterr()[0])["plans"]
    assert plans
    assert all(p["power"] >= 0.8 for p in plans)
    assert main(["reader-study", "plan", str(pilot), "--effect", "0.1"]) == 0
    assert "readers and" in capsys.readouterr()[0]


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "validation.json"
    assert main(["reader-study", "validate", "--out", str(out), "--studies", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr()[0])
    assert found["summary"]["HL 1.50 null"]["studies"] == 100
    assert found == json.loads(out.read_text())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mrmc", "{bad}"], "bad.csv, row 3, column rating: must be a number; got 'x'"),
        (["mrmc", "missing.csv"], "missing.csv: cannot be read"),
        (["mrmc", "{pilot}", "--replicates", "1"], "at least 2 replicates; got 1"),
        (["mrmc", "{pilot}", "--covariance", "magic"], "invalid choice: 'magic'"),
        (["plan", "{pilot}", "--effect", "0"], "got 0.05 and 0.0"),
        (["validate", "--out", "a.json", "--studies", "0"], "--studies must be at least 1"),
        ([], "required: ACTION"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], expected: str, pilot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = pilot.with_name("bad.csv")
    lines = pilot.read_text().splitlines()
    bad.write_text("\n".join([*lines[:2], ",".join([*lines[2].split(",")[:-1], "x"]), *lines[3:]]))
    filled = [a.format(bad=bad, pilot=pilot) for a in arguments]
    assert main(["reader-study", *filled]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err
