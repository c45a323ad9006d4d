from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from small_studies import golden, vandyke

from mmxai_core.cli.main import main


@pytest.mark.data
def test_vandyke_as_tables(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vandyke(data_dir).to_csv(tmp_path / "readings.csv", index=False)
    given = ["reader-study", "analyse", "--tables", str(tmp_path), "--threshold", "4", "--replicates", "50", "--json"]
    assert main(given) == 0
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    row = json.loads(out)["sections"]["mrmc"]["tables"]["mrmc"][0]
    oracle = {"difference": 0.04380032, "se": 0.02074862, "f": 4.456319, "df2": 15.25967, "p": 0.05166569}
    assert {k: row[k] for k in oracle} == pytest.approx(oracle, abs=1e-6, rel=1e-6)
    assert [row["low"], row["high"]] == pytest.approx([-0.00035885, 0.0879595], abs=1e-6)


def test_rehearse_then_analyse_writes_every_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables, out = tmp_path / "tables", tmp_path / "out"
    given = ["reader-study", "rehearse", "--out", str(tables), "--readers", "2", "--positives", "3", "--negatives", "3",
             "--seeded-wrong", "1", "--auc", "unaided=0.7", "--auc", "ai=0.9", "--json"]  # fmt: skip
    assert main(given) == 0
    said = json.loads(capsys.readouterr()[0])
    assert said["readings"] == 2 * 6 * 2
    assert (tables / "NOTICE.txt").read_text().startswith("SIMULATED READERS")
    assert main(["reader-study", "analyse", "--tables", str(tables), "--out", str(out), "--replicates", "20"]) == 0
    text, _ = capsys.readouterr()
    assert "SIMULATED READERS: no evidence" in text
    for name in ("analysis.json", "report.pdf", "tables/readings.parquet", "results/mrmc.csv", "data_dictionary.csv",
                 "checklists/decide_ai.csv", "figures/accuracy_1.png", "imrmc/stages.imrmc"):  # fmt: skip
        assert (out / name).stat().st_size > 0, name
    assert json.loads((out / "analysis.json").read_text())["simulated"] is True


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["analyse", "--tables", "{good}", "--scale", "x"], "Scales in the readings are 'probability'; got 'x'"),
        (["analyse", "--tables", "{bad}"], "Table readings, row 3, column stage: must be one of"),
        (["analyse", "--tables", "missing"], "missing: cannot be read"),
        (["analyse", "--tables", "{good}", "--replicates", "1"], "--replicates must be at least 2"),
        (["analyse", "--tables", "{good}", "--maps", "{good}"], "holds no map"),
        (["analyse", "--store", "missing.sqlite", "--study", "a"], "there is no such store"),
        (["analyse", "--store", "missing.sqlite"], "--store needs --study"),
        (["analyse"], "one of the arguments --tables --store is required"),
        (["rehearse", "--out", "x", "--readers", "0"], "needs 1 reader"),
        (["rehearse", "--out", "x", "--auc", "ai"], "takes STAGE=AUC"),
        (["rehearse", "--out", "x", "--auc", "later=0.7"], "stages are unaided, ai, explanation; got 'later'"),
        (["rehearse", "--out", "x", "--auc", "unaided=1.2"], "between 0 and 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = golden()
    for name, last in (("good", rows[1]), ("bad", rows[1] | {"stage": "later"})):
        (tmp_path / name).mkdir()
        pd.DataFrame([rows[0], last]).to_csv(tmp_path / name / "readings.csv", index=False)
    filled = [a.format(good=tmp_path / "good", bad=tmp_path / "bad") for a in arguments]
    assert main(["reader-study", *filled]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err
    assert not (tmp_path / "x").exists()
