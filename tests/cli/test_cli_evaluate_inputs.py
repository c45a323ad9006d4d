from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli.main import main
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.training import input_trial
from mmxai_core.training.enrich import enrich_bundle
from mmxai_core.training.input_trial import FlagRow, held_out_flags, summarise_flags
from tests.tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

CASES = 44


def cohort(folder: Path) -> Cohort:
    cases = []
    for i in range(CASES):
        pixels = tiny_study(seed=i).images[0].grey
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
        cases.append(Case(f"c{i}", f"p{i}", folder / f"{i}.png", label=("benign", "malignant")[i % 2]))
    return Cohort("made_up", tuple(cases), SCHEMA, ("benign", "malignant"), "malignant", "", (), (), "", "", "")


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A bundle with statistics of a made-up cohort, that cohort, and a folder of foreign files."""
    import mmxai_core.cohorts.registry as registry

    for name in ("own", "foreign"):
        (tmp_path / name).mkdir()
    made = cohort(tmp_path / "own")
    monkeypatch.setattr(registry, "load_cohort", lambda name, root, task=None: made)
    bundle = write_tiny_bundle(tmp_path / "tiny")
    enrich_bundle(bundle, made, parts=("input",))
    ramp = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (200, 1))
    Image.fromarray(ramp).save(tmp_path / "foreign" / "ramp.png")
    (tmp_path / "foreign" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "foreign" / "notes.md").write_text("a note", encoding="utf-8")
    return ["evaluate-inputs", "--bundle", str(bundle), "--device", "cpu", "--bootstrap", "50"]


def test_sets_bars_and_files(case: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [*case, "--own", "made_up", str(tmp_path / "own"), "--foreign", str(tmp_path / "foreign")]
    assert main([*args, "--intruders", "1", "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    foreign = found["sets"]["foreign"]
    assert foreign["n"] == 1
    assert sum(foreign["refused_by_the_reader"].values()) == 1  # the note is no study, the broken file is refused
    assert found["sets"]["intruders"]["n"] == 20
    own = found["sets"]["made_up, held out of statistics"]
    assert own["n"] == CASES
    assert own["share"]["low"] <= own["share"]["value"] <= own["share"]["high"]
    assert own["flagged"] == len(own["flagged_cases"]) == round(own["share"]["value"] * CASES)
    assert own["flagged"] < CASES / 3
    assert set(found["bars"]) == set(found["sets"])
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8")) == found
    with (tmp_path / "out" / "cases.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1 + 20 + CASES
    assert main([*case, "--intruders", "0", "--foreign", str(tmp_path / "foreign")]) == 0
    assert "foreign: bar" in capsys.readouterr().out


def test_refusals(case: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*case, "--intruders", "0"]) == 2
    assert "Nothing to check" in capsys.readouterr().err
    assert main([*case, "--foreign", str(tmp_path / "none")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    bare = write_tiny_bundle(tmp_path / "bare")
    assert main(["evaluate-inputs", "--bundle", str(bare), "--device", "cpu"]) == 2
    assert "carries no statistics" in capsys.readouterr().err


def test_a_fold_is_judged_by_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patient whose cases are alike but far from everybody else's is flagged only where its own are left out."""
    rng = np.random.default_rng(0)
    x, patients = rng.normal(size=(200, 4)), np.repeat(np.arange(100), 2).astype(str)
    x[:2] += 40
    flags, scores = held_out_flags({"block": x}, np.zeros(200, np.int64), patients, seed=0)
    assert flags[:2].all()
    assert flags[2:].mean() < 0.12
    assert scores[:2].min() > scores[2:].max()
    monkeypatch.setattr(input_trial, "MOST_CASES", 60)
    fewer, _ = held_out_flags({"block": x}, np.zeros(200, np.int64), patients, seed=0)
    assert fewer[:2].all()


def test_intervals_bars_and_sets_apart() -> None:
    rows = [FlagRow("ct", f"{i}", "", True, i > 0, 5.0, "modality") for i in range(10)]
    rows.append(FlagRow("other US", "phantom", "", False, False, 1.0, ""))
    rows += [
        FlagRow("own", f"{i}", f"p{i // 2}", i < 2, i < 2, 1.0, "", ("statistics", "statistics, pretraining")[i % 2])
        for i in range(20)
    ]
    found = summarise_flags(rows, refused={"ct": {"broken": 3}}, replicates=100)
    ct = found["sets"]["ct"]
    assert ct["share"]["low"] == pytest.approx(0.025**0.1)  # 0.025^(1/10)
    assert (ct["by_pixels_alone"], ct["passed"], ct["refused_by_the_reader"]) == (9, [], {"broken": 3})
    assert found["bars"]["ct"]["met"] is True
    assert "other US" not in found["bars"]
    whole, part = (found["sets"][f"own, held out of {h}"] for h in ("statistics", "statistics, pretraining"))
    assert (whole["n"], whole["flagged_cases"], part["n"], part["flagged"]) == (20, ["0", "1"], 10, 1)
    assert found["bars"]["own, held out of statistics"]["met"] is False
