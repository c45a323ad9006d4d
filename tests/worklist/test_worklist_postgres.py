"""The worklist in a real PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import start_postgres
from synthetic_results import prediction
from tiny_bundle import tiny_study

from mmxai_core.results import FirstAnswer, InputCheck, PredictionSet
from mmxai_core.worklist import SITE, Analysed, NewCase, WorklistStore
from mmxai_core.worklist.database import worklist_url


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    yield from start_postgres()


def test_a_case_lives_and_ends_in_postgresql(postgres: str, tmp_path: Path) -> None:
    store = WorklistStore(worklist_url(postgres), tmp_path / "site")
    again = WorklistStore(worklist_url(postgres), tmp_path / "site")  # a second server on the same database
    code = store.add(NewCase("R01", "upload", tiny_study(), {"age": 57.0, "palpable": True})).code
    again.keep_inputs(code, ("R01",), values={"age": 58.5}, roi=(1.0, 2.0, 30.0, 40.0), roi_image=0, image_index=0)
    check = InputCheck(False, False, (), (), (), "Usual.", "tests")
    first = FirstAnswer(check, prediction(), PredictionSet((), "none", 0.9, "image", {}, True, "None.", "tests"))
    told = Analysed({"age": 58.5}, (1.0, 2.0, 30.0, 40.0), 0, 0.7, None, None, 0.4, "malignant", "malignant", (),
                    ("abstains",), "tiny", "ab" * 32, datetime.now(UTC))  # fmt: skip
    again.begin(code, ("R01",))
    again.finish(code, ("R01",), first, told)
    (case,) = store.cases(("R01", SITE))
    assert case.is_current and dict(case.values) == {"age": 58.5} and case.initial["palpable"] is True
    assert store.case(code, ("R02",)) is None and case.added_at.tzinfo is not None
    answer = store.answer(code, ("R01",))
    assert answer is not None and answer.prediction.probabilities == first.prediction.probabilities
    store.remember("R01", "tour", "2")
    assert again.recall("R01", "tour") == "2"
    store.link_rating(code, ("R01",), "9f0a12ab34cd56ef")
    assert again.rated_codes(("R01", SITE), {"9f0a12ab34cd56ef"}) == {"9f0a12ab34cd56ef": code}
    assert store.sweep(datetime.now(UTC) + timedelta(days=31)) == 1 and not again.cases(("R01",))[0].has_pixels
    assert again.remove(code, ("R01",)) and store.cases(("R01",)) == ()
    store.close()
    again.close()
