from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cli.main import main
from mmxai_core.explain.files import PICTURE_FILES
from mmxai_core.phantom import make_phantoms, phantom_dicom
from tests.tiny_bundle import ARCH, write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "phantom.dcm"
    path.write_bytes(phantom_dicom(make_phantoms(1, seed=9)[0]))
    return path


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(a) for a in ("explain", "--device", "cpu", *args)])
    return (code, *capsys.readouterr())


def test_writes_what_the_design_says(
    bundle: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "case"
    clinical = '{"age": 61, "palpable": true, "margin": "spiky"}'
    code, printed, _ = run(capsys, "--bundle", bundle, "--image", study, "--clinical", clinical, "--out", out, "--json")
    assert code == 0 and len(printed.splitlines()) == 1
    listed = json.loads(printed)
    assert {n for n in listed["files"] if n.endswith(".png")} <= set(PICTURE_FILES)
    assert all((out / name).is_file() for name in listed["files"])
    found = json.loads((out / "explanation.json").read_text(encoding="utf-8"))
    assert {"prediction", "base_value", "attributions", "interactions", "residual", "reliability", "geometry",
            "seeds", "versions"} <= set(found)  # fmt: skip
    assert set(found["attributions"]) == {"age", "palpable", "margin", "image"} == set(listed["attributions"])
    total = found["base_value"] + sum(found["attributions"].values())
    logits = found["prediction"]["logits"]
    assert total == pytest.approx(logits["malignant"] - logits["benign"], abs=1e-4)
    saliency = np.load(out / "saliency.npy")
    assert saliency.shape == (480, 560) and saliency.dtype == np.float32
    arrays = np.load(out / "cross_modal.npz")
    cells = 4 * ARCH.grid
    assert arrays["clinical_to_image"].shape == (3, cells, cells) and arrays["image_to_clinical"].shape[1] == 3
    for name in ("overlay.png", "waterfall.png", "cross_modal.png", "rollout.png", "waterfall_probability.png",
                 "unified.png", "waterfall_joint.png", "waterfall_background.png"):  # fmt: skip
        with Image.open(out / name) as picture:
            assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 5


def test_table_and_clinical_only(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--bundle", bundle, "--clinical", '{"age": 61, "palpable": "no"}', "--out", tmp_path)
    assert code == 0 and "explain" in err
    assert "contribution of age" in out and "log-odds" in out and "Research use only" in out
    assert "kind of input" in out and "classes not ruled out" in out and "ask next" in out
    assert not (tmp_path / "saliency.npy").exists() and (tmp_path / "waterfall.png").is_file()


def test_refusals(bundle: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    cases = (
        (("--image", study, "--out", tmp_path, "--target-class", "normal"), "one of benign, malignant; got 'normal'"),
        (("--image", study, "--out", tmp_path / "file"), "cannot be written to 'file'"),
        (("--out", tmp_path), "needs an image or at least one known clinical field"),
        (("--image", study), "required: --out"),
        (("--image", study, "--out", tmp_path, "--parts", "joint,maps"), "questions or none; got 'maps'"),
    )
    for args, said in cases:
        code, out, err = run(capsys, "--bundle", bundle, *args)
        assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1
