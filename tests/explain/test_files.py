from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

from mmxai_core.errors import ExplanationError
from mmxai_core.explain.benchmark import BARS, run_benchmark
from mmxai_core.explain.explainer import Explainer
from mmxai_core.explain.files import (
    PICTURE_FILES,
    explanation_json,
    prediction_json,
    read_explanation_json,
    safe_label,
    write_explanation,
)
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor

RECORD = SCHEMA.record({"age": 61, "birads": "4"})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def explainer(bundle: Path) -> Iterator[Explainer]:
    predictor = Predictor(load_bundle(bundle), device="cpu")
    yield Explainer(predictor)
    predictor.close()


def test_the_files_hold_what_the_explanation_held(explainer: Explainer, tmp_path: Path) -> None:
    study = tiny_study()
    explanation = explainer.explain(study, RECORD)
    written = write_explanation(explanation, tmp_path / "out", study=study, pictures={"overlay.png": b"png"})
    assert {f.name for f in written} == {
        "explanation.json", "saliency.npy", "rollout.npy", "lesion_map.npy", "cross_modal.npz", "overlay.png",
        "regions.npz", "unified.npz", "attention_audit.npz",
    }  # fmt: skip
    saliency = np.load(tmp_path / "out" / "saliency.npy")
    assert saliency.dtype == np.float32
    assert explanation.saliency is not None
    assert np.array_equal(saliency, explanation.saliency.source)
    assert saliency.shape == study.images[0].geometry.shape
    cross = np.load(tmp_path / "out" / "cross_modal.npz")
    assert cross["clinical_to_image"].shape == (2, 16, 16)
    assert cross["image_to_clinical"].shape == (4, 2)
    assert cross["fields"].tolist() == ["age", "birads"]
    content = read_explanation_json(tmp_path / "out")
    assert content == read_explanation_json(tmp_path / "out" / "explanation.json")
    assert set(content["attributions"]) == {"age", "birads", "image"}
    total = content["base_value"] + sum(content["attributions"].values()) + content["residual"]
    logits = content["prediction"]["logits"]
    assert total == pytest.approx(logits["malignant"] - logits["benign"])
    assert np.array(content["interactions"]["values"]).shape == (3, 3)
    assert content["probability"]["output"] == pytest.approx(content["prediction"]["probabilities"]["malignant"])
    assert content["geometry"]["source_shape"] == [90, 120]
    assert content["saliency"]["reference"] == 2.5
    assert content["seeds"] == {"explanation": 0}
    assert content["versions"]["bundle"] == "tiny"
    assert content["pictures"] == ["overlay.png"]
    assert len(content["reliability"]) == len(explanation.reliability)
    assert content["study"]["sha256"] == study.sha256
    assert content["parts"] == ["maps", "joint", "attention", "strip", "questions"]
    joint = content["joint"]
    assert set(joint["removal"]["attributions"]) == {"age", "birads", *joint["regions"]}
    assert joint["removal"]["interval"] is None
    assert set(joint["background"]["interval"]["values"]) == set(joint["removal"]["attributions"])
    labels = np.load(tmp_path / "out" / "regions.npz")
    assert labels["labels_source"].shape == (90, 120)
    assert labels["names"].tolist() == joint["regions"]
    unified = np.load(tmp_path / "out" / "unified.npz")
    assert unified["source"].shape == (90, 120)
    assert np.allclose(unified["field_grids"].sum(0), unified["grid"], atol=1e-6)
    assert set(content["audit"]["fields"]) == {"age", "birads"}
    assert np.load(tmp_path / "out" / "attention_audit.npz")["effect"].shape == (2, 16)
    assert content["strip"]["keys"][0] == "evidence"
    assert content["input_check"]["measured"] is False
    assert content["prediction_set"]["outcome"] == "not_calibrated"
    assert content["branches"]["views"][0]["is_case"] is True
    assert {q["field"] for q in content["questions"]["questions"]} == {"palpable", "nipple_discharge", "margin"}
    assert content["similar"] is None


def test_a_case_without_an_image_leaves_no_maps_of_an_earlier_one(explainer: Explainer, tmp_path: Path) -> None:
    drawn = dict.fromkeys(PICTURE_FILES, b"png")
    write_explanation(explainer.explain(tiny_study(), RECORD), tmp_path, study=tiny_study(), pictures=drawn)
    (tmp_path / "mine.png").write_bytes(b"not ours")
    kept = {"waterfall.png": b"new"}
    write_explanation(explainer.explain(None, RECORD), tmp_path, study=None, pictures=kept)
    assert {f.name for f in tmp_path.iterdir()} == {"explanation.json", "waterfall.png", "mine.png"}
    assert (tmp_path / "waterfall.png").read_bytes() == b"new"
    content = read_explanation_json(tmp_path)
    assert (content["saliency"], content["cross_modal"], content["geometry"], content["study"]) == (None,) * 4


def test_no_file_name_reaches_what_is_written(explainer: Explainer) -> None:
    study = tiny_study()
    named = replace(study, images=(replace(study.images[0], label="Doe Jane 1956"),))
    explanation = explainer.explain(named, RECORD, parts=())
    assert explanation.prediction.image_scores[0].label == "Doe Jane 1956"
    assert prediction_json(explanation.prediction)["image_scores"][0]["label"] == "Image 1"
    content = explanation_json(explanation, study=named)
    assert content["input_check"]["images"][0]["label"] == "Image 1"
    assert "Doe" not in json.dumps(content)


@pytest.mark.parametrize(
    "label", ["Image", "Image 2", "Frame 12", "Slice 3", "Axial slice 40", "L CC", "MLO", "R MLO, frame 2"]
)
def test_labels_of_the_reader_stay(label: str) -> None:
    assert safe_label(label, 6) == label


@pytest.mark.parametrize("label", ["Doe", "Image Doe", "L Doe", "Slice 3 Doe", "Image 19561203", "Slice 3\n", ""])
def test_other_labels_become_numbers(label: str) -> None:
    assert safe_label(label, 6) == "Image 7"


def test_bad_names_and_places_are_refused(explainer: Explainer, tmp_path: Path) -> None:
    explanation = explainer.explain(None, RECORD)
    for name in ("../x.png", "x.txt"):
        with pytest.raises(ExplanationError, match="A picture is named like"):
            write_explanation(explanation, tmp_path, study=None, pictures={name: b""})
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplanationError, match="cannot be written to 'file'"):
        write_explanation(explanation, tmp_path / "file", study=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not hold an explanation"),
        (json.dumps({"format": "mmxai-explanation", "format_version": 9}), "format version 9"),
    ],
)
def test_files_that_are_no_explanation(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "explanation.json").write_text(text)
    with pytest.raises(ExplanationError, match=message):
        read_explanation_json(tmp_path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ExplanationError, match=r"'explanation\.json' is missing"):
        read_explanation_json(tmp_path)


@pytest.mark.slow
def test_the_benchmark_measures_every_ratio(bundle: Path) -> None:
    result = run_benchmark(bundle, repeats=1, device="cpu")
    assert set(result["ratios"]) == set(BARS)
    for ratio in result["ratios"].values():
        assert ratio["value"] > 0
        if ratio["bar"] is None:
            assert ratio["met"] is None
            continue
        better = ratio["value"] >= ratio["bar"] if ratio["unit"] == "times faster" else ratio["value"] <= ratio["bar"]
        assert ratio["met"] == better
    assert result["agreement"]["shap_exact"] < 1e-5
    assert result["agreement"]["re_encoding"] < 1e-5
    assert result["device"] == "cpu"
