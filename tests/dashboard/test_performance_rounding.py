"""A difference beside two printed figures is that of the printed figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dashboard.components import performance_source as source
from dashboard.components.performance_rounding import agreeing
from dashboard.components.performance_shipped import shipped_headline
from dashboard.components.performance_words import leads

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"
RUNS = sorted(p.parent for p in PRETRAINED.glob("*/results/*/metrics.json"))


@pytest.mark.parametrize(
    ("a", "b", "difference", "printed"),
    [
        (0.9, 0.85, 0.05, ("0.900", "0.850", "+0.050", 3)),
        (0.8581, 0.8555, 0.0026, ("0.8581", "0.8555", "+0.0026", 4)),  # 0.858 and 0.856, which do not differ by 0.003
        (0.85804, 0.85556, 0.00248, ("0.858", "0.856", "+0.002", 3)),
        (0.858146, 0.855554, 0.002749, ("0.8581", "0.8556", "+0.0025", 4)),  # four disagree too: of what is printed
        (0.8, 0.8006, -0.0006, ("0.800", "0.801", "-0.001", 3)),
    ],
)
def test_three_digits_or_four(a: float, b: float, difference: float, printed: tuple[str, str, str, int]) -> None:
    assert agreeing(a, b, difference) == printed


def agree(first: str, second: str, gap: str) -> bool:
    return abs(float(first) - float(second) - float(gap)) < 1e-9


@pytest.mark.parametrize("folder", RUNS, ids=lambda p: p.name)
def test_every_verdict_of_the_committed_runs_adds_up(folder: Path) -> None:
    run = source.read_run(folder)
    found = leads(run)
    assert found
    told = [re.search(r"AUC,? (\d\.\d+);.* with (\d\.\d+).*\(difference ([+-]\d\.\d+)", x.sentence) for x in found]
    assert any(told) and all(agree(*m.groups()) for m in told if m), [x.sentence for x in found]


def test_the_file_itself_would_not_add_up() -> None:
    run = source.read_run(PRETRAINED / "breast-us" / "results" / "breast_lesions_usg")
    (verdict,) = [v for v in run.metrics.verdicts if v.level == "history"]
    (lead,) = [x for x in leads(run) if x.level == "history"]
    assert "0.858" in verdict.sentence and "(difference +0.003" in verdict.sentence
    assert "0.8581" in lead.sentence and "0.8555" in lead.sentence and "(difference +0.0026" in lead.sentence


@pytest.mark.parametrize("bundle", ["breast-us", "duke-mri", "lgg-mri"])
def test_the_bundles_own_headline_adds_up(bundle: str) -> None:
    said = shipped_headline(json.loads((PRETRAINED / bundle / "results.json").read_text(encoding="utf-8")))
    found = re.findall(r"only (\d\.\d+) against (\d\.\d+) \([^;]*; difference ([+-]\d\.\d+)", said)
    assert all(agree(ours, other, gap) for other, ours, gap in found)
