"""Reading session of a study's reader. Nothing of the AI is sent before the unaided answer is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import services, state
from dashboard.components.activity import EVERY_S, activity
from dashboard.components.pressing import pressed
from dashboard.components.question_form import clean, question_form, questionnaire_form
from dashboard.components.reading_ai import ai_panel
from dashboard.components.wording import player_labels
from dashboard.messages import NOT_SAVED, boundary, markdown_safe, sentence
from dashboard.views import model_or_stop
from dashboard.views.study_case import ai_of, known_fields, show_case, show_values, study_schema
from dashboard.views.study_sign_in import sign_in
from mmxai_core.errors import MmxaiError, StudyStoreError
from mmxai_core.reader_study import session as course
from mmxai_core.reader_study.assignment import Assignment
from mmxai_core.reader_study.case_questions import (
    case_questions,
    form_answers,
    questionnaire_answers,
    reading_questions,
    region_of,
)
from mmxai_core.reader_study.protocol import Protocol
from mmxai_core.reader_study.questionnaire_registry import session_form
from mmxai_core.reader_study.records import ItemAnswer, Kept, Shown, StudyRecord, Times
from mmxai_core.reader_study.session import Step
from mmxai_core.reader_study.store import new_token
from mmxai_core.results.joint import REGION_LABELS
from mmxai_core.types import Box

_STAGE_TITLES = {
    "unaided": "Your reading, without the AI", "ai": "With the AI's prediction: your reading now",
    "explanation": "With the explanation: your reading now",
}  # fmt: skip
_COLUMNS = (11, 8)


@st.fragment
def clock(study: StudyRecord, step: Step, idle_s: float) -> None:
    """Counts the reader's time; a heartbeat is kept each few seconds, so that a kill loses no more."""
    with boundary(), st.container(key="study-clock"):  # it shows nothing, and its style takes it out of the page's flow
        session = state.study()
        beat = activity(session.run + session.step, idle_s=idle_s, key=f"clock-{session.step}")
        if beat is None or step.slot is None:
            return
        # The clock starts at 0 with every visit to a step, also with one that changes its answer.
        data = {"run": f"{session.run[:16]}-{step.seen}", "active_s": beat.active_s, "idle_s": beat.idle_s}
        services.study_store().record(
            study, session.reader, "beat", token=new_token(), assignment=step.slot.assignment,
            stage=course.step_name(step.slot), data=data,
        )  # fmt: skip


def other_model(protocol: Protocol) -> bool:
    """Whether this program runs another model than the study was made for: its answers would not be the study's."""
    at = services.study_path(protocol.bundle_sha256)
    return protocol.bundle_sha256 not in ("", services.bundle(at).sha256)


def step_key(step: Step) -> str:
    """Names a step: a new one gets a fresh form and clock."""
    s = step.slot
    return step.kind if s is None else f"{s.kind}-{s.instrument}-{s.period}-{s.stage}-{s.assignment or 0}-{step.seen}"


def form_key(step: Step) -> str:
    """Identity of a form: the step in this visit, so that an answer to one never stands in another."""
    return f"{state.study().run[:8]}-{step_key(step)}"


def enter(step: Step) -> None:
    """A step that is new on this screen gets a fresh token and opening time; one answered elsewhere is said."""
    session, key = state.study(), step_key(step)
    if session.step == key:
        return
    # What is left on purpose (saved, gone back, waited for) leaves no step behind.
    elsewhere = session.step and not session.step.startswith("wait")
    notice = (
        "This step was answered in another window; this is the next one. What was typed here was not kept."
        if elsewhere else session.notice
    )  # fmt: skip
    state.update_study(step=key, token=new_token(), opened_at=datetime.now(UTC), notice=notice)


def time_on(study: StudyRecord, step: Step) -> Times:
    """Time on a step: its heartbeats, and what has passed since the last one, in which the reader has just acted."""
    session, slot = state.study(), step.slot
    assert slot is not None
    beats = services.study_store().events(
        study, session.reader, kind="beat", assignment=slot.assignment, stage=course.step_name(slot)
    )
    since = (datetime.now(UTC) - max([*(e.at for e in beats), session.opened_at])).total_seconds()
    so_far = course.elapsed(beats, slot)
    return Times(so_far.active_s + min(max(since, 0.0), 2 * EVERY_S), so_far.idle_s)


def save(
    study: StudyRecord, step: Step, answers: tuple[ItemAnswer, ...], *, version: str = "1", shown: Shown | None = None
) -> None:
    """Keep an answer, then go on; on an error the form stays as it is."""
    session, store = state.study(), services.study_store()
    assert step.slot is not None
    try:
        kept = store.save(
            study, session.reader, step.slot, answers, seen=step.seen, token=session.token,
            opened_at=session.opened_at, instrument_version=version, shown=shown, times=time_on(study, step),
        )  # fmt: skip
    except StudyStoreError as error:
        st.error(markdown_safe(sentence(error, opening=NOT_SAVED)), icon=":material/error:")
        return
    state.update_study(step="", notice=f"Kept at {kept.saved_at:%H:%M:%S} UTC.", token=new_token(), back=None)
    st.rerun()


def region_bar(bar: DeltaGenerator, step: Step, region: Box | None, *, was_none: bool) -> bool:
    """Whether a lesion is marked, and the box to tick where there is none; returns whether it is ticked.

    Args:
        bar: Where it is drawn.
        step: The step.
        region: The box drawn, or None.
        was_none: True where this very answer is changed, and had none. From one step to the next it is said anew.
    """
    with bar:
        none = st.checkbox(
            "No lesion to mark", was_none, key=f"none-{form_key(step)}", width="content",
            help="Tick it where you see none; otherwise draw a box in the image.",
        )  # fmt: skip
        st.caption(
            "No box will be kept." if none
            else "Lesion marked in the image." if region is not None
            else "No box drawn yet: choose “Mark lesion” (key M in the image) and draw.",
            width="content",
        )  # fmt: skip
    return none


def reading(study: StudyRecord, protocol: Protocol, step: Step, kept: tuple[Kept, ...]) -> None:
    """One stage of one case: image, what may be shown of the AI, and the opinion."""
    assert step.slot is not None and step.assignment is not None
    case, schema = protocol.case(step.assignment.case), study_schema(protocol)
    earlier = [k for k in kept if k.slot.assignment == step.slot.assignment and k.slot.kind == "reading"]
    last = earlier[-1] if earlier else None
    questions = reading_questions(protocol)
    asks_region = bool(case.image) and any(q.kind == "region" for q in questions)
    left, right = st.columns(_COLUMNS, gap="medium")
    with right:
        evidence = st.container(gap="xsmall")
        form = st.container(key="study-answer", gap="xsmall")  # in view, however long the evidence above it is
    with evidence:
        st.markdown(f"**{_STAGE_TITLES[step.slot.stage]}**")
        if step.slot.stage != "explanation":  # else the explanation needs the place
            show_values(case, schema)
        output = ai_of(study, step, case)
        clock(study, step, protocol.idle_limit_s)
    with left:
        before_region = region_of(last.answer("region")) if last else None
        mark = st.container(horizontal=True, vertical_alignment="center")  # above the image, to be seen with it
        region = show_case(case, step, output, before_region, schema, draw=asks_region)
        answer = last.answer("region") if last is not None and last.slot == step.slot else None
        was_none = answer is not None and answer.state == "no_answer"
        none = asks_region and region_bar(mark, step, region, was_none=was_none)
        if step.slot.stage == "explanation":
            show_values(case, schema)
    if output is not None:
        players = player_labels(schema, dict(schema.record(known_fields(case, schema)).values)) | dict(REGION_LABELS)
        with evidence:
            ai_panel(output, players, step.reveals)
    with form:
        known = {a.item: a.value for a in last.answers if a.value is not None} if last else {}
        raw = question_form(
            questions, key=form_key(step), before=known,
            label="Commit unaided answer" if step.slot.stage == "unaided" else "Commit answer",
        )  # fmt: skip
        if step.final:
            st.caption("What is committed here is final.")
        if raw is None:
            return
        if asks_region:
            if region is None and not none:
                st.error("Draw a box around the lesion, or tick “No lesion to mark”.", icon=":material/error:")
                return
            raw["region"] = "no_answer" if none else region
        elif any(q.kind == "region" for q in questions):
            raw["region"] = "no_answer"
        try:
            answers = form_answers(questions, clean(raw))
        except StudyStoreError as error:
            st.error(markdown_safe(sentence(error, opening=NOT_SAVED)), icon=":material/error:")
            return
        save(study, step, answers, shown=None if output is None else output.shown)


def ratings(study: StudyRecord, protocol: Protocol, step: Step, kept: tuple[Kept, ...]) -> None:
    """The questions after a case, beside what was shown."""
    assert step.slot is not None and step.assignment is not None
    case = protocol.case(step.assignment.case)
    left, right = st.columns(_COLUMNS, gap="medium")
    with right:
        st.markdown("**What did you make of it?**")
        output = ai_of(study, step, case)
        clock(study, step, protocol.idle_limit_s)
    with left:
        schema = study_schema(protocol)
        show_case(case, step, output, None, schema, draw=False)
        show_values(case, schema)
    with right:
        shown = None if output is None else output.explanations
        questions = case_questions(protocol, step.assignment.arm, shown=shown)
        last = next((k for k in kept if k.slot == step.slot), None)
        known = {} if last is None else {a.item: a.text or a.value or "no_answer" for a in last.answers}
        raw = question_form(questions, key=form_key(step), label="Save and go on", before=known)
        if raw is None:
            return
        try:
            answers = form_answers(questions, clean(raw))
        except StudyStoreError as error:
            st.error(markdown_safe(sentence(error, opening=NOT_SAVED)), icon=":material/error:")
            return
        save(study, step, answers, shown=None if output is None else output.shown)


def ask_questionnaire(study: StudyRecord, protocol: Protocol, step: Step) -> None:
    """A published questionnaire."""
    assert step.slot is not None
    asked = session_form(step.slot.instrument)
    clock(study, step, protocol.idle_limit_s)
    st.subheader(asked.title, anchor=False)
    st.caption(markdown_safe(asked.source))
    sent = questionnaire_form(asked, key=form_key(step))
    if sent is None:
        return
    raw, chosen = sent
    try:
        answers = questionnaire_answers(asked, raw, chosen=chosen)
    except StudyStoreError as error:
        st.error(markdown_safe(sentence(error, opening=NOT_SAVED)), icon=":material/error:")
        return
    save(study, step, answers, version=asked.version)


def changeable(
    protocol: Protocol, assignments: tuple[Assignment, ...], kept: tuple[Kept, ...], *, coming: Step
) -> Step | None:
    """The step answered last, where its answer may still be changed: it has revealed nothing.

    Once another period shows a case, the one before is done with: the same case may be there again, with the AI.
    """
    if not kept or kept[-1].slot.kind == "questionnaire":
        return None
    if coming.assignment is not None and coming.assignment.period != kept[-1].slot.period:
        return None
    step = course.step_of(protocol, assignments, kept, kept[-1].slot)
    return None if step.final else step


def top(
    protocol: Protocol, step: Step, progress: course.Progress, *, last: Step | None, coming: Step
) -> None:  # fmt: skip
    """Title, progress, the way back to the last answer, pause, leave, and what happened last."""
    session = state.study()
    on_case = step.kind in ("reading", "ratings")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        saved = session.notice if session.notice.startswith("Kept") else ""
        with st.container(key="study-title", width="content", gap=None):
            st.markdown(f"**{markdown_safe(protocol.title)}** · reader `{session.reader}`")
            st.caption(f":green[{markdown_safe(saved)}]" if saved else "&nbsp;")  # its place is kept: nothing moves
        # Gone back to the case before: that one is among those done.
        number = progress.done + (step.assignment == coming.assignment)
        where = "Practice" if step.practice else f"Case {min(max(number, 1), progress.total)} of {progress.total}"
        if progress.periods > 1:
            where += f", period {progress.period} of {progress.periods}"
        st.progress(
            progress.done / max(progress.total, 1),
            text=where if on_case else f"{progress.done} of {progress.total} cases read",
        )
        going_back = last is not None and state.study().back == last.slot
        if last is not None and pressed(
            "Keep it as it was" if going_back else "Change last answer", icon=":material/undo:", key="back",
            help="The new answer replaces the old one; both stay on record.",
        ):  # fmt: skip
            notice = "" if going_back else "Kept; you may change it."
            state.update_study(step="", back=None if going_back else last.slot, notice=notice)
            st.rerun()
        if on_case and pressed("Pause", icon=":material/pause:", key="pause"):
            state.update_study(paused=True)
            st.rerun()
        if pressed("Leave", icon=":material/logout:", key="leave", help="What is kept stays; sign in to go on."):
            state.leave_study()
            state.update_study(left=session.code)
            st.query_params.clear()
            st.rerun()
    if session.notice and not saved:
        st.caption(f":orange[{markdown_safe(session.notice)}]")


def main() -> None:
    """The page."""
    model_or_stop()
    study = sign_in()
    if study is None:
        return
    reader, store = state.study().reader, services.study_store()
    protocol = study.for_readers
    assignments, kept = store.assignments(study, reader), store.kept(study, reader)
    coming = step = course.next_step(protocol, assignments, kept, now=datetime.now(UTC))
    last = changeable(protocol, assignments, kept, coming=coming)
    back = state.study().back
    if back is not None and last is not None and last.slot == back:
        step = last
    enter(step)
    top(protocol, step, course.progress(protocol, assignments, kept), last=last, coming=coming)
    if store.is_closed(study):
        st.info("The coordinator has closed this study; what you answered is kept.", icon=":material/lock:")
    elif step.kind == "done":
        st.success("All cases are read. Thank you; your answers are kept.", icon=":material/check_circle:")
    elif step.kind == "wait":
        when = f"{step.not_before:%Y-%m-%d %H:%M} UTC" if step.not_before else "later"
        st.info(f"This period is done. The next one opens on {when}; sign in again then.", icon=":material/event:")
    elif other_model(protocol):
        st.error(
            "This study is made for another model than the one that runs here. Nothing was lost; tell the coordinator.",
            icon=":material/error:",
        )
    elif state.study().paused:
        st.info(
            "Paused. The clock stands still, and the case is hidden. What was not committed is asked again.",
            icon=":material/pause:",
        )
        if pressed("Go on", type="primary", icon=":material/play_arrow:", key="go-on"):
            state.update_study(paused=False, run=new_token())  # each run's clock counts from 0
            st.rerun()
    else:
        try:
            if step.kind == "reading":
                reading(study, protocol, step, kept)
            elif step.kind == "ratings":
                ratings(study, protocol, step, kept)
            else:
                ask_questionnaire(study, protocol, step)
        except MmxaiError as error:
            st.error(markdown_safe(sentence(error)), icon=":material/error:")
            st.caption("Your earlier answers are kept. Try again, or tell the coordinator.")
            st.button("Try again", key="again")


main()
