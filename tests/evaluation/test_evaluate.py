from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, ClinicalValueError, CohortError
from mmxai_core.evaluation.evaluate import evaluate, trained_on
from mmxai_core.evaluation.saliency import grad_cam_map
from mmxai_core.evaluation.tables import write_predictions
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.types import FloatMap
from tests.tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

N = 10
GROUP_CHOICES = ((), ("history",), ("history", "descriptor"), ("assessment",))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Ten cases of five patients, sizes differing, one without a mask, one without a label."""
    cases = []
    for i in range(N):
        pixels = tiny_study(seed=i, shape=(90 + i, 120)).images[0].grey
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(tmp_path / f"{i}.png")
        mask = np.zeros(pixels.shape, np.uint8)
        mask[30:60, 15:45] = 255
        Image.fromarray(mask).save(tmp_path / f"{i}_mask.png")
        cases.append(
            Case(
                case_id=f"c{i}",
                patient_id=f"p{i // 2}",
                image=tmp_path / f"{i}.png",
                masks=(tmp_path / f"{i}_mask.png",) if i else (),
                label=("benign", "malignant")[i % 2] if i < N - 1 else None,
                clinical={"age": 30.0 + i, "palpable": bool(i % 3), "margin": "spiky", "birads": "4", "shoe_size": 41},
            )
        )
    return Cohort(
        name="made_up", cases=tuple(cases), schema=SCHEMA, classes=("benign", "malignant"), positive_class="malignant",
        label="", leaks=(), dropped=(("too dark", 2),), licence="", citation="", download="",
    )  # fmt: skip


def disc(predictor: Any, encoded: Any, record: Any, prediction: Any) -> FloatMap:
    """A stand-in method whose peak lies at a known place: inside the mask of the even-height images only."""
    h, w = encoded.study.images[0].geometry.shape
    source = np.zeros((h, w), np.float32)
    source[(45, 20) if h % 2 == 0 else (5, 100)] = 1.0
    return source


def test_rows_equal_single_predictions_and_summary_equals_scikit_learn(predictor: Predictor, cohort: Cohort) -> None:
    steps: list[tuple[int, int]] = []
    found = evaluate(
        predictor, cohort, saliency=None, replicates=200, progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(8, 10), (10, 10)]
    study = tiny_study(seed=3, shape=(93, 120))
    record = SCHEMA.record({k: v for k, v in cohort.cases[3].clinical.items() if k in SCHEMA.ids})
    alone = predictor.predict(study, record)
    assert found.rows[3].probability == pytest.approx(alone.probability, abs=2e-3)  # the file holds 8-bit grey
    rows = found.rows[:-1]
    truth = [r.label == "malignant" for r in rows]
    summary = found.summary
    assert summary["n"] == 9 and summary["patients"] == 5 and summary["unlabelled"] == 1
    assert summary["prevalence"] == pytest.approx(4 / 9)
    assert summary["auc"]["value"] == pytest.approx(roc_auc_score(truth, [r.probability for r in rows]))
    assert summary["auc"]["low"] <= summary["auc"]["value"] <= summary["auc"]["high"]
    assert summary["accuracy"] == pytest.approx(accuracy_score(truth, [r.predicted == "malignant" for r in rows]))
    assert set(summary["intervals"]) == {"accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece"}
    assert summary["fields_not_in_bundle"] == ["shoe_size"]
    assert summary["dropped"] == [{"reason": "too dark", "n": 2}]
    assert summary["localization"] is None
    assert summary["trained_on_this_cohort"] is False


def test_a_cohort_that_trained_the_bundle_is_named(predictor: Predictor, cohort: Cohort) -> None:
    for named, trained in (("made_up", True), ("another", False)):
        bundle = replace(predictor.bundle, metadata={"training_data": [{"cohort": named}]})
        assert trained_on(bundle, cohort) is trained


def test_known_groups_make_the_others_unknown(predictor: Predictor, cohort: Cohort) -> None:
    counts = {
        k: evaluate(predictor, cohort, known=k, saliency=None, replicates=1).rows[1].known_fields for k in GROUP_CHOICES
    }
    assert counts == {(): 0, ("history",): 2, ("history", "descriptor"): 3, ("assessment",): 1}
    with pytest.raises(ClinicalValueError, match="got reading"):
        evaluate(predictor, cohort, known=("reading",))


def test_localization_counts_masked_cases_only(predictor: Predictor, cohort: Cohort) -> None:
    found = evaluate(predictor, cohort, saliency=disc, replicates=50)
    local = found.summary["localization"]
    assert local["n"] == 9 and local["pointing_game"] == pytest.approx(4 / 9)
    assert found.rows[0].lesion_hit is None
    assert [r.lesion_hit for r in found.rows[1:]] == [i % 2 == 0 for i in range(1, N)]
    assert 0 < local["iou"] < 1 and local["lesion_share"] == pytest.approx(900 / (94.5 * 120), rel=0.05)


def test_one_class_has_no_auc_and_says_why(predictor: Predictor, cohort: Cohort) -> None:
    benign = replace(cohort, cases=tuple(c for c in cohort.cases if c.label == "benign"))
    summary = evaluate(predictor, benign, replicates=20).summary
    assert summary["auc"] is None and "both classes" in summary["undefined"]["auc"]
    assert summary["sensitivity"] is None and summary["specificity"] is not None


def test_predictions_file_has_a_row_a_case(predictor: Predictor, cohort: Cohort, tmp_path: Path) -> None:
    found = evaluate(predictor, cohort, saliency=disc, replicates=1)
    write_predictions(found.rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["case_id"] for r in rows] == [f"c{i}" for i in range(N)]
    assert float(rows[4]["probability"]) == found.rows[4].probability
    assert rows[0]["lesion_hit"] == "" and rows[2]["lesion_hit"] == "1" and rows[-1]["label"] == ""
    with pytest.raises(CohortError, match="Cannot write predictions"):
        write_predictions(found.rows, tmp_path / "no" / "rows.csv")


def test_refusals(predictor: Predictor, cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        evaluate(predictor, cohort, cancelled=lambda: True)
    other = replace(cohort, cases=(replace(cohort.cases[0], label="grade_2"),))
    with pytest.raises(CohortError, match="tells benign, malignant apart; cohort made_up also has grade_2"):
        evaluate(predictor, other)
    with pytest.raises(CohortError, match="none of the 1 cases has a label"):
        evaluate(predictor, replace(cohort, cases=(replace(cohort.cases[0], label=None),)))
    Image.new("L", (20, 90)).save(tmp_path / "0.png")
    with pytest.raises(CohortError, match=r"0\.png needs at least 32 pixels a side; it is 20 x 90"):
        evaluate(predictor, cohort)
    (tmp_path / "0.png").write_bytes(b"no image")
    with pytest.raises(CohortError, match=r"0\.png"):
        evaluate(predictor, cohort)


def test_default_map_is_grad_cam_on_source_pixels(predictor: Predictor) -> None:
    study = tiny_study(images=2, shape=(90, 121))
    encoded = predictor.encode(study)
    record = SCHEMA.record({"age": 50})
    found = grad_cam_map(predictor, encoded, record, predictor.predict(study, record, encoded=encoded))
    assert found.shape == (90, 121) and found.dtype == np.float32
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() > 0
    shown = Explainer(predictor).explain(study, record, encoded=encoded).saliency
    assert shown is not None and np.allclose(found, shown.source, rtol=1e-5, atol=1e-7)
    unknown = SCHEMA.record({})
    other = grad_cam_map(predictor, encoded, unknown, predictor.predict(study, unknown, encoded=encoded))
    assert not np.array_equal(found, other)  # the map explains the fused prediction, not the image branch alone
