"""The bundle that ships: predicts, explains and evaluates through the command line, and its card says what it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from mmxai_core.cli.main import main
from mmxai_core.clinical import ClinicalRecord
from mmxai_core.evaluation.explanation_metrics import BARS, coverage_gap
from mmxai_core.evaluation.intruders import make_intruders
from mmxai_core.evaluation.saliency import grad_cam_map
from mmxai_core.explain.strip_reference import NULL_ARRAY, NULL_PART, bundle_scale
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.reference import load_reference
from mmxai_core.predict import Predictor
from mmxai_core.training.missing import LEVELS

BUNDLE = ROOT / "pretrained" / "breast-us"
PHANTOM = ROOT / "assets" / "samples" / "phantom-b.dcm"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> dict:
    code = main([str(a) for a in args])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def test_it_is_small_complete_and_says_what_it_is() -> None:
    bundle = load_bundle(BUNDLE)
    assert (BUNDLE / "weights.safetensors").stat().st_size <= 40e6
    assert len(bundle.schema.fields) == 18
    assert {f.group for f in bundle.schema.fields} == {"history", "descriptor", "assessment"}
    assert bundle.metadata["saliency_reference"] > 0
    card, results = bundle.model_card(), bundle.results()
    assert "Research use only" in card and "CC BY 4.0" in card
    models = results["cross_validation"]["models"]
    for level in LEVELS:
        for model in ("fused", "clinical"):
            assert {"value", "low", "high"} <= set(models[f"{model}|{level}"]["auc"])
    assert results["external_test"] and results["phantoms"]["n"] == 60
    assert f"{models['fused|history']['auc']['value']:.3f}" in card
    assert (BUNDLE / "training" / "log.jsonl").is_file() and (BUNDLE / "training" / "config.toml").is_file()


def test_the_null_of_the_maps_lies_below_the_colour_scale_and_real_maps_above_the_null() -> None:
    bundle = load_bundle(BUNDLE)
    reference = load_reference(bundle)
    peaks = reference.part(NULL_PART)[NULL_ARRAY]
    floor = float(np.percentile(peaks, 95))
    assert 0 < floor < 0.7 * bundle.metadata["saliency_reference"]
    account = reference.entries[NULL_PART]["account"]
    assert account["maps"] == len(peaks) >= 800
    assert account["above"] > 0.5
    logit_sd, weights, quantiles = account["logit_sd"], account["weights"], account["peaks"]
    assert logit_sd["refitted"] == pytest.approx(logit_sd["trained"])
    assert logit_sd["shuffled"] < logit_sd["trained"] / 2  # shuffled labels teach little
    assert weights["shuffled"] < weights["trained"]  # ... without the large weights that made random read-outs loud
    assert quantiles["refitted"][-1] == pytest.approx(quantiles["trained"][-1], rel=0.25)  # the control: true labels
    assert quantiles["shuffled"][-1] == pytest.approx(floor, rel=1e-6)
    assert reference.missing == ()


def test_no_evidence_looks_blank() -> None:
    bundle = load_bundle(BUNDLE)
    scale = bundle_scale(load_reference(bundle), saliency_reference=bundle.saliency_reference)
    assert scale is not None
    predictor = Predictor(bundle, device="cpu")
    frames = {i.name: i.study() for i in make_intruders(seed=0)}
    shown = {}
    for name in ("black frame", "flat grey", "checkerboard", "normal noise"):
        encoded = predictor.encode(frames[name])
        prediction = predictor.predict(frames[name], ClinicalRecord(), encoded=encoded)
        grid = grad_cam_map(predictor, encoded, ClinicalRecord(), prediction)
        assert grid.max() > 0  # scaled to its own maximum it would glow
        shown[name] = float(scale.opacity(grid).max())
    predictor.close()
    assert [shown[n] for n in ("black frame", "flat grey", "checkerboard")] == [0, 0, 0]
    assert shown["normal noise"] < 0.15


def test_measured_explanations_and_inputs_travel_with_it() -> None:
    bundle = load_bundle(BUNDLE)
    for folder, rows in (("explanations", 201), ("inputs", 1800)):
        results, config = (
            json.loads((BUNDLE / "results" / folder / f"{n}.json").read_text(encoding="utf-8"))
            for n in ("results", "config")
        )
        assert results["bundle_sha256"] == config["bundle_sha256"] == bundle.sha256
        for name, bar in results["bars"].items():
            assert bar["met"] is not None and isinstance(bar["value"], float), name
        with (BUNDLE / "results" / folder / "cases.csv").open(newline="", encoding="utf-8") as stream:
            assert len(list(csv.DictReader(stream))) >= rows
    measured = json.loads((BUNDLE / "results" / "explanations" / "results.json").read_text(encoding="utf-8"))
    assert set(measured["bars"]) == set(BARS)
    assert measured["bars"]["conformal_coverage"]["value"] == coverage_gap(bundle.metadata["conformal"])


def test_predict_on_a_dicom_phantom(capsys: pytest.CaptureFixture[str]) -> None:
    clinical = json.dumps({"age": 61, "palpable": True, "margin": "unknown"})
    found = run(
        capsys, "predict", "--bundle", BUNDLE, "--image", PHANTOM, "--clinical", clinical, "--device", "cpu", "--json"
    )
    assert found["bundle"] == "breast-us" and found["device"] == "cpu" and found["classes"] == ["benign", "malignant"]
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert sum(found["branch_weights"].values()) == pytest.approx(1)
    assert "margin" in found["unknown_fields"] and "age" not in found["unknown_fields"]


def test_an_image_can_be_left_out_and_fields_too(capsys: pytest.CaptureFixture[str]) -> None:
    alone = run(capsys, "predict", "--bundle", BUNDLE, "--image", PHANTOM, "--device", "cpu", "--json")
    assert len(alone["unknown_fields"]) == 18 and 0 < alone["probabilities"]["malignant"] < 1


@pytest.mark.data
def test_explain_a_real_case(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = data_dir / "breast_lesions_usg" / "originals_rgba" / "case001.png"
    clinical = json.dumps({"age": 57, "palpable": False, "breast_scar": True, "family_history": True})
    found = run(
        capsys, "explain", "--bundle", BUNDLE, "--image", image, "--clinical", clinical, "--out", tmp_path,
        "--device", "cpu", "--json",
    )  # fmt: skip
    written = json.loads((tmp_path / "explanation.json").read_text())
    assert set(written["attributions"]) == {"age", "palpable", "breast_scar", "family_history", "image"}
    total = written["base_value"] + sum(written["attributions"].values())
    logits = written["prediction"]["logits"]
    assert total == pytest.approx(logits["malignant"] - logits["benign"], abs=1e-4)
    assert abs(written["residual"]) < 1e-4
    saliency = np.load(tmp_path / "saliency.npy")
    assert saliency.dtype == np.float32 and saliency.shape == (537, 485) and saliency.max() > 0
    maps = np.load(tmp_path / "cross_modal.npz")
    assert maps["clinical_to_image"].shape[0] == 4
    assert list(tmp_path.glob("*.png")) and found


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("known", [None, "history", "history,descriptor"])
def test_evaluate_on_the_real_cohort(data_dir: Path, known: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--known", known] if known else ["--no-localization"]
    found = run(
        capsys, "evaluate", "--bundle", BUNDLE, "--cohort", "breast_lesions_usg", "--root",
        data_dir / "breast_lesions_usg", "--device", "cpu", "--bootstrap", 200, "--json", *more,
    )  # fmt: skip
    assert found["n"] == 201 and set(found["auc"]) == {"value", "low", "high"}
    assert {"prevalence", "accuracy", "sensitivity", "specificity", "f1", "brier", "ece"} <= set(found)
    assert found["auc"]["value"] > 0.9  # the cases it was trained on: a broken bundle would not reach this
    if known is None:
        assert found["localization"] is None
    else:
        assert found["localization"]["n"] == 201 and found["localization"]["pointing_game"] > 0.6
