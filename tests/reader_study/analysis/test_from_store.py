"""Studies in a real store, analysed from the page's and the command line's side."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from study_protocols import AI, EXPLAINED, OPENED, protocol, read_on, with_questionnaires

from mmxai_core.cli.main import main
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.analysis.from_store import named_study, tables_from_store
from mmxai_core.reader_study.analysis.study_analysis import Options, analyse_study
from mmxai_core.reader_study.study_store import StudyStore


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequential study of two aided arms, read by three readers; the AI's share of planted errors is a quarter."""
    path = tmp_path_factory.mktemp("store") / "study.sqlite"
    made = protocol(arms=(AI, replace(EXPLAINED, wrong_share=0.25)), cases=8, readers=3, practice=1)
    store = StudyStore(path)
    study = store.start(with_questionnaires(made).lock(at=OPENED))
    for reader in ("R01", "R02", "R03"):
        for days in (0, 20):
            read_on(store, study, reader, now=datetime.now(UTC) + timedelta(days=days))
    store.close()
    return path


def test_a_study_read_in_the_store_is_analysed(store_file: Path) -> None:
    store = StudyStore(store_file)
    study = named_study(store, "us-pilot")
    assert study is not None
    found = analyse_study(tables_from_store(store, study), Options(replicates=100))
    assert found.prepared is not None
    assert found.prepared.scale.reason == "positive as the protocol says"
    assert len(found["accuracy"].tables["accuracy_pooled"])
    assert found["overview"].lines[0].startswith("3 readers, 8 cases (4 positive, 4 negative)")
    # Each reader reads each case in one arm: the stages are crossed over all arms, the arms are not.
    assert found.compared[0].comparison.id == "stages_any_arm"
    assert found.compared[0].crossed is not None
    assert not found["questionnaires"].undefined
    assert not found.simulated
    store.close()


def test_what_the_store_lacks_is_said(store_file: Path) -> None:
    store = StudyStore(store_file)
    with pytest.raises(StudyStoreError, match="Survey page holds no ratings yet"):
        tables_from_store(store, named_study(store, "survey"))
    with pytest.raises(StudyStoreError):
        named_study(store, "unknown")
    store.close()


def test_what_a_closed_study_lacks_will_not_come(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "study.sqlite")
    study = store.start(protocol(cases=4, readers=1).lock(at=OPENED))
    read_on(store, study, "R01", steps=3)

    def lines() -> str:
        return " ".join(analyse_study(tables_from_store(store, study), Options(replicates=50))["overview"].lines)

    before = lines()
    assert "not read yet: results may change." in before and "closed" not in before
    store.close_study(study)
    found = lines()
    missing = before.split(" assigned cases")[0].split()[-1]
    assert f"The study is closed: {missing} assigned cases of 4 were not read and will not be." in found
    assert "may change" not in found
    store.close()


def test_a_study_that_was_only_practised_has_its_title(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "study.sqlite")
    study = store.start(protocol(practice=1, title="Spring round").lock(at=OPENED))
    read_on(store, study, "R01", steps=1)
    found = tables_from_store(store, study)
    assert found.readings.empty and found.ratings.empty and found.name == "Spring round"
    store.close()


def test_the_command_analyses_the_store_and_prints_one_object(
    store_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        "reader-study",
        "analyse",
        "--store",
        str(store_file),
        "--study",
        "us-pilot",
        "--replicates",
        "50",
        "--json",
    ]
    assert main(given) == 0
    out, _ = capsys.readouterr()
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found["study"] == "us-pilot"
    assert set(found["sections"]) >= {"accuracy", "mrmc", "reliance", "planning"}
