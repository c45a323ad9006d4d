from __future__ import annotations

import numpy as np
import pytest

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.comparison import compare
from mmxai_core.reader_study.analysis.prepared import prepare
from mmxai_core.reader_study.rehearsal import Rehearsal, rehearse_study
from mmxai_core.reader_study.study_tables import COLUMNS


@pytest.mark.parametrize("design", ["sequential", "crossover"])
def test_every_table_of_the_contract_is_filled_and_marked(design: str) -> None:
    study = rehearse_study(Rehearsal(design=design, readers=3, positives=5, negatives=6))
    assert study.simulated
    for name, frame in study.frames().items():
        assert list(frame.columns) == list(COLUMNS[name])
        assert len(frame)
    assert len(study.readings) == 3 * 11 * 3
    assert study.readings["study"].str.startswith("SIMULATED").all()
    assert study.ratings["study"].str.startswith("SIMULATED").all()
    shown = study.readings[study.readings["stage"] != "unaided"].drop_duplicates("case")
    assert (shown["ai_seeded_wrong"] == 1).sum() == 4
    assert (shown.loc[shown["ai_seeded_wrong"] == 1, "ai_correct"] == 0).all()
    unaided = study.readings[study.readings["stage"] == "unaided"]
    assert unaided["ai_correct"].isna().all()  # nothing of the AI before the opinion is committed


def test_the_difference_that_was_simulated_is_found() -> None:
    plan = Rehearsal(readers=6, positives=40, negatives=40, aucs={"unaided": 0.65, "ai": 0.9}, seed=3)
    study = rehearse_study(plan)
    prepared = prepare(study)
    found = compare(prepared, replicates=20, seed=0)[0].primary
    assert found is not None
    assert found.pairs[0].name == "AI - unaided"
    assert found.pairs[0].difference == pytest.approx(0.25, abs=0.1)
    assert found.p is not None
    assert found.p < 0.05
    assert np.array_equal(study.readings["value"], rehearse_study(plan).readings["value"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"design": "x"}, "sequential or crossover; got 'x'"),
        ({"readers": 0}, "1 reader, 1 positive"),
        ({"seeded_wrong": 99}, "among the cases"),
        ({"ai_accuracy": 1.5}, "accuracy in 0 to 1"),
        ({"aucs": {"ai": 0.8}}, "has the stage unaided"),
    ],
)
def test_impossible_plans_are_refused(change: dict[str, object], expected: str) -> None:
    with pytest.raises(StudyStoreError, match=expected):
        Rehearsal(**change)  # type: ignore[arg-type]
