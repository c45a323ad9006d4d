from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmxai_core.cli.main import main
from tests.tiny_bundle import write_tiny_bundle


def test_prints_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    assert main(["benchmark", "--bundle", str(bundle), "--repeats", "1", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["training"]["ways"]["whole_batch"]["images_per_second"] > 0
    ratios = found["ratios"]
    assert ratios["full_explanation_8_fields"]["value"] > 0 and found["forward_seconds"] > 0
    assert found["agreement"]["shap_exact"] < 1e-5
    assert found["preprocessing"]["MR"]["times_faster_cached"] > 1
    assert main(["benchmark", "--bundle", str(bundle), "--repeats", "1", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "preprocessing, US" in out and "one forward pass" in out and ("met)" in out or "missed)" in out)


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--repeats", "0"]) == 2
    assert "--repeats must be at least 1; got 0" in capsys.readouterr().err
    assert main(["benchmark", "--bundle", str(tmp_path / "none")]) == 2
    assert "no bundle folder 'none'" in capsys.readouterr().err
