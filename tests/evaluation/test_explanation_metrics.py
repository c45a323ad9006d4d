from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.cohorts.case import Case, Cohort
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.evaluation.explanation_metrics import (
    ExplanationRow,
    _median,
    evaluate_explanations,
    summarise_explanations,
)
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from tests.tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    made = Predictor(load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")), device="cpu")
    yield made
    made.close()


def cohort(folder: Path, n: int) -> Cohort:
    cases = []
    for i in range(n):
        pixels = tiny_study(seed=i).images[0].grey
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(folder / f"{i}.png")
        clinical = {"age": 30.0 + i, "palpable": True, "nipple_discharge": False, "margin": "spiky", "birads": "4"}
        cases.append(Case(f"c{i}", f"p{i // 2}", folder / f"{i}.png", (), ("benign", "malignant")[i % 2], clinical))
    return Cohort(
        name="made_up", cases=tuple(cases), schema=SCHEMA, classes=("benign", "malignant"), positive_class="malignant",
        label="", leaks=(), dropped=(), licence="", citation="", download="",
    )  # fmt: skip


def test_rows_hold_the_strip_of_the_called_class(predictor: Predictor, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    rows, summary = evaluate_explanations(
        predictor, cohort(tmp_path, 4), limit=3, replicates=50, progress=lambda a, b: told.append((a, b))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (summary["n"], summary["drawn"]) == (3, True)
    for row in rows:
        assert row.called == ("malignant" if row.probability >= 0.4 else "benign")
        assert row.numbers["evidence"] is None  # the tiny bundle carries no null
        assert {k for k, v in row.numbers.items() if v is None} == {"evidence"}
        assert len(row.cascade) == 4
    assert summary["medians"]["ssim_noise"]["value"] == pytest.approx(
        np.median([float(r.numbers["ssim_noise"] or 0) for r in rows])
    )
    assert summary["medians"]["evidence"] is None
    assert summary["cascade"] == pytest.approx(np.mean([r.cascade for r in rows], 0).tolist())


def test_history_only_has_too_few_fields_to_remove(predictor: Predictor, tmp_path: Path) -> None:
    rows, summary = evaluate_explanations(
        predictor, cohort(tmp_path, 1), known=("history",), exact=False, replicates=10
    )
    assert rows[0].numbers["field_gain"] is None
    assert summary["shares"]["top_fields_beat_random"] is None
    assert summary["bars"]["top_fields_beat_random"]["met"] is None


def test_shares_are_of_positive_calls_and_medians_of_all_cases() -> None:
    def row(i: int, called: str, gain: float | None, ssim: float) -> ExplanationRow:
        numbers = {"deletion_gain": gain, "ssim_noise": ssim, "randomisation": 0.5, "pearson_noise": None}
        return ExplanationRow(f"c{i}", f"p{i}", None, called, 0.5, numbers, (0.8, 0.2))

    rows = [
        *(row(i, "malignant", g, 0.9) for i, g in enumerate([0.2, 0.1, 0.1, -0.1, 0.0, None])),
        *(row(10 + i, "benign", -0.5, 0.8) for i in range(5)),
    ]
    found = summarise_explanations(rows, positive_class="malignant", replicates=200)
    share = found["shares"]["deletion_beats_random"]
    assert (share["n"], share["value"]) == (5, pytest.approx(0.6))
    assert share["low"] < 0.6 < share["high"]
    assert found["medians"]["ssim_noise"]["value"] == pytest.approx(0.9)
    assert found["positive_calls"] == 6
    assert found["bars"]["deletion_beats_random"]["met"] is False
    assert found["bars"]["ssim_noise"]["met"] is True
    assert found["bars"]["randomisation"]["met"] is False  # below 0.5, not at it
    assert found["bars"]["pearson_noise"]["met"] is None
    assert found["cascade"] == pytest.approx([0.8, 0.2])


def test_weighted_medians_are_medians_of_the_repeated_values() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=7), rng.integers(0, 4, (20, 7)).astype(float)
    weights[:, 0] += 1
    expected = [np.median(np.repeat(values, w.astype(int))) for w in weights]
    assert np.allclose(_median(values, weights), expected)


def test_refusals(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(CancelledError):
        evaluate_explanations(predictor, cohort(tmp_path, 1), cancelled=lambda: True)
    with pytest.raises(CohortError, match="no case"):
        evaluate_explanations(predictor, cohort(tmp_path, 0))
