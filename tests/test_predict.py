from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import SCHEMA, tiny_network, tiny_study, write_tiny_bundle

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import CancelledError, ClinicalValueError, DeviceError, StudyReadError
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.preprocess import prepare
from mmxai_core.results import Prediction

RECORD = SCHEMA.record({"age": 61, "palpable": "yes", "margin": "spiky"})


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


def raw_logits(image_index: int, record: ClinicalRecord, images: int = 1) -> np.ndarray:
    x = prepare(tiny_study(images=images).images[image_index], record, schema=SCHEMA, canvas=128)
    with torch.no_grad():
        result = tiny_network()(
            torch.from_numpy(x.canvas[None]), torch.from_numpy(x.clinical.values[None]),
            torch.from_numpy(x.clinical.known[None]),
        )  # fmt: skip
    return result.logits[0].double().numpy()


def test_a_prediction_is_the_networks_forward_with_temperature(predictor: Predictor) -> None:
    result = predictor.predict(tiny_study(), RECORD)
    expected = raw_logits(0, RECORD) / 1.5
    assert np.allclose(list(result.logits.values()), expected, atol=1e-5)
    softmax = np.exp(expected) / np.exp(expected).sum()
    assert result.probability == pytest.approx(softmax[1], abs=1e-6)
    assert sum(result.probabilities.values()) == pytest.approx(1)
    assert sum(result.branch_weights.values()) == pytest.approx(1)
    assert result.known_fields == ("age", "palpable", "margin")
    assert result.unknown_fields == ("nipple_discharge", "birads")
    assert (result.image_index, result.lesion_box_source) == (0, "model")
    assert result.versions.device == "cpu"
    assert result.versions.bundle_sha256 == predictor.bundle.sha256
    x0, y0, x1, y1 = result.lesion_box or (0, 0, 0, 0)
    assert 0 <= x0 < x1 <= 120
    assert 0 <= y0 < y1 <= 90


def test_the_image_with_the_highest_probability_decides(predictor: Predictor) -> None:
    result = predictor.predict(tiny_study(images=10), RECORD)  # more than one chunk
    scores = [s.probability for s in result.image_scores]
    alone = [raw_logits(i, RECORD, images=10) / 1.5 for i in range(10)]
    assert np.allclose(scores, [1 / (1 + np.exp(v[0] - v[1])) for v in alone], atol=1e-5)
    assert result.image_index == int(np.argmax(scores))
    assert result.probability == max(scores)
    assert [s.label for s in result.image_scores][:2] == ["Image 1", "Image 2"]
    assert len(set(np.round(scores, 6))) > 1


def test_an_encoded_study_gives_the_same_answer_without_the_encoder(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(images=2)
    direct = predictor.predict(study, RECORD)
    encoded = predictor.encode(study)
    monkeypatch.setattr(Predictor, "_encode", lambda *_: pytest.fail("the image was encoded again"))
    again = predictor.predict(study, RECORD, encoded=encoded)
    assert (again.logits, again.image_scores) == (direct.logits, direct.image_scores)
    other = predictor.predict(study, SCHEMA.record({"age": 20}), encoded=encoded)
    assert other.logits != direct.logits


def test_one_branch_is_enough_and_the_result_says_so(predictor: Predictor) -> None:
    clinical = predictor.predict(None, RECORD)
    assert (clinical.image_index, clinical.lesion_box, clinical.image_scores) == (None, None, ())
    assert any("No image" in n for n in clinical.notes)
    image = predictor.predict(tiny_study(), ClinicalRecord())
    assert any("No clinical field" in n for n in image.notes)
    assert clinical.probability != image.probability
    with pytest.raises(ClinicalValueError, match="an image or at least one known clinical field"):
        predictor.predict(None, ClinicalRecord())


def test_a_drawn_region_moves_the_second_glance_of_its_image_only(predictor: Predictor) -> None:
    study = tiny_study(images=3)
    free, drawn = predictor.encode(study), predictor.encode(study, roi=(60, 20, 90, 50), roi_image=1)
    assert torch.allclose(free.state.boxes[[0, 2]], drawn.state.boxes[[0, 2]])
    x0, y0, x1, y1 = drawn.lesion_box(1)
    assert np.allclose([x0, y0, x1, y1], [52.5, 12.5, 97.5, 57.5], atol=0.1)  # 1.5 times the side, same centre
    single = replace(study, images=study.images[1:2])
    result = predictor.predict(single, RECORD, roi=(60, 20, 90, 50))
    assert result.lesion_box_source == "reader"
    with pytest.raises(StudyReadError, match="drawn on image 4, but the study has 3"):
        predictor.encode(study, roi=(0, 0, 20, 20), roi_image=3)


def test_an_outlier_is_clipped_and_noted(predictor: Predictor) -> None:
    result = predictor.predict(None, SCHEMA.record({"age": 105}))
    assert result.outlier_fields == ("age",)
    assert any("Age 105 years is outside the usual range" in n for n in result.notes)
    assert result.logits == predictor.predict(None, SCHEMA.record({"age": 90})).logits


def test_foreign_records_and_encodings_are_refused(predictor: Predictor) -> None:
    with pytest.raises(ClinicalValueError, match="Unknown clinical field 'shoe_size'"):
        predictor.predict(None, ClinicalRecord({"shoe_size": 40.0}))
    encoded = predictor.encode(tiny_study())
    with pytest.raises(StudyReadError, match="another study"):
        predictor.predict(tiny_study(seed=1), RECORD, encoded=encoded)
    with pytest.raises(StudyReadError, match="another study"):
        predictor.predict(None, RECORD, encoded=encoded)
    with pytest.raises(StudyReadError, match="another model"):
        predictor.predict(tiny_study(), RECORD, encoded=replace(encoded, bundle_sha256="0"))


def test_progress_is_told_and_cancelling_works(predictor: Predictor) -> None:
    steps: list[tuple[str, float]] = []
    predictor.predict(tiny_study(images=9), RECORD, progress=lambda n, p: steps.append((n, p)))
    assert [n for n, _ in steps] == [
        "Reading image 1 of 9", "Reading image 9 of 9", "Weighing image and clinical data",
    ]  # fmt: skip
    assert [p for _, p in steps] == sorted(p for _, p in steps)
    with pytest.raises(CancelledError):
        predictor.predict(tiny_study(), RECORD, cancelled=lambda: True)


def test_many_threads_get_their_own_answers(predictor: Predictor) -> None:
    records = [SCHEMA.record({"age": 20 + 5 * i}) for i in range(8)]
    studies = [tiny_study(seed=i) for i in range(8)]
    serial = [predictor.predict(s, r).logits for s, r in zip(studies, records, strict=True)]
    parallel: dict[int, Prediction] = {}

    def ask(i: int) -> None:
        parallel[i] = predictor.predict(studies[i], records[i])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [parallel[i].logits for i in range(8)] == serial


def test_a_device_that_is_not_there_is_an_error(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="'cuda' was asked for"):
        Predictor(predictor.bundle, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_gives_the_cpus_numbers(predictor: Predictor, tmp_path: Path) -> None:
    cuda = Predictor(load_bundle(write_tiny_bundle(tmp_path / "tiny")), device="auto")
    assert cuda.device.startswith("cuda:0 (")
    a, b = (p.predict(tiny_study(images=2), RECORD) for p in (predictor, cuda))
    assert np.allclose(list(a.logits.values()), list(b.logits.values()), atol=1e-3)
    cuda.close()
