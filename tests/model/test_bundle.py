from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network, write_tiny_bundle

from mmxai_core.errors import BundleError
from mmxai_core.model.bundle import load_bundle, refresh_hashes
from mmxai_core.model.config import Architecture


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "tiny"
    copy.mkdir()
    for f in shared.iterdir():
        (copy / f.name).write_bytes(f.read_bytes())
    return copy


def test_a_bundle_comes_back_as_it_was_written(shared: Path) -> None:
    bundle = load_bundle(shared)
    assert (bundle.name, bundle.temperature, bundle.threshold, bundle.positive_index) == ("tiny", 1.5, 0.4, 1)
    assert bundle.schema == SCHEMA
    assert bundle.arch == ARCH
    assert bundle.saliency_reference == 2.5
    assert bundle.results() == {"auc": None, "n": 3}
    assert bundle.model_card() == "# Tiny\n"
    assert list(bundle.background().columns) == ["age", "palpable", "margin"]
    assert bundle.metadata["calibration"]["n"] == 7
    assert not list(shared.glob(".writing-*"))


def test_the_network_gives_the_same_logits_and_leaves_the_random_state_alone(shared: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    loaded = load_bundle(shared).build_network()
    assert torch.equal(before, torch.random.get_rng_state())
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    canvas = torch.randn(1, 1, 128, 128)
    values, known = torch.tensor([[0.3, 1.0, 0.0, 1.0, 2.0]]), torch.tensor([[True, True, False, True, True]])
    with torch.inference_mode():
        assert torch.equal(loaded(canvas, values, known).logits, tiny_network()(canvas, values, known).logits)


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "metadata.json", "background.csv", "MODEL_CARD.md", "results.json"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "background.csv", "MODEL_CARD.md", "results.json"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(BundleError, match=f"{name} was changed"):
        load_bundle(folder)


def edit(folder: Path, **entries: object) -> None:
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata.update(entries)
    (folder / "metadata.json").write_text(json.dumps({k: v for k, v in metadata.items() if v != "drop"}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": "other"}, "does not describe a bundle"),
        ({"format_version": 99}, "format version 99"),
        ({"classes": "drop"}, "lacks the entry 'classes'"),
        ({"classes": ["a", "b", "c"]}, "lists 3 classes for a network of 2"),
        ({"positive_class": "cancer"}, "positive class 'cancer'"),
        ({"study_aggregation": "mean"}, "aggregates a study by 'mean'"),
        ({"calibration": {"temperature": 0, "threshold": 0.5}}, "temperature 0"),
        ({"calibration": {"temperature": "warm", "threshold": 0.5}}, "wrong kind"),
        ({"architecture": {"colour": 3}}, "does not fit this version"),
        ({"clinical_schema": [{"id": "age"}]}, "wrong kind.*malformed"),
        ({"files": {}}, "must list a hash"),
    ],
)
def test_bad_metadata_is_refused_in_one_sentence(folder: Path, entries: dict[str, object], message: str) -> None:
    edit(folder, **entries)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)
    assert str(folder.parent) not in str(caught.value)


def test_a_listed_path_outside_the_folder_is_refused(folder: Path) -> None:
    files = json.loads((folder / "metadata.json").read_text())["files"]
    edit(folder, files=files | {"../secret": "00"})
    with pytest.raises(BundleError, match="not a plain file name"):
        load_bundle(folder)


def test_metadata_that_is_not_json(folder: Path) -> None:
    (folder / "metadata.json").write_text("{")
    with pytest.raises(BundleError, match=r"metadata\.json is not valid JSON"):
        load_bundle(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle folder 'nowhere'"):
        load_bundle(tmp_path / "nowhere")


def test_weights_that_do_not_fit_the_architecture(folder: Path) -> None:
    edit(folder, architecture=Architecture(canvas=128, glance=64, width=64, heads=2, depth=1).to_json())
    with pytest.raises(BundleError, match=r"weights\.safetensors does not fit"):
        load_bundle(folder).build_network()


def test_regenerated_results_are_taken_over_but_changed_weights_never(folder: Path) -> None:
    (folder / "results.json").write_text('{"auc": 0.9}')
    (folder / "statistics.json").write_text("{}")
    bundle = refresh_hashes(folder, add=["statistics.json"], extra={"saliency_reference": 4.0})
    assert bundle.results() == {"auc": 0.9}
    assert bundle.saliency_reference == 4.0
    (folder / "statistics.json").write_text("[]")
    with pytest.raises(BundleError, match=r"statistics\.json was changed"):
        load_bundle(folder)
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"weights\.safetensors was changed"):
        refresh_hashes(folder)


def test_writing_checks_what_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="columns the schema lacks: size"):
        write_tiny_bundle(tmp_path / "a", background=pd.DataFrame({"size": [1]}))
    with pytest.raises(BundleError, match="cannot replace name"):
        write_tiny_bundle(tmp_path / "b", extra={"name": "x"})
    with pytest.raises(BundleError, match="threshold 1"):
        write_tiny_bundle(tmp_path / "c", threshold=1.0)


def test_writing_over_a_bundle_keeps_other_files(folder: Path) -> None:
    (folder / "checkpoint.pt").write_bytes(b"kept")
    write_tiny_bundle(folder, temperature=2.0)
    assert load_bundle(folder).temperature == 2.0
    assert (folder / "checkpoint.pt").read_bytes() == b"kept"
