"""The MRI bundles that ship: complete, honest about themselves, and answering through the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import ROOT

from mmxai_core.cli.main import main
from mmxai_core.evaluation.explanation_metrics import BARS
from mmxai_core.model.bundle import Bundle, load_bundle
from mmxai_core.model.reference import load_reference
from mmxai_core.results.standing import warnings
from mmxai_core.training.config import TrainConfig
from mmxai_core.training.missing import LEVELS
from mmxai_core.training.settings_file import build_settings, load_config

SAMPLES = ROOT / "assets" / "samples"
#: Bundle, cohort, folder of the data, its planes, samples, cases.
MRI = {
    "lgg-mri": ("tcga_lgg", "tcga_lgg_mri", ("pre", "flair", "post"), ("brain-a.dcm", "brain-b.dcm"), 174),
    "duke-mri": (
        "duke_breast_mri", "duke_breast_mri", ("pre", "early", "late"), ("breast-mri-a.dcm", "breast-mri-b.dcm"), 0,
    ),
}  # fmt: skip


@pytest.fixture(params=MRI)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def bundle(name: str) -> Bundle:
    return load_bundle(ROOT / "pretrained" / name)


def run(capsys: pytest.CaptureFixture[str], *args: object) -> dict[str, object]:
    code = main([str(a) for a in args])
    out, err = capsys.readouterr()
    assert code == 0, err
    found: dict[str, object] = json.loads(out)
    return found


def test_it_says_what_it_is(name: str, bundle: Bundle) -> None:
    cohort, _, planes, _, _ = MRI[name]
    card, results = bundle.model_card(), bundle.results()
    assert (bundle.path / "weights.safetensors").stat().st_size <= 40e6
    assert "Research use only" in card and "non-commercial" in card.lower() and "luma" in card
    assert bundle.planes == planes and results["cohort"] == cohort
    models = results["cross_validation"]["models"]
    for level in LEVELS:
        for model in ("fused", "clinical"):
            assert f"{models[f'{model}|{level}']['auc']['value']:.3f}" in card
    assert load_reference(bundle).missing == ()
    told = " ".join(warnings(bundle.metadata, results))
    assert "Non-commercial" in told and "patients only" in told
    flat = [k for k, m in models.items() if k.startswith("fused|") and m["auc"]["low"] <= 0.5]
    assert ("better than chance" in told) == bool(flat)


def test_how_it_was_trained_travels_with_it(bundle: Bundle) -> None:
    folder = bundle.path / "training"
    used = build_settings(TrainConfig, bundle.results()["training"]["config"], "", TrainConfig())
    assert load_config(folder / "config.toml") == used
    stages = {json.loads(line)["stage"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()}
    # each fold pretrained on its own cases: none that it holds out was seen
    assert {f"fold {k} pretrain" for k in range(5)} <= stages


def test_its_explanations_were_measured(name: str, bundle: Bundle) -> None:
    folder = bundle.path / "results" / "explanations"
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["bundle_sha256"] == bundle.sha256 and results["cohort"] == MRI[name][0]
    assert set(results["bars"]) == set(BARS)
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == results["n"]


def test_the_readme_says_what_was_measured(name: str, bundle: Bundle) -> None:
    models = bundle.results()["cross_validation"]["models"]
    said = " ".join((SAMPLES.parents[1] / "README.md").read_text(encoding="utf-8").split())

    def figure(key: str) -> str:
        auc = models[key]["auc"]
        return f"{auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f})"

    assert f"`{name}` {figure('fused|history+descriptor+assessment')}" in said
    if name == "duke-mri":
        assert f"from the image alone {figure('fused|image')}" in said


def test_it_knows_where_the_lesion_is(bundle: Bundle) -> None:
    """Out of fold, against the lesion masks or boxes: the strongest place lies in most of them."""
    found = bundle.results()["cross_validation"]["localization"]
    assert found["n"] > 150 and found["hit"]["low"] > 0.5 and found["iou"]["low"] > 0.3


def test_its_samples_are_read_as_its_own_kind(name: str, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    for sample in MRI[name][3]:
        found = run(
            capsys, "predict", "--bundle", bundle.path, "--image", SAMPLES / sample, "--clinical", '{"age": 50}',
            "--device", "cpu", "--json",
        )  # fmt: skip
        assert found["classes"] == list(bundle.classes)
        assert sum(found["probabilities"].values()) == pytest.approx(1)  # type: ignore[attr-defined]


@pytest.mark.data
def test_it_evaluates_on_its_cohort(
    name: str, bundle: Bundle, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort, folder, *_ = MRI[name]
    found = run(
        capsys, "evaluate", "--bundle", bundle.path, "--cohort", cohort, "--root", data_dir / folder,
        "--no-localization", "--bootstrap", 100, "--device", "cpu", "--json",
    )  # fmt: skip
    assert found["n"] == bundle.results()["cross_validation"]["n"]
    assert 0.5 < found["auc"]["value"] <= 1  # type: ignore[index]  # cases it was trained on
