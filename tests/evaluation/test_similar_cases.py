from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import what_if_case as made
from PIL import Image
from tiny_bundle import SCHEMA, write_tiny_bundle

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.evaluation.cases import open_case
from mmxai_core.evaluation.similar_cases import CaseIndex, same_picture, trained_cohorts
from mmxai_core.explain.fused_space import block_scale, fused_vectors
from mmxai_core.explain.similar import bundle_prototypes
from mmxai_core.explain.what_if import WhatIf
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.encoded import select
from mmxai_core.predict import Predictor


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Ten pictures of nine patients: the last two are of one patient; one has no label."""
    folder, cases = tmp_path_factory.mktemp("cohort"), []
    records, labels = made.cohort(10, seed=4)
    for i, (record, label) in enumerate(zip(records, labels, strict=True)):
        pixels = np.random.default_rng(i).integers(0, 200, (80 + i, 90)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        name = None if i == 3 else ("benign", "malignant")[label]
        cases.append(
            Case(f"case{i}", f"p{min(i, 8)}", folder / f"{i}.png", label=name, clinical=dict(record.values))
        )  # fmt: skip
    return Cohort("made_up", tuple(cases), SCHEMA, ("benign", "malignant"), "malignant", "", (), (), "", "", "")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    path = write_tiny_bundle(tmp_path_factory.mktemp("b") / "tiny", network=made.network())
    found = Predictor(load_bundle(path), device="cpu")
    yield found
    found.close()


@pytest.fixture(scope="module")
def index(predictor: Predictor, cohort: Cohort) -> CaseIndex:
    return CaseIndex.build(predictor, cohort)


def test_neighbours_are_those_of_a_plain_search(predictor: Predictor, cohort: Cohort, index: CaseIndex) -> None:
    opened = open_case(cohort.cases[0], cohort, schema=SCHEMA)
    encoded = predictor.encode(opened.study)
    record = SCHEMA.record({"age": 50, "palpable": True})
    got = index.nearest(predictor, encoded, record, count=20)
    vectors = []
    for n, own in enumerate(index.records):
        kept = SCHEMA.encode(ClinicalRecord({k: v for k, v in own.values.items() if k in record.values}))
        values, known = torch.from_numpy(kept.values)[None], torch.from_numpy(kept.known)[None]
        vectors.append(fused_vectors(made.network(), select(index.states, slice(n, n + 1)), values, known)[0])
    here = SCHEMA.encode(record)
    query = fused_vectors(
        made.network(), encoded.image(0), torch.from_numpy(here.values)[None], torch.from_numpy(here.known)[None]
    )[0]
    distance = np.linalg.norm((np.stack(vectors) - query) / block_scale(np.stack(vectors)), axis=1)
    expected, patients = [], set()
    for n in np.argsort(distance):
        case = cohort.cases[index.positions[n]]
        if case.case_id != "case0" and case.patient_id not in patients:
            patients.add(case.patient_id)
            expected.append(case.case_id)
    assert [c.case_id for c in got.cases] == expected
    assert len(got.cases) == 7 and got.searched == 9  # not itself, not the case without label, one patient once
    assert [c.distance for c in got.cases] == sorted(c.distance for c in got.cases)
    assert got.own_case == "case0" and not got.trained, "the tiny bundle learned from no cohort"
    first = got.cases[0]
    case = next(c for c in cohort.cases if c.case_id == first.case_id)
    assert first.image.shape == Image.open(case.image).size[::-1] and first.outcome == case.label
    assert dict(first.fields)["Margin"] in ("Smooth", "Spiky")


def test_without_an_image_only_the_fields_count(predictor: Predictor, index: CaseIndex) -> None:
    got = index.nearest(predictor, None, index.records[2], count=3)
    assert got.cases[0].distance < 0.02  # the same fields, so the same place
    assert got.own_case == ""
    known = index.records[2].values
    assert dict(got.cases[0].fields) == {SCHEMA[k].label: SCHEMA[k].describe(v) for k, v in known.items()}


def test_a_cohort_that_the_model_learned_from_is_said_to_be_one(
    predictor: Predictor, index: CaseIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"cohort": "made_up"}, {"cohort": "another"}, {"cohort": "made_up"}, "no row"]
    changed = replace(predictor.bundle, metadata={**predictor.bundle.metadata, "training_data": rows})
    monkeypatch.setattr(predictor, "bundle", changed)
    assert trained_cohorts(changed.metadata) == ("made_up", "another") and trained_cohorts({}) == ()
    assert index.nearest(predictor, None, index.records[2], count=1).trained


def test_the_same_picture_saved_anew_is_not_its_own_neighbour(
    predictor: Predictor, cohort: Cohort, index: CaseIndex, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(cohort.cases[0].image)).astype(np.int64)
    Image.fromarray((pixels + pixels % 2).astype(np.uint8)).save(tmp_path / "anew.png")  # other bytes, as good as equal
    case = replace(cohort.cases[0], image=tmp_path / "anew.png")
    encoded = predictor.encode(open_case(case, cohort, schema=SCHEMA).study)
    got = index.nearest(predictor, encoded, index.records[0], count=20)
    assert encoded.study.sha256 not in index.hashes
    assert got.own_case == "case0" and "case0" not in [c.case_id for c in got.cases] and len(got.cases) == 7
    assert not same_picture(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.float32))


def test_refusals(predictor: Predictor, cohort: Cohort, index: CaseIndex, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no labelled case"):
        CaseIndex.build(predictor, cohort, positions=[3])
    with pytest.raises(CancelledError):
        CaseIndex.build(predictor, cohort, cancelled=lambda: True)
    other = Predictor(load_bundle(write_tiny_bundle(tmp_path / "o", network=made.network(5))), device="cpu")
    try:
        with pytest.raises(CohortError, match="another model"):
            index.nearest(other, None, ClinicalRecord({"age": 50.0}))
    finally:
        other.close()


def test_a_bundle_without_groups_says_nothing_of_similar_cases(predictor: Predictor) -> None:
    assert bundle_prototypes(predictor.bundle) is None
    assert WhatIf(predictor, None, ClinicalRecord({"age": 50.0})).similar() is None
