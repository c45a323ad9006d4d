"""What one reader is doing, in one browser tab. The only file that touches st.session_state.

Patient data lives here and nowhere else: it goes when the session goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import streamlit as st

from dashboard.jobs import Analysis, Job
from dashboard.tasks import Task
from mmxai_core.clinical import Value
from mmxai_core.reader_study.store import new_token
from mmxai_core.study import Study
from mmxai_core.types import Box

_KEY = "reading"
_UNDO_DEPTH = 50


def _nothing() -> Mapping[str, Value]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False)
class ReadingSession:
    """Immutable: `update` puts a new one in its place.

    Attributes:
        study: The open study, or None.
        study_name: What the reader calls it: a file name or a sample's title; shown, never kept.
        image_index: Which image is shown.
        values: Known clinical values by field id.
        prefilled: Where a prefilled value came from, by field id, e.g. {"age": "from the file's header"}.
        initial: Values right after the study was opened; "Reset" goes back to them.
        undo: Earlier values, newest last.
        form_version: Changes when the form must be drawn afresh.
        upload_version: Changes when the file chooser must be emptied.
        roi: Box the reader drew, or None.
        roi_image: The image it was drawn on.
        opened: True once the reader chose a study, or clinical data alone.
        job: The analysis under way, or None.
        analysis: The latest finished analysis, or None.
        problem: One sentence on what stopped the latest analysis, or "".
        reader: Reader code, or "".
        survey_token: Token of the survey form on screen.
        survey_opened: When that form was first shown.
        scenes: Packed pictures by key, so that reruns send nothing.
        kept: What was computed once for the explanation on screen, by name; see `keep`.
        tasks: Work asked for on the Explanation page that is not done yet, by name.
        cases: Encoded cohort cases to compare with, or None; they outlive the case.
    """

    study: Study | None = None
    study_name: str = ""
    image_index: int = 0
    values: Mapping[str, Value] = field(default_factory=_nothing)
    prefilled: Mapping[str, str] = field(default_factory=dict)
    initial: Mapping[str, Value] = field(default_factory=_nothing)
    undo: tuple[Mapping[str, Value], ...] = ()
    form_version: int = 0
    upload_version: int = 0
    roi: Box | None = None
    roi_image: int = 0
    opened: bool = False
    job: Job | None = None
    analysis: Analysis | None = None
    problem: str = ""
    reader: str = ""
    survey_token: str = field(default_factory=new_token)
    survey_opened: datetime = field(default_factory=lambda: datetime.now(UTC))
    scenes: Mapping[str, bytes] = field(default_factory=dict)
    kept: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    tasks: Mapping[tuple[str, str], Task[Any]] = field(default_factory=dict)
    cases: Any = None


def current() -> ReadingSession:
    """This tab's session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = ReadingSession()
    session: ReadingSession = st.session_state[_KEY]
    return session


def update(**changes: Any) -> ReadingSession:
    """Replace the session by one with these changes."""
    session = replace(current(), **changes)
    st.session_state[_KEY] = session
    return session


def open_study(study: Study | None, name: str, values: Mapping[str, Value], prefilled: Mapping[str, str]) -> None:
    """Start a new case: everything of the old one goes, the reader stays."""
    old = _stopped()
    st.session_state[_KEY] = ReadingSession(
        study=study, study_name=name, values=MappingProxyType(dict(values)), prefilled=dict(prefilled),
        initial=MappingProxyType(dict(values)), form_version=old.form_version + 1,
        upload_version=old.upload_version + 1, opened=True, reader=old.reader,
        cases=old.cases,
    )  # fmt: skip


def close_study() -> None:
    """Back to the choice of a study."""
    old = _stopped()
    st.session_state[_KEY] = ReadingSession(
        form_version=old.form_version + 1, upload_version=old.upload_version + 1, reader=old.reader, cases=old.cases
    )


def _stopped() -> ReadingSession:
    """The session, with everything that runs for it asked to stop."""
    old = current()
    if old.job is not None:
        old.job.cancel()
    for task in old.tasks.values():
        task.cancel()
    return old


def change_values(values: Mapping[str, Value], *, redraw: bool = False) -> None:
    """Take new form values; the old ones can be undone.

    Args:
        values: Known values.
        redraw: True where they do not come from the form itself.
    """
    session = current()
    if dict(values) == dict(session.values):
        if redraw:  # what is on screen may be a value that was refused
            update(form_version=session.form_version + 1)
        return
    update(
        values=MappingProxyType(dict(values)), undo=(*session.undo, session.values)[-_UNDO_DEPTH:],
        form_version=session.form_version + redraw,
    )  # fmt: skip


def undo() -> None:
    """Take back the latest change of the form."""
    session = current()
    if session.undo:
        update(values=session.undo[-1], undo=session.undo[:-1], form_version=session.form_version + 1)


def keep_scene(key: str, packed: bytes) -> bytes:
    """Keep a packed picture of this case for the next rerun."""
    update(scenes={**current().scenes, key: packed})
    return packed


def kept(about: str, name: str) -> Any:
    """What `keep` kept under this name for this explanation, or None."""
    return current().kept.get((about, name))


def keep(about: str, name: str, value: Any) -> Any:
    """Keep what was computed for an explanation, so that no rerun computes it again; other explanations' goes."""
    others = {k: v for k, v in current().kept.items() if k[0] == about}
    update(kept={**others, (about, name): value})
    return value


def set_task(about: str, name: str, task: Task[Any] | None) -> None:
    """Put a task in its place, or take it away; what still runs for other explanations is stopped."""
    tasks = dict(current().tasks)
    for key in [k for k in tasks if k[0] != about]:
        tasks.pop(key).cancel()
    old = tasks.pop((about, name), None)
    if old is not None and old is not task:
        old.cancel()
    update(tasks=tasks if task is None else {**tasks, (about, name): task})


def fresh_survey() -> None:
    """A new survey form: new token, new opening time."""
    update(survey_token=new_token(), survey_opened=datetime.now(UTC))
