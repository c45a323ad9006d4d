from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli.evaluate_explanations import bar_words
from mmxai_core.cli.main import main
from mmxai_core.evaluation.explanation_metrics import BARS, coverage_gap
from mmxai_core.model.bundle import load_bundle
from tests.tiny_bundle import tiny_study, write_tiny_bundle


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A bundle, and a manifest of three cases of two patients."""
    folder = tmp_path_factory.mktemp("cohort")
    bundle = write_tiny_bundle(folder / "tiny")
    rows = []
    for i in range(3):
        Image.fromarray(np.round(tiny_study(seed=i).images[0].grey * 255).astype(np.uint8)).save(folder / f"{i}.png")
        rows.append([f"c{i}", f"p{i // 2}", f"{i}.png", ("benign", "malignant")[i % 2], 30 + i, "yes", "no", "spiky"])
    names = ["case_id", "patient_id", "image", "label", "age", "palpable", "nipple_discharge", "margin"]
    with (folder / "cohort.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *rows])
    return ["evaluate-explanations", "--bundle", str(bundle), "--manifest", str(folder / "cohort.csv")]


def test_json_and_files(case: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results"
    args = [*case, "--limit", "2", "--bootstrap", "20", "--device", "cpu"]
    assert main([*args, "--out", str(out), "--json"]) == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    assert len(text.splitlines()) == 1
    assert (found["n"], found["drawn"], found["trained_on_this_cohort"]) == (2, True, False)
    assert set(found["bars"]) == set(BARS)
    assert found["bars"]["conformal_coverage"]["met"] is None  # the tiny bundle has no prediction sets
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == found
    with (out / "cases.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert {"case_id", "called", "ssim_noise", "deletion_gain", "cascade_4"} <= set(rows[0])
    median = np.median([float(r["ssim_noise"]) for r in rows])
    assert found["medians"]["ssim_noise"]["value"] == pytest.approx(median, rel=1e-4)
    assert {r["evidence"] for r in rows} == {""}
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["bundle_sha256"] == load_bundle(Path(case[2])).sha256
    assert (config["seed"], config["limit"], config["cohort"]) == (0, 2, "manifest")
    assert "torch threads" in config["machine"]


def test_table(case: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*case, "--limit", "1", "--bootstrap", "5", "--device", "cpu", "--known", "history"]) == 0
    out = capsys.readouterr().out
    assert "bar: ssim_noise" in out
    assert "Research use only" in out
    assert "caution" not in out


def test_refusals(case: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for option, value in (("--limit", "0"), ("--bootstrap", "0"), ("--seed", "-1")):
        assert main([*case, option, value]) == 2
        assert f"{option} must be at least" in capsys.readouterr().err
    assert main([*case[:3], "--cohort", "bus_bra"]) == 2
    assert "needs --root" in capsys.readouterr().err


def test_the_gap_is_the_largest_of_any_class_at_any_level() -> None:
    def level(a: float, b: float) -> dict:
        return {"coverage": {"benign": {"value": a}, "malignant": {"value": b}}}

    stored = {"coverage": 0.9, "account": {"levels": {"history": level(0.91, 0.88), "image": level(0.9, 0.94)}}}
    assert coverage_gap(stored) == pytest.approx(0.04)
    assert coverage_gap(None) is None
    assert coverage_gap({"coverage": 0.9}) is None
    assert bar_words({"value": 0.04, "bar": 0.03, "rule": "at most", "met": False}) == "0.040, at most 0.03, missed"
