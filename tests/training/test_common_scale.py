from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import CohortError
from mmxai_core.training.common_scale import on_one_scale
from mmxai_core.types import Json
from tests.training.test_coverage import fold


def whole(k: int) -> Json:
    """A fold's file with all three models, which say the same but were calibrated otherwise."""
    one = fold(k)
    p = one["probabilities"]["fused|image"]
    logits = one["validation_logits"]["image"]
    return {
        **one,
        "probabilities": one["probabilities"] | {"image": p, "clinical|history": p},
        "image_altered": {"borders masked": p},
        "temperature": {"fused": 1.0 + 0.5 * k, "image": 1.0, "clinical": 1.0},
        "image_validation_logits": logits,
        "clinical_validation_logits": {"history": logits},
    }


def test_every_model_is_moved_by_its_own_cases_and_the_rest_stays() -> None:
    folds = [whole(k) for k in range(3)]
    found = on_one_scale(folds)
    assert folds == [whole(k) for k in range(3)], "what was given is left as it was"
    for k, (before, after) in enumerate(zip(folds, found, strict=True)):
        for key, p in before["probabilities"].items():
            old, new = (np.log(np.array(x) / (1 - np.array(x))) for x in (p, after["probabilities"][key]))
            model = key.split("|")[0]
            ratio = before["temperature"][model] / after["temperature"][model]
            assert new == pytest.approx(old * ratio, rel=1e-6), (k, key)
        assert after["image_altered"]["borders masked"] == after["probabilities"]["image"]
        assert after["labels"] == before["labels"] and after["validation_logits"] == before["validation_logits"]
    # one model, so one scale: what differs between folds is only whose cases are left out
    told = [f["temperature"]["image"] for f in found]
    assert max(told) / min(told) < 1.2
    again = on_one_scale(found)
    for x, y in zip(found, again, strict=True):
        assert x["temperature"] == y["temperature"]
        assert y["probabilities"]["image"] == pytest.approx(x["probabilities"]["image"], rel=1e-9)


def test_a_group_without_fields_adds_no_level() -> None:
    """Its level says what the one before it says, and would count it twice."""
    folds = [whole(k) for k in range(3)]
    for k, one in enumerate(folds):
        levels, other = one["validation_logits"], fold(k + 7)["validation_logits"]["image"]
        levels |= {"history": levels["image"], "history+descriptor": other, "history+descriptor+assessment": other}
    twice = [f["temperature"]["fused"] for f in on_one_scale(folds)]
    for one in folds:
        levels = one["validation_logits"]
        one["validation_logits"] = {k: levels[k] for k in ("history+descriptor", "image")}
    assert [f["temperature"]["fused"] for f in on_one_scale(folds)] == twice


def test_only_the_models_asked_for_are_moved() -> None:
    folds = [whole(k) for k in range(3)]
    found = on_one_scale(folds, models=("fused",))
    assert found[1]["probabilities"]["image"] == folds[1]["probabilities"]["image"]
    assert found[1]["probabilities"]["fused|image"] != folds[1]["probabilities"]["fused|image"]


def test_a_fold_of_an_earlier_version_is_said() -> None:
    folds = [whole(k) for k in range(3)]
    del folds[1]["clinical_validation_logits"]
    with pytest.raises(CohortError, match="lacks the entry 'clinical_validation_logits'"):
        on_one_scale(folds)
    assert on_one_scale([]) == []
