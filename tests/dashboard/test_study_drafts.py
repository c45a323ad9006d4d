"""Drafts of studies that two windows have open, or that the disk does not let go: nobody's work is lost unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput
from study_protocols import protocol

from dashboard import study_drafts
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.study_store import StudyStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyStore:
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    return StudyStore(tmp_path / "ratings.sqlite")


def kept_titles() -> dict[str, str]:
    return {d.id: d.protocol.title for d in study_drafts.drafts() if d.protocol}


def press(app: AppTest, label: str) -> AppTest:
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(e.value for kind in ("caption", "markdown", "error", "warning") for e in getattr(app, kind))


def field(app: AppTest, label: str) -> TextInput:
    return next(t for t in app.text_input if t.label == label)


def window(app: AppTest) -> AppTest:
    """Another window of the same server, on the studies."""
    other = AppTest.from_file(str(app._script_path), default_timeout=240)
    return other.switch_page("views/studies.py").run()


@pytest.fixture
def two(app: AppTest) -> tuple[AppTest, AppTest]:
    """Two windows on one draft."""
    app.switch_page("views/studies.py").run()
    press(app, "New study")
    return app, press(window(app), "Continue the draft")


def lock(app: AppTest, study_id: str = "pilot") -> AppTest:
    # AppTest runs no dialog on its own: both buttons in one run.
    app.session_state["presses"] = frozenset({"start", f"confirm-start-{study_id}-1"})
    return app.run()


def test_a_draft_takes_the_place_of_what_it_was_and_of_nothing_else(store: StudyStore) -> None:
    first = protocol(title="First")
    study_drafts.keep(first)
    mine, theirs = replace(first, title="Mine"), replace(first, title="Theirs")
    study_drafts.keep(theirs, instead_of=first)
    with pytest.raises(StudyStoreError, match="This draft was changed in another window; download the protocol"):
        study_drafts.keep(mine, instead_of=first)
    study_drafts.keep(theirs, instead_of=first)  # the same in both: nothing is lost
    study_drafts.keep(replace(mine, id="mine"), instead_of=first)  # under an id of its own, theirs stays
    assert kept_titles() == {"us-pilot": "Theirs", "mine": "Mine"}
    study_drafts.discard("us-pilot", only=first)
    assert "us-pilot" in kept_titles()
    study_drafts.discard("us-pilot")
    with pytest.raises(StudyStoreError, match="This draft was started, renamed or discarded in another window"):
        study_drafts.keep(mine, instead_of=theirs)


def test_the_second_window_on_a_draft_says_that_it_is_behind(two: tuple[AppTest, AppTest]) -> None:
    here, there = two
    field(there, "Title").set_value("Theirs").run()
    field(here, "Title").set_value("Mine").run()
    assert "This draft was changed in another window" in words(here) and kept_titles() == {"pilot": "Theirs"}
    lock(here)
    assert "Not started. This draft was changed in another window" in words(here)
    assert "Theirs" in words(window(here)), "it is not started over their head"
    press(here, "Discard it")
    assert kept_titles() == {"pilot": "Theirs"}


def test_a_discarded_draft_does_not_come_back(two: tuple[AppTest, AppTest]) -> None:
    here, there = two
    press(there, "Discard it")
    field(here, "Title").set_value("Mine").run()
    assert "started, renamed or discarded in another window" in words(here) and kept_titles() == {}
    press(here, "Leave without it")
    assert "Draft:" not in words(here)


def test_a_study_that_was_started_in_another_window_leaves_no_draft(
    two: tuple[AppTest, AppTest], tmp_path: Path
) -> None:
    here, there = two
    lock(there)
    assert [s.code for s in StudyStore(tmp_path / "ratings.sqlite").studies()] == ["pilot"]
    field(here, "Title").set_value("Mine").run()
    assert "Version 1 of the study 'pilot' has been started; go back to the studies, or" in words(here)
    assert kept_titles() == {}
    field(here, "Id").set_value("second").run()
    assert not here.warning and kept_titles() == {"second": "Mine"}


def test_a_draft_of_a_study_that_runs_can_only_be_discarded(app: AppTest, store: StudyStore) -> None:
    store.start(protocol().lock())
    study_drafts.keep(protocol())  # the disk refused to let go of it at the lock
    app.switch_page("views/studies.py").run()
    assert "(us-pilot, version 1), the study was started since" in words(app)
    assert not [b for b in app.button if b.label == "Continue the draft"]


def test_a_run_that_is_cut_short_once_the_disk_has_the_draft_is_no_other_window(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.switch_page("views/studies.py").run()
    press(app, "New study")
    before = app.session_state["study"]
    field(app, "Title").set_value("Typed").run()
    # What the window knows where that run ended between the disk and the session.
    cut = replace(app.session_state["study"], draft_kept=before.draft_kept)
    app.session_state["study"] = cut
    field(app, "Title").set_value("Typed on").run()
    assert not app.warning and kept_titles() == {"pilot": "Typed on"}


def test_what_breaks_a_rule_is_not_left_without_asking(app: AppTest) -> None:
    app.switch_page("views/studies.py").run()
    press(app, "New study")
    field(app, "Title").set_value("").run()
    assert not [b for b in app.button if b.label == "Back to the studies"]
    press(app, "Leave without it")
    assert "Draft: **Pilot reading session**" in words(app)


def refuse_folder(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for name in names:
        monkeypatch.setattr(study_drafts.Path, name, refuse)


def test_a_folder_that_may_not_be_entered_is_one_sentence(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    study_drafts.keep(protocol())
    refuse_folder(monkeypatch, "exists", "iterdir", "stat")
    with pytest.raises(StudyStoreError, match=r"could not be kept \(Permission denied\)"):
        study_drafts.keep(protocol())
    with pytest.raises(StudyStoreError, match=r"could not be read \(Permission denied\)"):
        study_drafts.drafts()
    assert study_drafts.find("us-pilot") is None


def test_the_studies_are_there_where_the_drafts_cannot_be_read(app: AppTest, store: StudyStore) -> None:
    store.start(protocol().lock())
    study_drafts.folder().write_text("no folder")
    app.switch_page("views/studies.py").run()
    assert not app.exception and "The drafts that are kept could not be read" in words(app)
    assert "Open · sequential" in words(app)
    press(app, "New study")
    assert "A reload would lose the changes" in words(app)
    lock(app)
    assert {s.code for s in store.studies()} == {"us-pilot", "pilot"}, "a study starts without a draft as well"


def test_a_draft_left_under_its_id_before_is_said_and_the_new_one_is_kept(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.switch_page("views/studies.py").run()
    press(app, "New study")
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == "pilot.json":
            raise PermissionError(13, "Permission denied")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    field(app, "Id").set_value("spring").run()
    assert "the one under its id before, 'pilot', stays (Permission denied)" in words(app)
    assert set(kept_titles()) == {"pilot", "spring"}
    field(app, "Title").set_value("Spring").run()
    assert not app.warning and kept_titles()["spring"] == "Spring"


def test_a_folder_that_is_open_to_others_is_closed(store: StudyStore) -> None:
    study_drafts.folder().mkdir(mode=0o755)
    study_drafts.folder().chmod(0o755)
    study_drafts.keep(protocol())
    assert study_drafts.folder().stat().st_mode & 0o777 == 0o700
