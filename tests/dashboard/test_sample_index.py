"""The samples that ship, by the kind of image that a bundle reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard import bundles
from dashboard.sample_index import FLAGGED, FOLDER, USUAL, Sample, check_told, of_cohorts, read_samples, truths
from mmxai_core import io
from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import BundleError
from mmxai_core.explain.input_check import check_input
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.reference import load_reference
from mmxai_core.predict import Predictor

ULTRASOUND = Sample("u.dcm", "u", "", {}, "", "malignant")
BRAIN = Sample("b.dcm", "b", "", {}, "", cohort="tcga_lgg")


@pytest.mark.parametrize(
    ("cohorts", "expected"),
    [
        (("breast_lesions_usg", "bus_bra"), (ULTRASOUND,)),
        (("bus_bra",), (ULTRASOUND,)),
        (("tcga_lgg",), (BRAIN,)),
        (("cbis_ddsm",), ()),
        (("ours",), (ULTRASOUND,)),
        ((), (ULTRASOUND,)),
    ],
)
def test_a_bundle_is_shown_its_own_kind(cohorts: tuple[str, ...], expected: tuple[Sample, ...]) -> None:
    assert of_cohorts((ULTRASOUND, BRAIN), cohorts) == expected


def test_a_sample_without_a_class_has_no_truth() -> None:
    assert truths((ULTRASOUND, BRAIN)) == {"u.dcm": True}


def test_every_file_of_the_index_is_there_and_the_usual_come_first() -> None:
    found = read_samples()
    assert all((FOLDER / s.file).is_file() and s.note for s in found)
    assert [s.cohort for s in found[:6]] == [USUAL] * 6
    assert len(truths(found)) == 6


def test_no_folder_is_no_sample_and_a_bad_index_one_sentence(tmp_path: Path) -> None:
    assert read_samples(tmp_path) == ()
    (tmp_path / "samples.json").write_text('{"samples": [{"file": "x"}]}')
    with pytest.raises(BundleError, match=r"samples' index samples\.json is malformed"):
        read_samples(tmp_path)


def weights(name: str) -> str:
    metadata = json.loads((bundles.ROOT / "pretrained" / name / "metadata.json").read_text(encoding="utf-8"))
    return str(metadata["files"]["weights.safetensors"])[:12]


SHIPPED = tuple(sorted(p.parent.name for p in (bundles.ROOT / "pretrained").glob("*/metadata.json")))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_said_of_a_shipped_bundles_check_is_what_it_finds(name: str) -> None:
    path = bundles.ROOT / "pretrained" / name
    bundle, offer = load_bundle(path), bundles.offer(path)
    assert bundle.name == name
    predictor, inputs = Predictor(bundle, device="cpu", deadline_s=600), load_reference(bundle).inputs
    try:
        found = {
            s.file: check_input(
                predictor.encode(io.read_study((FOLDER / s.file).read_bytes(), s.file)), ClinicalRecord({}),
                inputs=inputs, planes=bundle.planes,
            ).flagged
            for s in of_cohorts(read_samples(), offer.cohorts)
        }  # fmt: skip
    finally:
        predictor.close()
    assert found and set(found.values()) == {FLAGGED[weights(name)]}, found
    said = check_told(bundle.metadata)
    assert ("not the model's kind of input, as it should" in said) is FLAGGED[weights(name)] and said.endswith(".")
    assert check_told(dict(bundle.metadata) | {"reference": {}}) == ""


def test_every_bundle_that_ships_says_something_and_another_nothing() -> None:
    assert {weights(name) for name in SHIPPED} == set(FLAGGED)
    retrained = {"name": "breast-us", "files": {"weights.safetensors": "0" * 64}, "reference": {"input": {}}}
    assert check_told(retrained) == check_told({}) == ""
