from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli import enrich as command
from mmxai_core.cli.main import main
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.explain.similar import bundle_prototypes
from mmxai_core.explain.strip_reference import bundle_null, bundle_thresholds
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.field_statistics import FieldStatistics
from mmxai_core.model.reference import PARTS, load_reference
from mmxai_core.training import enrich as training
from tests.tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle
from tests.training.test_coverage import fold

CASES = 44


def made_up(folder: Path) -> Cohort:
    """Images of speckle with a disc, one a patient."""
    cases = []
    for i in range(CASES):
        path = folder / f"{i}.png"
        Image.fromarray(np.round(tiny_study(seed=i).images[0].grey * 255).astype(np.uint8)).save(path)
        clinical = {"age": 40.0 + i % 17, "palpable": i % 3 > 0, "margin": ("smooth", "spiky")[i % 2]}
        cases.append(Case(f"c{i}", f"p{i}", path, label=("benign", "malignant")[i % 2], clinical=clinical))
    return Cohort(
        "made_up", tuple(cases), SCHEMA, ("benign", "malignant"), "malignant", "", (), (), "", "", ""
    )  # fmt: skip


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A bundle, and arguments that name it, a cohort and a run of three folds."""
    import mmxai_core.cohorts.registry as registry

    (tmp_path / "cohort").mkdir()
    (tmp_path / "run").mkdir()
    cohort = made_up(tmp_path / "cohort")
    monkeypatch.setattr(registry, "load_cohort", lambda name, root, task=None: cohort)
    for k in range(3):
        (tmp_path / "run" / f"fold-{k}.json").write_text(json.dumps(fold(k)), encoding="utf-8")
    monkeypatch.setattr(training, "STRIP_CASES", 2)
    bundle = write_tiny_bundle(tmp_path / "tiny")
    args = ["enrich", "--bundle", str(bundle), "--cohort", "made_up", "--root", str(tmp_path / "cohort")]
    return bundle, args


def test_a_bundle_is_enriched_and_read_back(
    case: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, args = case
    weights = load_bundle(bundle).sha256
    assert main([*args, "--run-dir", str(tmp_path / "run"), "--json"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(printed["parts"]) == set(PARTS) and not [p for p in printed["parts"].values() if "skipped" in p]
    assert printed["parts"]["input"]["account"]["accepted_held_out"]["made_up"] >= 0.95
    loaded = load_bundle(bundle)
    found = load_reference(loaded)
    assert found.missing == () and bundle_prototypes(loaded) is not None and bundle_null(found) is not None
    assert bundle_thresholds(found).measured["ssim_noise"]["cases"] == 2
    assert loaded.sha256 == weights and found.conformal is not None and found.inputs is not None
    assert found.conformal.levels["history"]["malignant"].measured == pytest.approx(
        printed["parts"]["conformal"]["account"]["levels"]["history"]["coverage"]["malignant"]["value"]
    )
    stored = FieldStatistics.from_arrays(found.part("field_statistics"), schema=SCHEMA, source="")
    assert stored.prior.tolist() == [0.5, 0.5]
    assert all(CASES not in a.shape for a in found.arrays.values())  # aggregates only: no row a case


def test_a_part_alone_keeps_the_others(case: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, args = case
    assert main([*args, "--part", "field_statistics"]) == 0
    assert main([*args, "--part", "conformal"]) == 0
    assert "skipped: Prediction sets need the folds" in capsys.readouterr().out
    found = load_reference(load_bundle(bundle))
    assert found.part("field_statistics") and found.conformal is None


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--part", "horoscope"), "--part takes conformal"),
        (("--run-dir", "nowhere"), "there is no folder nowhere"),
        (("--seed", "-1"), "--seed must not be negative"),
    ],
)
def test_bad_usage_is_one_line(
    case: tuple[Path, list[str]], extra: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*case[1], *extra]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


def test_the_table_names_what_was_skipped() -> None:
    assert command.account_rows({"input": {"skipped": "too few"}}) == [("input", "skipped: too few")]
