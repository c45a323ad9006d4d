"""`replay`: the same numbers from the same capsule, and one sentence for whatever is not the same."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from tiny_bundle import tiny_network, write_tiny_bundle

from mmxai_core.cli.main import main
from mmxai_core.model.bundle import load_bundle, refresh_hashes
from mmxai_core.model.seal import bundle_seal
from mmxai_core.phantom import make_phantoms, phantom_dicom
from mmxai_core.report.capsule import MANIFEST, RESULTS, _json
from mmxai_core.report.capsule_zip import open_zip, sha256, write_zip

CLINICAL = '{"age": 61, "palpable": true, "margin": "spiky"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny bundle, a study, and its capsules with and without the inputs."""
    folder = tmp_path_factory.mktemp("replay")
    write_tiny_bundle(folder / "tiny")
    (folder / "study.dcm").write_bytes(phantom_dicom(make_phantoms(1, seed=9)[0]))
    base = ["explain", "--device", "cpu", "--bundle", folder / "tiny", "--image", folder / "study.dcm",
            "--clinical", CLINICAL, "--seed", "3", "--out", folder / "out", "--json"]  # fmt: skip
    assert main([str(a) for a in [*base, "--capsule", folder / "full.zip"]]) == 0
    hashed = [*base, "--parts", "joint", "--capsule", folder / "hashes.zip", "--without-inputs"]
    assert main([str(a) for a in hashed]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(a) for a in ("replay", *args)])
    return (code, *capsys.readouterr())


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    code, out, err = run(capsys, *args)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and out == "" and len(lines) == 1
    return lines[0]


def resealed(data: bytes, results: dict[str, object]) -> bytes:
    """A capsule whose results were changed by someone who knows how it is sealed."""
    entries = open_zip(data)
    manifest = json.loads(entries.pop(MANIFEST))
    entries[RESULTS] = _json(results)
    manifest.pop("seal")
    manifest["entries"][RESULTS] = sha256(entries[RESULTS])
    manifest["seal"] = sha256(_json(manifest))
    return write_zip({MANIFEST: _json(manifest), **entries})


def test_a_capsule_replays_to_identical_numbers(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, made / "full.zip", "--bundle", made / "tiny", "--json")
    assert code == 0 and len(out.splitlines()) == 1
    told = json.loads(out)
    assert told["identical"] is True and told["max_abs_difference"] == 0.0
    assert told["threads"]["recorded"] == told["threads"]["used"] and told["notes"] == []
    quantities = told["quantities"]
    assert {"probabilities", "logits", "attributions", "strip", "joint", "map saliency", "picture overlay.png"} <= set(
        quantities
    )
    assert all(q["max_abs_difference"] == 0 and q["texts_different"] == 0 for q in quantities.values())
    assert sum(q["numbers"] for q in quantities.values()) > 10_000


def test_hashes_alone_need_the_inputs_and_know_them(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = (made / "hashes.zip", "--bundle", made / "tiny")
    assert "give the study with --image" in refused(capsys, *given)
    image = ("--image", made / "study.dcm")
    assert "give them with --clinical" in refused(capsys, *given, *image)
    assert "other clinical values" in refused(capsys, *given, *image, "--clinical", '{"age": 62}')
    other = made / "other.dcm"
    other.write_bytes(phantom_dicom(make_phantoms(1, seed=10)[0]))
    assert "another study" in refused(capsys, *given, "--image", other, "--clinical", CLINICAL)
    code, out, _ = run(capsys, *given, *image, "--clinical", CLINICAL)
    assert code == 0 and out.startswith("replay") and "identical" in out.splitlines()[0]


def test_a_number_that_differs_is_found(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (made / "hashes.zip").read_bytes()
    results = json.loads(open_zip(data)[RESULTS])
    results["prediction"]["probabilities"]["malignant"] += 0.01
    forged = tmp_path / "forged.zip"
    forged.write_bytes(resealed(data, results))
    given = (forged, "--bundle", made / "tiny", "--image", made / "study.dcm", "--clinical", CLINICAL)
    code, out, _ = run(capsys, *given)
    assert code == 1 and "DIFFERENT" in out and "max abs difference 0.01 (2 numbers)" in out


def test_another_bundle_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsule = made / "full.zip"
    write_tiny_bundle(tmp_path / "other", name="other", network=tiny_network(seed=1))
    assert "belongs to bundle 'tiny'" in refused(capsys, capsule, "--bundle", tmp_path / "other")
    write_tiny_bundle(tmp_path / "moved", threshold=0.5)
    assert "calibration, fields or reference data were changed" in refused(
        capsys, capsule, "--bundle", tmp_path / "moved"
    )
    assert "not shipped here; give --bundle" in refused(capsys, capsule)


def test_a_new_model_card_is_the_same_bundle(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "tiny", tmp_path / "tiny")
    before = bundle_seal(load_bundle(tmp_path / "tiny"))
    (tmp_path / "tiny" / "MODEL_CARD.md").write_text("# Better words\n", encoding="utf-8")
    assert bundle_seal(refresh_hashes(tmp_path / "tiny")) == before
    (tmp_path / "tiny" / "background.csv").write_text("age\n40\n", encoding="utf-8")
    assert bundle_seal(refresh_hashes(tmp_path / "tiny")) != before


def test_bad_capsules_are_one_sentence(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = ("--bundle", made / "tiny")
    assert "Cannot open capsule" in refused(capsys, tmp_path / "none.zip", *bundle)
    plain = tmp_path / "plain.zip"
    plain.write_bytes(b"no zip")
    assert "not a case capsule" in refused(capsys, plain, *bundle)
    out, given = io.BytesIO(), zipfile.ZipFile(made / "full.zip")
    with zipfile.ZipFile(out, "w") as archive:
        for name in given.namelist():
            archive.writestr(name, b"{}" if name == RESULTS else given.read(name))
    plain.write_bytes(out.getvalue())
    assert "results.json does not match its hash" in refused(capsys, plain, *bundle)
    assert "--threads must be from 1" in refused(capsys, made / "full.zip", *bundle, "--threads", "0")
