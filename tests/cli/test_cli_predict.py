from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli.main import main
from mmxai_core.model.bundle import load_bundle
from mmxai_core.phantom import make_phantoms, phantom_dicom
from mmxai_core.predict import Predictor
from tests.tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.round(tiny_study().images[0].grey * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "lesion.png")
    return tmp_path / "lesion.png"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(a) for a in args])
    return (code, *capsys.readouterr())


def test_json_is_what_the_predictor_says(bundle: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "predict", "--bundle", bundle, "--image", picture, "--clinical", '{"age": 57, "palpable": "yes"}',
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert code == 0 and len(out.splitlines()) == 1 and "predict" in err
    found: dict[str, Any] = json.loads(out)
    assert {"bundle", "device", "classes", "probabilities", "logits", "branch_weights", "unknown_fields"} <= set(found)
    assert found["bundle"] == "tiny" and found["device"] == "cpu" and found["classes"] == ["benign", "malignant"]
    assert found["unknown_fields"] == ["nipple_discharge", "margin", "birads"]
    assert sum(found["probabilities"].values()) == pytest.approx(1) == sum(found["branch_weights"].values())
    odds = np.exp([found["logits"][c] for c in found["classes"]])
    assert found["probabilities"]["malignant"] == pytest.approx(odds[1] / odds.sum())
    predictor = Predictor(load_bundle(bundle), device="cpu")
    alone = predictor.predict(tiny_study(), SCHEMA.record({"age": 57, "palpable": True}))
    predictor.close()
    assert found["probabilities"]["malignant"] == pytest.approx(alone.probability, abs=2e-3)  # the PNG holds 8 bits


def test_dicom_clinical_file_and_table(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom = make_phantoms(1, seed=4)[0]
    (tmp_path / "study.dcm").write_bytes(phantom_dicom(phantom))
    (tmp_path / "clinical.json").write_text('{"age": 95, "margin": null}', encoding="utf-8")
    code, out, _ = run(
        capsys, "predict", "--bundle", bundle, "--image", tmp_path / "study.dcm", "--clinical",
        f"@{tmp_path / 'clinical.json'}", "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    assert "probability malignant" in out and "known fields" in out and "Research use only" in out
    assert "outside the usual range" in out  # age 95, beyond the fences


def test_clinical_only(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "predict", "--bundle", bundle, "--clinical", '{"age": 40}', "--json")
    assert code == 0 and json.loads(out)["image_index"] is None


@pytest.mark.parametrize(
    ("clinical", "said"),
    [
        ('{"age": 400}', "Age must be from 0 to 110 years; got 400 (field age)"),
        ('{"margin": "fuzzy"}', "Margin must be one of smooth, spiky or unknown; got 'fuzzy' (field margin)"),
        ('{"colour": 1}', "Unknown clinical field 'colour'"),
        ('{"age": [1, 2]}', "a field has one value; 'age' holds several"),
        ("[1]", "must be a JSON object of field ids and values; got a list"),
        ("{age: 57}", "--clinical must be a JSON object"),
        ('{"age": NaN}', "--clinical must be a JSON object of field ids and values; NaN is not a JSON number"),
        ('{"age": -Infinity}', "-Infinity is not a JSON number"),
        (f'{{"age": 1{"0" * 400}}}', "got one too large (field age)"),
        (f'{{"age": 1{"0" * 5000}}}', "--clinical must be a JSON object"),
        ("@/nowhere/at/all.json", "Clinical file /nowhere/at/all.json cannot be read: No such file"),
    ],
)
def test_bad_clinical_values(
    bundle: Path, picture: Path, clinical: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "predict", "--bundle", bundle, "--image", picture, "--clinical", clinical, "--json")
    assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"plain text, renamed to look like an image\n", "text"), (b"\x89PNG\r\n", "")],
)
def test_bad_images(
    bundle: Path, tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "upload.dcm").write_bytes(content)
    code, out, err = run(capsys, "predict", "--bundle", bundle, "--image", tmp_path / "upload.dcm", "--json")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "Image upload.dcm" in err and said in err


def test_bad_bundles_and_devices(
    bundle: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = write_tiny_bundle(tmp_path / "changed")
    (changed / "background.csv").write_text("age\n1\n", encoding="utf-8")
    partial = write_tiny_bundle(tmp_path / "partial")
    (partial / "weights.safetensors").unlink()
    cases = (
        (tmp_path / "none", "auto", "no bundle folder 'none'"),
        (changed, "auto", "background.csv"),
        (partial, "auto", "weights.safetensors"),
        (bundle, "tpu", "A device is auto, cpu, cuda or cuda:N; got 'tpu'"),
    )
    for folder, device, said in cases:
        code, out, err = run(capsys, "predict", "--bundle", folder, "--image", picture, "--device", device)
        assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1


def test_neither_image_nor_field(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "predict", "--bundle", bundle)
    assert code == 2 and "needs an image or at least one known clinical field" in err
