"""A reader's mark can be judged: what the model says without it stands beside what it says with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from synthetic_results import prediction
from tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

from dashboard.components.second_look import mark_told
from mmxai_core.explain.explainer import Explainer
from mmxai_core.explain.unmarked import unmarked
from mmxai_core.model.bundle import load_bundle
from mmxai_core.model.glance import square_overlap
from mmxai_core.predict import Predictor
from mmxai_core.results import FirstAnswer, Unmarked
from mmxai_core.worklist.codec import from_plain, to_plain

RECORD = SCHEMA.record({"age": 61, "palpable": "yes", "margin": "spiky"})
ROI = (60.0, 20.0, 90.0, 50.0)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


@pytest.mark.parametrize("image", [0, 1, 2])
def test_it_is_what_the_model_says_of_the_study_that_nobody_marked(predictor: Predictor, image: int) -> None:
    study = tiny_study(images=3)
    plain = predictor.predict(study, RECORD)
    drawn = predictor.encode(study, roi=ROI, roi_image=image)
    found = unmarked(predictor, drawn, RECORD)
    assert found is not None
    assert found.probability == pytest.approx(plain.probability, abs=1e-6)
    assert found.predicted_class == plain.predicted_class
    own = predictor.encode(study).state.boxes[image : image + 1]
    assert found.overlap == pytest.approx(float(square_overlap(own, drawn.state.boxes[image : image + 1])[0]), abs=1e-6)
    assert 0 <= found.overlap < 1


def test_without_a_mark_or_an_image_there_is_none(predictor: Predictor) -> None:
    assert unmarked(predictor, predictor.encode(tiny_study()), RECORD) is None
    assert unmarked(predictor, None, RECORD) is None


def test_the_first_answer_of_a_marked_case_carries_it_and_is_kept_with_it(predictor: Predictor) -> None:
    heard: list[FirstAnswer] = []
    explainer = Explainer(predictor)
    explainer.explain(tiny_study(), RECORD, roi=ROI, parts=(), on_first=heard.append)
    explainer.explain(tiny_study(), RECORD, parts=(), on_first=heard.append)
    assert heard[0].unmarked is not None and heard[1].unmarked is None
    assert heard[0].unmarked.probability == pytest.approx(heard[1].prediction.probability, abs=1e-6)
    kept = json.loads(json.dumps(to_plain(heard[0])))
    again = from_plain(FirstAnswer, kept)
    assert again.unmarked == heard[0].unmarked
    del kept["unmarked"]  # as an earlier version wrote it
    assert from_plain(FirstAnswer, kept).unmarked is None


def test_it_is_told_in_the_numbers_that_are_printed() -> None:
    said = replace(prediction(probability=0.09), lesion_box_source="reader")
    far = mark_told(said, Unmarked(0.4, "malignant", 0.02))
    assert far.startswith("Your mark moves it from 40 % to 9 %, and the call from malignant to benign.")
    assert "elsewhere than the region the model finds itself (overlap 2 %)" in far
    near = mark_told(said, Unmarked(0.0902, "benign", 0.62))
    assert near == "Your mark leaves it at 9 %. It overlaps the region the model finds itself by 62 %."
    assert mark_told(said, None) == mark_told(prediction(), Unmarked(0.4, "malignant", 0.02)) == ""
