"""What a reader's mark is worth: the same cases with the second glance found and given, out of fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmxai_core.clinical import ClinicalSchema
from mmxai_core.cohorts.case import Cohort
from mmxai_core.evaluation.metrics import auc
from mmxai_core.model import encoders
from mmxai_core.model.baselines import ClinicalOnlyNetwork
from mmxai_core.model.network import FusedNetwork
from mmxai_core.training.augment import lesion_boxes
from mmxai_core.training.card import _marked_lines
from mmxai_core.training.common_scale import on_one_scale
from mmxai_core.training.crossval import score_fold
from mmxai_core.training.data import CohortArrays
from mmxai_core.training.marked import score_marked, summarise_marked
from mmxai_core.training.recipe import Fitted
from mmxai_core.types import Json
from tests.comparison.tiny_cohort import tiny_cohort
from tests.training.image_cases import CONFIG, cases
from tests.training.test_common_scale import whole

NO_FIELDS = ClinicalSchema(())


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    torch.manual_seed(0)
    network = FusedNetwork(CONFIG.arch, NO_FIELDS).eval()
    return Fitted(
        network, network.image_encoder, ClinicalOnlyNetwork(CONFIG.arch, NO_FIELDS).eval(), NO_FIELDS,
        {"fused": 1.5, "image": 0.7, "clinical": 1.0}, {}, np.zeros(0, np.int64),
    )  # fmt: skip


def _cases() -> CohortArrays:
    """Eight cases, five with an outline, each elsewhere."""
    data = cases(masked=5)
    for i in range(5):
        data.lesion[i] = 0
        data.lesion[i, 10 + 8 * i : 34 + 8 * i, 50 - 6 * i : 76 - 6 * i] = 1
    return data


def test_only_cases_with_an_outline_are_scored_and_elsewhere_is_otherwise(fitted: Fitted) -> None:
    data = _cases()
    told, found = score_marked(fitted, data), score_fold(fitted, data)
    assert told["case_ids"] == list(data.case_ids[:5]) and all(0 <= v <= 1 for v in told["overlap"])
    assert {"image", "fused|image", "fused|history"} <= set(told["probabilities"]) <= set(found)
    assert np.abs(np.array(told["probabilities"]["image"]) - found["image"][:5]).max() > 1e-6
    assert score_marked(fitted, cases(masked=0)) == {}


def test_where_the_model_finds_what_the_expert_outlined_nothing_changes(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _cases().take(range(5))
    outlined = lesion_boxes(torch.from_numpy(data.lesion).float()[:, None], None)
    monkeypatch.setattr(encoders, "find_boxes", lambda logits: outlined)
    told, found = score_marked(fitted, data), score_fold(fitted, data)
    assert told["overlap"] == pytest.approx([1.0] * 5)
    for key, p in told["probabilities"].items():
        assert p == pytest.approx(found[key], abs=1e-6)


def _folds() -> list[Json]:
    """Three folds; in the second half of each fold's cases the mark turns a coin's answer into the truth."""
    out = [whole(k) for k in range(3)]
    for k, one in enumerate(out):
        rng, n = np.random.default_rng(k), len(one["case_ids"])
        kept = list(range(0, n, 2))
        truth = np.where(np.array(one["labels"])[kept] == 1, 0.8, 0.2) + rng.normal(0, 0.02, len(kept))
        one["marked"] = {
            "case_ids": [one["case_ids"][i] for i in kept],
            "overlap": [0.05 if j % 4 == 0 else 0.7 for j in range(len(kept))],
            "probabilities": {"image": truth.tolist()},
        }
    return out


def test_the_summary_is_of_the_same_cases_and_paired() -> None:
    folds = _folds()
    found = summarise_marked(folds, seed=0, replicates=200)
    assert found is not None
    kept = [(f, f["case_ids"].index(c), j) for f in folds for j, c in enumerate(f["marked"]["case_ids"])]
    labels = [f["labels"][i] for f, i, _ in kept]
    own = auc(labels, [f["probabilities"]["image"][i] for f, i, _ in kept])
    told = auc(labels, [f["marked"]["probabilities"]["image"][j] for f, _, j in kept])
    row = found["models"]["image"]
    assert own is not None and told is not None and told > own
    assert found["n"] == len(kept) and row["found"]["value"] == pytest.approx(own)
    assert row["marked"]["value"] == pytest.approx(told)
    assert row["difference"]["value"] == pytest.approx(told - own) and row["difference"]["p"] < 0.5
    overlap = np.concatenate([f["marked"]["overlap"] for f in folds])
    for name, value in (("overlap", overlap.mean()), ("missed", (overlap < 0.1).mean())):
        assert found[name]["value"] == pytest.approx(value)
        assert found[name]["low"] <= value <= found[name]["high"]


def test_outlines_of_one_class_alone_give_no_auc(tmp_path: Path) -> None:
    """Masks on cancers only: how often they are found can be told, what the mark is worth cannot."""
    folds = _folds()
    for one in folds:
        keep = [j for j, c in enumerate(one["marked"]["case_ids"]) if one["labels"][one["case_ids"].index(c)] == 1]
        one["marked"] = {
            "case_ids": [one["marked"]["case_ids"][j] for j in keep],
            "overlap": [one["marked"]["overlap"][j] for j in keep],
            "probabilities": {"image": [one["marked"]["probabilities"]["image"][j] for j in keep]},
        }
    found = summarise_marked(folds, seed=0, replicates=50)
    assert found is not None and found["models"] == {} and 0 < found["overlap"]["value"] < 1
    assert "|---" not in "\n".join(_marked_lines(found, tiny_cohort(tmp_path, images=2)))


def test_a_fold_of_an_earlier_version_has_none_and_says_nothing(tmp_path: Path) -> None:
    folds = _folds()
    del folds[1]["marked"]
    assert summarise_marked(folds, seed=0) is None and summarise_marked([{"marked": {}}], seed=0) is None
    cohort: Cohort = tiny_cohort(tmp_path, images=2)
    assert _marked_lines(None, cohort) == []
    lines = "\n".join(_marked_lines(summarise_marked(_folds(), seed=0, replicates=50), cohort))
    assert "| Image only |" in lines and "| the expert's mark |" in lines


def test_marked_scores_are_put_on_the_folds_scale_with_the_others() -> None:
    """Where the mark changes nothing, it changes nothing on the common scale either."""
    folds = [whole(k) for k in range(3)]
    for one in folds:
        one["marked"] = {
            "case_ids": one["case_ids"], "overlap": [1.0] * len(one["case_ids"]),
            "probabilities": {"image": one["probabilities"]["image"]},
        }  # fmt: skip
    moved = on_one_scale(folds)
    assert any(a["probabilities"]["image"] != b["probabilities"]["image"] for a, b in zip(folds, moved, strict=True))
    for one in moved:
        assert one["marked"]["probabilities"]["image"] == one["probabilities"]["image"]
