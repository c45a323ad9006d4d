"""The rival of oriented gradients: what it sees, that it learns, and that its second stage is fed no fitted score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison.tiny_cohort import CONFIG, SCHEMA, tiny_cohort
from sklearn.metrics import roc_auc_score

from mmxai_core.comparison import gradients as module
from mmxai_core.comparison.cohort import make_splits
from mmxai_core.comparison.fold import FoldWork
from mmxai_core.comparison.gradients import (
    SIDE,
    STRENGTHS,
    Seen,
    crop,
    fitted,
    gradients,
    score,
    scores_without,
    strength_of,
)
from mmxai_core.comparison.models import BY_NAME
from mmxai_core.comparison.run import Comparison, plan_of
from mmxai_core.training.data import CohortArrays, load_arrays
from mmxai_core.training.run_log import RunLog


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CohortArrays:
    return load_arrays(tiny_cohort(tmp_path_factory.mktemp("c"), images=2), schema=SCHEMA, canvas=96)


def noise(n: int, *, features: int = 40, images: int = 1, told: float = 0.0) -> Seen:
    """Cases whose features are noise, but for one that tells the class with the given weight."""
    rng = np.random.default_rng(n)
    labels = np.repeat(np.arange(n) % 2, images)
    x = rng.normal(size=(len(labels), features))
    x[:, 0] += told * labels
    return Seen(x, labels.astype(np.int64), tuple(f"p{i // images}" for i in range(len(labels))))


def test_the_crop_is_the_square_around_the_outline() -> None:
    grey, lesion = np.zeros((96, 96), np.uint8), np.zeros((96, 96), np.uint8)
    grey[40:60, 30:70] = 255
    lesion[40:60, 30:70] = 1
    cut = crop(grey, lesion)
    assert cut.shape == (SIDE, SIDE)
    rows, cols = (np.nonzero(cut.max(axis=a) > 0.5)[0] for a in (1, 0))
    assert len(cols) / SIDE == pytest.approx(1 / 1.3, abs=0.03), "its longer side, with context"
    assert len(rows) / len(cols) == pytest.approx(0.5, abs=0.05), "square: the shape is kept"
    assert (rows.mean(), cols.mean()) == pytest.approx((SIDE / 2, SIDE / 2), abs=3)


def test_an_outline_at_the_edge_is_cut_whole_and_without_one_the_canvas_is_seen() -> None:
    grey, lesion = np.full((96, 96), 200, np.uint8), np.zeros((96, 96), np.uint8)
    whole = crop(grey, lesion)
    lesion[:10, :10] = 1
    cut = crop(grey, lesion)
    assert whole.min() > 0.7 and cut[: SIDE // 16].max() < 0.1, "black beyond the canvas"
    assert cut[SIDE // 2, SIDE // 2] > 0.7


def test_brightness_and_contrast_of_the_machine_change_nothing(data: CohortArrays) -> None:
    few = data.take(range(4))
    darker = replace(few, grey=(few.grey.astype(float) * 0.6).round().astype(np.uint8))
    assert np.corrcoef(gradients(few).ravel(), gradients(darker).ravel())[0, 1] > 0.98
    assert gradients(few).shape == (4, 1764) and np.isfinite(gradients(few)).all()


def test_it_learns_and_takes_the_penalty_that_validation_prefers() -> None:
    train, validation, test = noise(200, told=3.0), noise(101, told=3.0), noise(102, told=3.0)
    strength, loss = strength_of(train, validation, None)
    assert strength in STRENGTHS and loss < 0.6
    assert strength == STRENGTHS[-1], "a clear feature wants a weak penalty"
    assert strength_of(noise(200), noise(101), None)[0] == STRENGTHS[0], "noise wants a strong one"
    margin = score(fitted(train, strength), test)
    assert ((margin > 0) == (test.labels == 1)).mean() > 0.8


def test_scores_for_the_second_stage_are_of_fits_that_did_not_see_the_patient() -> None:
    """Of noise a fit's own training cases look well told apart; left out, they are not."""
    seen = noise(60, features=400, images=2)
    own = score(fitted(seen, 1.0), seen)
    apart = scores_without(seen, 1.0, None, seed=3)
    assert ((own > 0) == (seen.labels == 1)).mean() == 1.0
    assert ((apart > 0) == (seen.labels == 1)).mean() < 0.7
    assert np.array_equal(apart, scores_without(seen, 1.0, None, seed=3))


def test_the_source_s_cases_are_trained_on_too() -> None:
    few, many, test = noise(12, told=1.0), noise(400, told=3.0), noise(101, told=3.0)
    alone, joined = (((score(fitted(x, 1e-2), test) > 0) == (test.labels == 1)).mean() for x in (few, few.join(many)))
    assert joined > alone and few.join(None) is few


def test_a_unit_tells_its_penalty_and_how_many_cases_it_learned_from(tmp_path: Path) -> None:
    source = tiny_cohort(tmp_path / "b", name="source", fields=False)
    target = tiny_cohort(tmp_path / "a", name="target", images=2)
    plan = plan_of(
        target, tmp_path / "run", config=replace(CONFIG, source_cohort="source"), folds=2, seeds=1,
        cache=tmp_path / "cache", source=source, only=("gradients",),
    )  # fmt: skip
    comparison = Comparison(plan)
    comparison.run()
    for unit in comparison.finished():
        assert unit.account["cases"] == {"own": 24, "source": 24}
        assert set(unit.scores) == {"image", "history", "history+descriptor"} == set(unit.account["setting"])
        assert not (tmp_path / "cache").exists(), "no network is trained for it"


def test_the_second_stage_is_not_fooled_by_a_score_that_knows_its_training_cases(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of pictures that are noise the fields must decide, as they do without the picture."""
    n = 240
    rng = np.random.default_rng(5)
    labels = (np.arange(n) % 2).astype(np.int64)
    records = tuple(SCHEMA.record({"age": float(np.clip(rng.normal(45 + 12 * y, 8), 20, 90))}) for y in labels)
    names = tuple(f"c{i}" for i in range(n))
    blank, empty = np.zeros((n, 96, 96), np.uint8), np.zeros((n, len(SCHEMA.fields)))
    data = CohortArrays(
        blank, np.tile(np.array([0, 0, 96, 96], np.int64), (n, 1)), blank, np.zeros(n, bool),
        empty.astype(np.float32), empty.astype(bool), labels, names, names, records,
    )  # fmt: skip
    drawn = dict(zip(names, rng.normal(size=(n, 900)), strict=True))
    monkeypatch.setattr(
        Seen, "of", classmethod(lambda cls, d: cls(np.stack([drawn[c] for c in d.case_ids]), d.labels, d.patients))
    )
    monkeypatch.setattr(module, "STRENGTHS", (1.0,))  # strong enough to know every training case by heart
    split = make_splits(data, folds=3, seed=1, validation=0.3)[0]
    work = FoldWork(data, split, schema=SCHEMA, config=CONFIG, cache=tmp_path, log=RunLog(tmp_path))
    both, fields = (work.fit(BY_NAME[name], lambda other: None) for name in ("gradients", "logistic"))  # type: ignore[arg-type, return-value]
    truth = labels[split.test]
    alone, found = (roc_auc_score(truth, u.scores["history"].test) for u in (fields, both))
    assert alone > 0.8 and found > alone - 0.05, (alone, found)
