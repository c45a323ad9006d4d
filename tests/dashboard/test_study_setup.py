"""Study set-up without a browser: what a new draft holds, what follows from a choice, what is said before the lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput
from study_protocols import protocol

from dashboard import study_drafts
from dashboard.components.arms_table import follow_kinds, usual_arms
from dashboard.components.protocol_summary import summary_lines
from dashboard.components.study_overview import reader_link, server_address
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import assign
from mmxai_core.reader_study.protocol import Arm, Design, Protocol
from mmxai_core.reader_study.study_store import StudyStore


def table(*rows: tuple[str | None, str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "kind", "explanations"])


def test_the_usual_arms_of_a_design_compare_unaided_ai_and_explanation() -> None:
    sequential = protocol(arms=usual_arms("sequential"))
    assert [sequential.stages(a.id) for a in sequential.arms] == [("unaided", "ai", "explanation")]
    crossover = protocol(arms=usual_arms("crossover"), crossover=True)
    assert [crossover.stages(a.id)[-1] for a in crossover.arms] == ["unaided", "ai", "explanation"]
    assert crossover.design == Design("crossover", 14.0)


def test_an_arms_id_follows_its_kind_until_one_is_typed() -> None:
    before = table(("ai", "ai", []), ("mine", "ai", []))
    assert follow_kinds(before, before) is None
    now = table(("ai", "unaided", []), ("mine", "unaided", []))
    assert list(follow_kinds(before, now)["id"]) == ["unaided", "mine"]  # type: ignore[index]
    typed = table(("other", "unaided", []), ("mine", "ai", []))
    assert follow_kinds(before, typed) is None
    emptied = table((None, "ai", []), ("mine", "ai", []))
    assert list(follow_kinds(before, emptied)["id"]) == ["ai", "mine"]  # type: ignore[index]


def test_a_second_arm_of_a_kind_is_numbered_and_follows_as_well() -> None:
    before = table(("ai", "ai", []))
    two = follow_kinds(before, table(("ai", "ai", []), (None, "ai", [])))
    assert two is not None and list(two["id"]) == ["ai", "ai_2"]
    turned = two.copy()
    turned.loc[1, "kind"] = "unaided"
    assert list(follow_kinds(two, turned)["id"]) == ["ai", "unaided"]  # type: ignore[index]


def test_explanations_come_and_go_with_the_kind() -> None:
    before = table(("ai", "ai", []), ("ai_explanation", "ai_explanation", ["unified"]))
    found = follow_kinds(before, table(("ai", "ai_explanation", []), ("ai_explanation", "ai", ["unified"])))
    assert found is not None and list(found["explanations"]) == [["saliency", "attribution"], []]
    assert list(found["id"]) == ["ai_explanation_2", "ai"]


@pytest.fixture
def draft(app: AppTest) -> AppTest:
    """A new study, opened."""
    app.switch_page("views/studies.py").run()
    return press(app, "New study")


def press(app: AppTest, label: str) -> AppTest:
    next(b for b in app.button if b.label == label).click().run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(
        e.value for kind in ("caption", "markdown", "error", "info", "subheader") for e in getattr(app, kind)
    )


def opened(app: AppTest) -> Protocol:
    return app.session_state["study"].draft  # type: ignore[no-any-return]


def test_a_new_draft_reads_each_case_unaided_then_with_the_ai_then_explained(draft: AppTest) -> None:
    made = opened(draft)
    assert [made.stages(a.id) for a in made.arms] == [("unaided", "ai", "explanation")]
    assert "Hash" in words(draft)  # it could start as it is


def test_a_practice_case_is_read_first_by_default(draft: AppTest) -> None:
    made = opened(draft)
    assert [c.id for c in made.practice_cases] == ["PHANTOM-A"] and len(made.study_cases) == 5
    assert {c.truth for c in made.study_cases} == {True, False}
    assert next(iter(assign(made))).practice
    assert "5 cases, 3 positive; 1 for practice." in words(draft)


def test_a_crossover_takes_its_usual_arms_with_one_press(draft: AppTest) -> None:
    next(r for r in draft.radio if r.label == "Design").set_value("crossover").run()
    assert "a crossover compares two or more arms" in words(draft)
    press(draft, "Use the usual arms")
    assert "a crossover compares" not in words(draft)
    (balance,) = [d.value for d in draft.dataframe if "Reader" in d.value.columns]
    assert list(balance.columns) == ["Reader", "unaided", "ai", "ai_explanation"]


def reloaded(app: AppTest) -> AppTest:
    """Another window of the same server, as after a reload."""
    other = AppTest.from_file(str(app._script_path), default_timeout=240)
    other.switch_page("views/studies.py").run()
    assert not other.exception
    return other


def field(app: AppTest, label: str) -> TextInput:
    return next(t for t in app.text_input if t.label == label)


def test_a_draft_outlives_a_reload_and_is_gone_once_discarded(draft: AppTest, tmp_path: Path) -> None:
    field(draft, "Title").set_value("Spring round").run()
    again = reloaded(draft)
    assert "Draft: **Spring round** (pilot, version 1), not started" in words(again)
    press(again, "Continue the draft")
    assert field(again, "Title").value == "Spring round"
    field(again, "Id").set_value("spring").run()
    assert [p.name for p in (tmp_path / "drafts").iterdir()] == ["spring.json"]  # renamed, not doubled
    press(again, "Back to the studies")
    press(again, "Discard it")
    assert "Draft:" not in words(again) and not list((tmp_path / "drafts").iterdir())


def test_a_change_that_breaks_a_rule_leaves_what_was_kept(draft: AppTest) -> None:
    field(draft, "Title").set_value("").run()
    assert "Until then the draft is kept as it was before." in words(draft)
    assert "Draft: **Pilot reading session**" in words(reloaded(draft))


def test_other_cases_leave_what_was_typed(draft: AppTest) -> None:
    field(draft, "Title").set_value("Spring round").run()
    press(draft, "Use the shipped samples")
    assert field(draft, "Title").value == "Spring round"


def test_a_locked_study_leaves_no_draft(draft: AppTest, tmp_path: Path) -> None:
    # AppTest runs no dialog on its own: both buttons in one run.
    draft.session_state["presses"] = frozenset({"start", "confirm-start-pilot-1"})
    draft.run()
    assert [s.code for s in StudyStore(tmp_path / "ratings.sqlite").studies()] == ["pilot"]
    assert not list((tmp_path / "drafts").iterdir())
    press(draft, "New study")
    assert opened(draft).id == "pilot-2"  # the next one could start as well


def test_two_drafts_never_take_each_others_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    first, second = protocol(title="First"), protocol(title="Second")
    study_drafts.keep(first)
    with pytest.raises(StudyStoreError, match="Another draft of the study 'us-pilot' is kept"):
        study_drafts.keep(second)
    study_drafts.keep(replace(second, id="other"))
    with pytest.raises(StudyStoreError):  # renamed onto the first
        study_drafts.keep(second, instead_of=replace(second, id="other"))
    assert {d.id: d.protocol.title for d in study_drafts.drafts() if d.protocol} == {
        "us-pilot": "First",
        "other": "Second",
    }


def test_a_draft_is_for_the_servers_own_account_and_one_that_cannot_be_read_can_be_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MMXAI_STORE", f"sqlite:///{tmp_path / 'ratings.sqlite'}")
    study_drafts.keep(protocol())
    (kept,) = (tmp_path / "drafts").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("{}")
    (found,) = study_drafts.drafts()
    assert (found.id, found.protocol) == ("us-pilot", None)
    study_drafts.discard(found.id)
    assert study_drafts.drafts() == ()


def test_what_is_to_be_locked_is_said_in_a_few_lines() -> None:
    arms = (Arm("ai", "ai", wrong_share=0.25), Arm("shown", "ai_explanation", "", ("saliency",), placebo_share=0.5))
    said = summary_lines(protocol(arms=(Arm("alone", "unaided"), *arms), cases=6, practice=1, crossover=True))
    assert said == (
        "Arm `alone`: Unaided",
        "Arm `ai`: Unaided → AI; the AI is made wrong in 25 % of the readings",
        "Arm `shown`: Unaided → AI → AI with explanation (Grad-CAM++ map); the map is a placebo in 50 %",
        "6 cases: 3 malignant, 3 benign; 1 more for practice, read first",
        "3 readers: R01, R02, R03 (1 consultant, 2 resident)",
        "54 readings, 18 a reader, practice left out",
        "Order: Latin square, seed 7; a case comes early for some readers and late for others, arms are balanced; "
        "3 periods, at least 14 days between them",
    )
    unknown = protocol(arms=usual_arms("sequential"), cases=1)
    unknown = replace(unknown, cases=(replace(unknown.cases[0], truth=None),))
    assert "1 case: 1 of unknown truth; none for practice" in summary_lines(unknown)


def test_links_for_readers_are_whole_addresses(tmp_path: Path) -> None:
    assert server_address("https://site.example:8443/mmxai/studies") == "https://site.example:8443/mmxai"
    assert (server_address("http://localhost:8501/studies/"), server_address(None)) == ("http://localhost:8501", "")
    study = StudyStore(tmp_path / "store.sqlite").start(protocol().lock())
    link = reader_link(study, "R01", server="https://site.example/mmxai/ ")
    assert link == "https://site.example/mmxai/session?study=us-pilot&reader=R01"


def test_the_links_are_copied_in_one_go_one_line_a_reader(app: AppTest, tmp_path: Path) -> None:
    StudyStore(tmp_path / "ratings.sqlite").start(protocol().lock())
    app.switch_page("views/studies.py").run()
    next(t for t in app.text_input if t.label == "Address that readers use").set_value("http://localhost:8501").run()
    assert "This address works on this computer only." in words(app)
    next(t for t in app.text_input if t.label == "Address that readers use").set_value("https://site.example").run()
    assert not app.exception and "this computer only" not in words(app)
    assert app.code[0].value.splitlines() == [
        f"R0{n}\thttps://site.example/session?study=us-pilot&reader=R0{n}" for n in (1, 2, 3)
    ]


def test_a_change_that_was_begun_goes_on_where_it_stopped(app: AppTest, tmp_path: Path) -> None:
    StudyStore(tmp_path / "ratings.sqlite").start(protocol(cases=4).lock())
    app.switch_page("views/studies.py").run()
    press(app, "Change: new version")
    field(app, "Title").set_value("Second round").run()
    again = reloaded(app)
    assert "Draft: **Second round** (us-pilot, version 2)" in words(again)
    press(again, "Change: new version")
    assert field(again, "Title").value == "Second round"


def test_a_draft_that_cannot_be_kept_says_so_and_is_not_left_by_mistake(draft: AppTest, tmp_path: Path) -> None:
    study_drafts.keep(protocol(title="Somebody else's", id="taken"))
    field(draft, "Id").set_value("taken").run()
    assert "A reload would lose the changes" in draft.warning[0].value
    assert {d.id for d in study_drafts.drafts()} == {"pilot", "taken"}
    assert not [b for b in draft.button if b.label == "Back to the studies"]  # one press does not leave it
    assert "What is on screen is not kept. It goes; what was kept before stays." in words(draft)
    field(draft, "Id").set_value("free").run()
    assert not draft.warning and {d.id for d in study_drafts.drafts()} == {"free", "taken"}
    press(draft, "Back to the studies")
    assert opened(draft) is None


def test_a_disk_that_refuses_leaves_the_draft_before_and_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    before = protocol(title="Before")
    study_drafts.keep(before)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StudyStoreError, match="could not be kept \\(No space left on device\\)"):
        study_drafts.keep(protocol(title="After"), instead_of=before)
    assert [p.name for p in (tmp_path / "drafts").iterdir()] == ["us-pilot.json"]
    assert [d.protocol.title for d in study_drafts.drafts() if d.protocol] == ["Before"]
