from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from study_protocols import AI, EXPLAINED, UNAIDED, protocol, read_on, with_questionnaires, with_questions

from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import Assignment, assign
from mmxai_core.reader_study.protocol import Design, Protocol
from mmxai_core.reader_study.records import Event, Kept, Shown, Slot, Times
from mmxai_core.reader_study.session import (
    Step,
    elapsed,
    next_step,
    progress,
    shown_probability,
    step_of,
    steps,
)
from mmxai_core.reader_study.study_store import StudyStore

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
SLOT = Slot("reading", "reading", 1, "unaided", 7)


def mine(made: Protocol, reader: str = "R01") -> list[Assignment]:
    return [replace(a, id=n) for n, a in enumerate(assign(made), start=1) if a.reader == reader]


def answer(step: Step, at: datetime = NOW) -> Kept:
    assert step.slot is not None
    return Kept(1, "R01", step.slot, 1, None, "1", (), Shown(), None, at, at)


def walk(made: Protocol, now: datetime = NOW) -> list[Step]:
    """Every step of one reader, each from the answers kept so far; waits are sat out."""
    assigned, kept, seen = mine(made), [], []
    while True:
        step = next_step(made.blinded(), assigned, kept, now=now)
        seen.append(step)
        if step.kind == "done":
            return seen
        if step.kind == "wait":
            assert step.not_before is not None and step.not_before > now
            now = step.not_before
        else:
            kept.append(answer(step, now))


def test_nothing_of_the_ai_may_be_shown_before_the_unaided_opinion_of_that_case_is_kept() -> None:
    made = with_questionnaires(protocol(arms=(UNAIDED, AI, EXPLAINED), cases=9, practice=1))
    committed: set[int] = set()
    for step in walk(made):
        if step.assignment is None:
            assert step.reveals == frozenset()
        elif step.assignment.id not in committed:
            assert step.reveals == {"case"} and step.slot is not None and step.slot.stage == "unaided"
            committed.add(step.assignment.id)
        else:
            shown = {"ai_only": {"case", "ai"}, "explained": {"case", "ai", "saliency", "attribution"}}
            if step.slot is not None and step.slot.stage == "ai":
                assert step.reveals == {"case", "ai"}
            else:
                assert step.reveals == shown[step.assignment.arm]


def test_the_order_of_a_whole_sequential_session() -> None:
    made = with_questionnaires(protocol(arms=(EXPLAINED,), cases=2, practice=1))
    found = [
        (s.kind, s.slot.instrument if s.slot else "", s.slot.stage if s.slot else "", s.practice) for s in walk(made)
    ]
    case = lambda practice: [  # noqa: E731
        ("reading", "reading", "unaided", practice), ("reading", "reading", "ai", practice),
        ("reading", "reading", "explanation", practice), ("ratings", "case_ratings", "explanation", practice),
    ]  # fmt: skip
    assert found == [
        ("questionnaire", "trust_xai", "start", False), *case(True), *case(False), *case(False),
        ("questionnaire", "nasa_tlx_raw", "period_end", False), ("questionnaire", "sus", "end", False),
        ("done", "", "", False),
    ]  # fmt: skip


def test_an_opinion_that_reveals_the_next_stage_is_final_and_the_last_one_is_not() -> None:
    made = protocol(arms=(EXPLAINED,), cases=1)
    final = [(s.slot.stage, s.final) for s in steps(made, mine(made)) if s.kind == "reading" and s.slot]
    assert final == [("unaided", True), ("ai", True), ("explanation", False)]
    unaided = protocol(arms=(UNAIDED,), cases=1)
    assert [(s.kind, s.final) for s in steps(unaided, mine(unaided))] == [("reading", False)]


def test_a_session_resumes_at_the_same_step_after_any_answer() -> None:
    made = with_questionnaires(protocol(arms=(UNAIDED, EXPLAINED), cases=3, practice=1, crossover=True))
    assigned, every = mine(made), list(steps(made, mine(made)))
    for count in range(len(every)):
        kept = [answer(s, NOW - timedelta(days=60)) for s in every[:count]]
        again = next_step(made, assigned, reversed(kept), now=NOW)
        assert again == every[count]


def test_a_washout_is_waited_for_and_not_within_a_period() -> None:
    made = protocol(arms=(UNAIDED, AI), cases=2, crossover=True)
    assigned = mine(made)
    first = [s for s in steps(made, assigned) if s.slot and s.slot.period == 1]
    kept = [answer(s, NOW + timedelta(hours=n)) for n, s in enumerate(first)]
    last = max(k.saved_at for k in kept if k.slot.kind == "reading")
    wait = next_step(made, assigned, kept, now=last + timedelta(days=13, hours=23))
    assert (wait.kind, wait.not_before, wait.slot) == ("wait", last + timedelta(days=14), None)
    begun = next_step(made, assigned, kept, now=last + timedelta(days=14))
    assert begun.kind == "reading" and begun.slot is not None and begun.slot.period == 2
    second = [*kept, answer(begun, last + timedelta(days=14))]
    assert next_step(made, assigned, second, now=last + timedelta(days=14, minutes=1)).kind != "wait"
    free = replace(made, design=Design("crossover", 0))
    assert next_step(free, assigned, kept, now=last).kind == "reading"


def test_practice_does_not_start_the_washout_clock() -> None:
    made = protocol(arms=(UNAIDED, AI), cases=1, practice=1, crossover=True)
    kinds = [(s.kind, s.practice) for s in walk(made)]
    assert kinds.count(("wait", False)) == 1 and kinds.count(("reading", True)) == 3


def test_concurrent_aided_reading_shows_the_ai_from_the_start_of_its_arm_only() -> None:
    made = protocol(
        arms=(UNAIDED, EXPLAINED), cases=2, crossover=True, design=Design("crossover", 14, commit_first=False)
    )
    for step in walk(made):
        if step.assignment is not None:
            assert ("ai" in step.reveals) == (step.assignment.arm == "explained")


def test_progress_counts_whole_cases_without_practice(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "s.sqlite")
    made = protocol(arms=(UNAIDED, EXPLAINED), cases=4, practice=1, crossover=True)
    study = store.start(made.lock())
    assigned = store.assignments(study, "R01")
    assert progress(made, assigned, ()).total == 8
    read_on(store, study, "R01", steps=3)
    early = progress(made, assigned, store.kept(study, "R01"))
    read_on(store, study, "R01")
    half = progress(made, assigned, store.kept(study, "R01"))
    assert early.done <= 2 and (half.done, half.done_in_period, half.total_in_period) == (4, 0, 4)
    assert (half.period, half.periods) == (2, 2)
    read_on(store, study, "R01", now=datetime.now(UTC) + timedelta(days=20))
    whole = progress(made, assigned, store.kept(study, "R01"))
    assert (whole.done, whole.total, whole.done_in_period) == (8, 8, 4)


def test_an_earlier_step_can_be_seen_again_with_what_was_kept() -> None:
    made = protocol(arms=(EXPLAINED,), cases=1)
    every = steps(made, mine(made))
    kept = [replace(answer(s), iteration=2) for s in every[:3]]
    again = step_of(made, mine(made), kept, kept[2].slot)
    assert (again.seen, again.final, again.slot) == (2, False, every[2].slot)
    with pytest.raises(StudyStoreError, match="no answer of this reader"):
        step_of(made, mine(made), kept, every[3].slot)  # type: ignore[arg-type]


def beat(seconds: float, run: str, active: float, idle: float, *, assignment: int = 7, stage: str = "unaided") -> Event:
    data = {"run": run, "active_s": active, "idle_s": idle}
    return Event(1, "R01", "beat", assignment, stage, NOW + timedelta(seconds=seconds), data)


def test_time_is_the_last_beat_of_each_run_added_up() -> None:
    assert elapsed([], SLOT) == Times(0, 0)
    one = [beat(5, "a", 5, 0), beat(10, "a", 8, 2), beat(15, "a", 8, 7)]
    assert elapsed(one, SLOT) == Times(8, 7)
    assert elapsed([one[2], one[0], one[1]], SLOT) == Times(8, 7)  # beats may arrive in any order
    resumed = [*one, beat(3600, "b", 4, 1)]  # killed, and back after an hour: the hour counts for nothing
    assert elapsed(resumed, SLOT) == Times(12, 8)
    other = [beat(20, "a", 9, 9, assignment=8), beat(20, "a", 9, 9, stage="ai")]
    assert elapsed([*one, *other], SLOT) == Times(8, 7)


def test_two_windows_at_once_do_not_make_more_time_than_has_passed() -> None:
    both = [beat(60, "a", 50, 10), beat(60, "b", 40, 20)]
    assert elapsed(both, SLOT) == Times(60, 0)
    apart = [beat(60, "a", 50, 10), beat(200, "b", 40, 20)]
    assert elapsed(apart, SLOT) == Times(90, 30)


def test_beats_that_are_no_numbers_count_as_nothing() -> None:
    broken = [
        Event(1, "R01", "beat", 7, "unaided", NOW, {"run": "a", "active_s": value})
        for value in (float("nan"), -5, "9", True, None)
    ]
    assert elapsed(broken, SLOT) == Times(0, 0)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.83])
@pytest.mark.parametrize("probability", [0.0, 0.05, 0.1, 0.3, 0.5, 0.83, 0.97, 1.0])
@pytest.mark.parametrize("truth", [True, False])
def test_a_seeded_error_is_on_the_wrong_side_and_as_far_from_the_threshold(
    probability: float, threshold: float, truth: bool
) -> None:
    shown = shown_probability(probability, truth=truth, threshold=threshold, seeded_wrong=True)
    assert 0 <= shown <= 1 and (shown >= threshold) != truth
    honest = shown_probability(probability, truth=truth, threshold=threshold, seeded_wrong=False)
    assert honest == probability
    if (probability >= threshold) != truth:
        assert shown == probability  # wrong on its own
    elif probability in (0.0, 1.0):
        assert shown == 1 - probability


def test_no_error_can_be_seeded_without_the_truth() -> None:
    with pytest.raises(StudyStoreError, match="truth is not known"):
        shown_probability(0.4, truth=None, threshold=0.5, seeded_wrong=True)
    assert shown_probability(0.4, truth=None, threshold=0.5, seeded_wrong=False) == 0.4
    with pytest.raises(StudyStoreError, match="between 0 and 1"):
        shown_probability(1.4, truth=None, threshold=0.5, seeded_wrong=False)


def test_a_study_without_questions_after_the_case_has_no_ratings_step() -> None:
    quiet = dict(agreement=(), usefulness=False, misled=False, free_text=False)  # noqa: C408
    made = with_questions(protocol(arms=(EXPLAINED,), cases=1), **quiet)
    assert [s.kind for s in steps(made, mine(made))] == ["reading"] * 3
