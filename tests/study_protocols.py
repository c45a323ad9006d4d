"""Small studies for tests: protocols, and readers who answer every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mmxai_core.reader_study.case_questions import case_questions, form_answers, reading_questions
from mmxai_core.reader_study.protocol import (
    Arm,
    Case,
    Design,
    InstrumentUse,
    Protocol,
    Questions,
    Randomisation,
    Reader,
)
from mmxai_core.reader_study.records import ItemAnswer, Kept, Shown, StudyRecord, Times
from mmxai_core.reader_study.session import Step, next_step
from mmxai_core.reader_study.store import new_token
from mmxai_core.reader_study.study_store import StudyStore

UNAIDED = Arm("unaided", "unaided")
AI = Arm("ai_only", "ai")
EXPLAINED = Arm("explained", "ai_explanation", explanations=("saliency", "attribution"))
OPENED = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def protocol(
    *,
    arms: tuple[Arm, ...] = (UNAIDED, EXPLAINED),
    cases: int = 6,
    readers: int = 3,
    practice: int = 0,
    strata: int = 1,
    crossover: bool = False,
    method: str = "latin_square",
    seed: int = 7,
    **more: Any,
) -> Protocol:
    """A valid protocol; every second case is positive."""
    made = [Case(f"C{n:02d}", truth=n % 2 == 0, stratum=f"s{n // 2 % strata}") for n in range(cases)]
    made += [Case(f"P{n}", truth=True, practice=True) for n in range(practice)]
    defaults: dict[str, Any] = {
        "id": "us-pilot",
        "title": "Pilot",
        "arms": arms,
        "cases": tuple(made),
        "readers": tuple(Reader(f"R{n:02d}", "resident" if n % 2 else "consultant") for n in range(1, readers + 1)),
        "design": Design("crossover", 14.0) if crossover else Design(),
        "randomisation": Randomisation(method, seed),  # type: ignore[arg-type]
    }
    return Protocol(**{**defaults, **more})


def with_questionnaires(made: Protocol) -> Protocol:
    """The same with questionnaires at its start, after each period and at its end."""
    uses = (InstrumentUse("trust_xai", "start"), InstrumentUse("nasa_tlx_raw", "period_end"), InstrumentUse("sus"))
    return replace(made, instruments=uses)


def with_questions(made: Protocol, **changes: Any) -> Protocol:
    """The same with other questions."""
    return replace(made, questions=Questions(**changes))


def answers_to(made: Protocol, step: Step, *, value: float = 70.0) -> tuple[ItemAnswer, ...]:
    """Some valid answers to a step."""
    if step.kind == "questionnaire":
        return (ItemAnswer("item_1", value=3.0), ItemAnswer("item_2", "no_answer"))
    assert step.assignment is not None
    if step.kind == "reading":
        wanted = {"opinion": value, "confidence": 4, "region": (10, 20, 30, 45.5)}
        asked = reading_questions(made)
    else:
        asked = case_questions(made, step.assignment.arm)
        by_kind = {"likert5": 2, "percent": 40, "choices": ["nothing"], "text": "clear margin"}
        wanted = {q.id: by_kind[q.kind] for q in asked}
    known = {q.id for q in asked}
    return form_answers(asked, {k: v for k, v in wanted.items() if k in known})


def shown_at(step: Step) -> Shown:
    """What the AI says at a step."""
    if "ai" not in step.reveals:
        return Shown("tiny", "ab" * 32)
    return Shown("tiny", "ab" * 32, "malignant", 0.8, "explanation-1", {"method": "grad_cam_pp", "seed": 7})


def read_on(
    store: StudyStore,
    study: StudyRecord,
    reader: str,
    *,
    steps: int | None = None,
    now: datetime | None = None,
    value: Callable[[Step], float] = lambda _: 70.0,
) -> list[Kept]:
    """A reader answers until he is done, has to wait, or has made so many steps."""
    made: list[Kept] = []
    while steps is None or len(made) < steps:
        mine = store.assignments(study, reader)
        step = next_step(study.for_readers, mine, store.kept(study, reader), now=now or datetime.now(UTC))
        if step.slot is None:
            break
        made.append(
            store.save(
                study, reader, step.slot, answers_to(study.protocol, step, value=value(step)), seen=step.seen,
                token=new_token(), opened_at=OPENED, shown=shown_at(step), times=Times(12.5, 3.0),
            )
        )  # fmt: skip
    return made
