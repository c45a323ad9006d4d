"""Study set-up without a browser: what a new draft holds, what follows from a choice, what is said before the lock."""

from __future__ import annotations

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.arms_table import follow_kinds, usual_arms
from mmxai_core.reader_study.protocol import Design, Protocol


def table(*rows: tuple[str | None, str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "kind", "explanations"])


def test_the_usual_arms_of_a_design_compare_unaided_ai_and_explanation() -> None:
    from study_protocols import protocol

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
    from mmxai_core.reader_study.assignment import assign

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
