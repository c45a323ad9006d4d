"""What one reader is doing, in one browser tab. The only file that touches st.session_state.

Patient data lives here and nowhere else: it goes when the session goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.analysis_desk import AnalysisDesk
from dashboard.batch import Batch
from dashboard.jobs import Analysis, Job
from dashboard.pixel_route import PixelSource
from dashboard.study_session import StudySession
from dashboard.tasks import Task
from mmxai_core.clinical import Value
from mmxai_core.reader_study.store import new_token
from mmxai_core.results import FirstAnswer
from mmxai_core.study import Study
from mmxai_core.types import Box
from mmxai_core.worklist import Analysed, Query, Source

if TYPE_CHECKING:
    import pandas as pd

    from mmxai_core.reader_study.protocol import Protocol

_KEY = "reading"
_STUDY_KEY = "study"
_DESK_KEY = "analysis-desk"
_PRESSES_KEY = "presses"
_TABS_KEY = "tabs"
_UNDO_DEPTH = 50
#: Widget that chooses the view of the Explanation page.
VIEW_KEY = "explanation-view"


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
        given: All that the file, sample or manifest gave, also what the bundle does not know.
        undo: Earlier values, newest last.
        form_version: Changes when the form must be drawn afresh.
        upload_version: Changes when the file chooser must be emptied.
        roi: Box the reader drew, or None.
        roi_image: The image it was drawn on.
        roi_drawn: True where it was drawn in the viewer on screen, False where the worklist kept it.
        opened: True once the reader chose a study, or clinical data alone.
        job: The analysis under way, or None.
        analysis: The latest finished analysis, or None.
        problem: One sentence on what stopped the latest analysis, or "".
        cancelled: True where the reader cancelled the latest analysis that has ended.
        reader: Reader code, or "".
        survey_token: Token of the survey form on screen.
        survey_for: Reader code and explanation id that this form is about.
        survey_opened: When that form was first shown.
        scenes: Packed pictures by key, so that reruns send nothing.
        clicked: The bar of the account clicked last, or "".
        kept: What was computed once for the explanation on screen, by name; see `keep`.
        tasks: Work asked for on the Explanation page that is not done yet, by name.
        cases: Encoded cohort cases to compare with, or None; they outlive the case.
        case: Code of the case in the worklist, or "" where it is not kept.
        source: Where the case came from.
        first: Check, prediction and prediction set of the latest analysis, or those the worklist kept; or None.
        first_for: What `first` was computed from, or None.
        unkept: One sentence on why the case is not kept, or "".
        pictures_asked: True once the explanation of a kept answer was asked for, so that Cancel is the last word.
        pixels_gone: True where the case had images and the worklist keeps them no more.
        files_wait: True where the samples were added on the Worklist while chosen files were not.
        refused: How many uploads in a row could not be opened.
        noted: The inputs that the worklist has, to write only what changed.
        desk: This browser's own mark, so that a reload finds its cases; another browser has another.
        queue: Codes of the worklist as it was shown last, for next and previous.
        query: What the worklist shows.
        tour: Step of the guided tour, from 0, or None.
        tour_seen: Reliability tests of the tour's cases, by sample.
        tour_from: Code of the case that was open when the tour began, to come back to; "" where none was kept.
        batch: Work on many cases that is under way or has just ended, or None.
        bundle: Name of the bundle that reads the case, and the next one; "" where none was chosen yet.
        parked: Values of the open case that the bundle does not know, for one that does.
        notice: One sentence to be read with the case that was just opened, or "".
    """

    study: Study | None = None
    study_name: str = ""
    image_index: int = 0
    values: Mapping[str, Value] = field(default_factory=_nothing)
    prefilled: Mapping[str, str] = field(default_factory=dict)
    initial: Mapping[str, Value] = field(default_factory=_nothing)
    given: Mapping[str, Value] = field(default_factory=_nothing)
    undo: tuple[Mapping[str, Value], ...] = ()
    form_version: int = 0
    upload_version: int = 0
    roi: Box | None = None
    roi_image: int = 0
    roi_drawn: bool = False
    opened: bool = False
    job: Job | None = None
    analysis: Analysis | None = None
    problem: str = ""
    cancelled: bool = False
    reader: str = ""
    survey_token: str = field(default_factory=new_token)
    survey_for: tuple[str, str] = ("", "")
    survey_opened: datetime = field(default_factory=lambda: datetime.now(UTC))
    scenes: Mapping[str, PixelSource] = field(default_factory=dict)
    clicked: str = ""
    kept: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    tasks: Mapping[tuple[str, str], Task[Any]] = field(default_factory=dict)
    cases: Any = None
    case: str = ""
    source: Source = "upload"
    first: FirstAnswer | None = None
    first_for: Analysed | None = None
    unkept: str = ""
    pictures_asked: bool = False
    pixels_gone: bool = False
    files_wait: bool = False
    refused: int = 0
    noted: tuple[object, ...] = ()
    desk: str = field(default_factory=new_token)
    queue: tuple[str, ...] = ()
    query: Query = field(default_factory=Query)
    tour: int | None = None
    tour_seen: Mapping[str, Any] = field(default_factory=dict)
    tour_from: str = ""
    batch: Batch | None = None
    bundle: str = ""
    parked: Mapping[str, Value] = field(default_factory=_nothing)
    notice: str = ""


#: What stays when another case is opened.
_STAYS = ("reader", "cases", "desk", "queue", "query", "tour", "tour_seen", "tour_from", "batch", "bundle")


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


def open_study(
    study: Study | None, name: str, values: Mapping[str, Value], prefilled: Mapping[str, str], **kept: Any
) -> None:
    """Start a case: everything of the old one goes, the reader stays.

    Args:
        study: The study, or None.
        name: What the reader calls it.
        values: Known values now.
        prefilled: Where a prefilled value came from, by field id.
        kept: Further attributes of the session, e.g. what the worklist kept of the case.
    """
    given = {"initial": MappingProxyType(dict(values)), "given": MappingProxyType(dict(values)), **kept}
    _replace_case(
        study=study, study_name=name, values=MappingProxyType(dict(values)), prefilled=dict(prefilled), opened=True,
        **given,
    )  # fmt: skip


def close_study() -> None:
    """Back to the choice of a study."""
    _replace_case()


def _replace_case(**case: Any) -> None:
    old = current()
    if old.job is not None:
        old.job.cancel()
    for task in old.tasks.values():
        task.cancel()
    st.session_state[_KEY] = ReadingSession(
        form_version=old.form_version + 1, upload_version=old.upload_version + 1,
        **{**{name: getattr(old, name) for name in _STAYS}, **case},
    )  # fmt: skip


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


def undo(*, refused: bool) -> None:
    """Take back the latest change of the form.

    Args:
        refused: True where the form shows a value that was refused: that is the latest change then, and it alone goes.
    """
    session = current()
    if refused:
        update(form_version=session.form_version + 1)
    elif session.undo:
        update(values=session.undo[-1], undo=session.undo[:-1], form_version=session.form_version + 1)


def keep_click(key: str) -> None:
    """Keep which mark of a chart was clicked; the last one stays where a click takes the selection away.

    Args:
        key: The chart's place on the page.
    """
    event = st.session_state.get(key)
    for point in event.selection.points if event else ():
        name = point.get("customdata")
        name = name[0] if isinstance(name, list) and name else name
        if isinstance(name, str):
            update(clicked=name)
            return


def choose_view(view: str) -> None:
    """Which view the Explanation page shows when it is drawn next."""
    st.session_state[VIEW_KEY] = view


def first_view(usual: str) -> str | None:
    """What the choice of views starts with; None where it is made already, for two starting values are one too many."""
    return None if VIEW_KEY in st.session_state else usual


def last_choice(key: str, usual: str) -> str:
    """What a choice stands at, drawn or not; `usual` before it is drawn first."""
    return str(st.session_state.get(key) or usual)


def keep_scene(key: str, packed: PixelSource) -> PixelSource:
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


def note_press(key: str) -> None:
    """Remember that a button was pressed until the page takes it."""
    st.session_state[_PRESSES_KEY] = st.session_state.get(_PRESSES_KEY, frozenset()) | {key}


def take_press(key: str) -> bool:
    """Whether a button was pressed since the last time this was asked."""
    waiting: frozenset[str] = st.session_state.get(_PRESSES_KEY, frozenset())
    if key not in waiting:
        return False
    st.session_state[_PRESSES_KEY] = waiting - {key}
    return True


def drop_presses() -> None:
    """Forget what was pressed and nothing took: at the end of a page, so that no later one does."""
    st.session_state[_PRESSES_KEY] = frozenset()


def fresh_survey(*, reader: str, explanation: str) -> None:
    """A new survey form: new token, new opening time.

    Args:
        reader: Whose it is.
        explanation: Id of the explanation it rates: what was answered of another never stands in it.
    """
    update(survey_token=new_token(), survey_opened=datetime.now(UTC), survey_for=(reader, explanation))


def start_widget(key: str, value: Any) -> None:
    """What a widget without a value of its own starts from, where it holds nothing yet.

    Args:
        key: Its key.
        value: Of it; None leaves it empty.
    """
    if key not in st.session_state:
        st.session_state[key] = value


def start_tabs(key: str) -> None:
    """Before tabs are drawn: they open where they were left, for Streamlit forgets that when their page is left."""
    left = st.session_state.get(_TABS_KEY, {}).get(key)
    if left is not None:
        start_widget(key, left)


def note_tab(key: str, name: str) -> None:
    """Remember which tab is open until the session ends.

    Args:
        key: Of the tabs.
        name: What the open one is called.
    """
    st.session_state[_TABS_KEY] = {**st.session_state.get(_TABS_KEY, {}), key: name}


def widget(key: str) -> Any:
    """What a widget holds, or None; for callbacks, which run before the page."""
    return st.session_state.get(key)


def set_widget(key: str, value: Any) -> None:
    """Change what a widget holds, from another one's callback."""
    st.session_state[key] = value


def study() -> StudySession:
    """This tab's part in a reader study."""
    if _STUDY_KEY not in st.session_state:
        st.session_state[_STUDY_KEY] = StudySession()
    session: StudySession = st.session_state[_STUDY_KEY]
    return session


def update_study(**changes: Any) -> StudySession:
    """Replace it by one with these changes."""
    session = replace(study(), **changes)
    st.session_state[_STUDY_KEY] = session
    return session


def leave_study() -> StudySession:
    """Sign out of a reader study; a coordinator's draft stays."""
    old = study()
    session = StudySession(
        draft=old.draft, draft_kept=old.draft_kept, draft_offered=old.draft_offered, draft_version=old.draft_version,
        tables=old.tables, redrawn=old.redrawn, coordinator=old.coordinator, left=old.left,
    )  # fmt: skip
    st.session_state[_STUDY_KEY] = session
    return session


def open_draft(protocol: Protocol | None, *, kept: Protocol | None = None) -> None:
    """Work on another protocol.

    Args:
        protocol: What fills the form; None closes the draft.
        kept: The same draft as it lies on the disk; None where it does not yet.
    """
    update_study(
        draft=protocol, draft_kept=kept, draft_offered=None, draft_version=study().draft_version + 1, tables={},
        redrawn={},
    )  # fmt: skip


def table_base(key: str, first: pd.DataFrame) -> pd.DataFrame:
    """What an editable table starts from: `first`, or what was last seen in it where its page was left since."""
    kept = study().tables.get(key)
    if kept is None or key not in st.session_state:  # Streamlit forgets a widget when its page is left
        base = first if kept is None else kept[1]
        update_study(tables={**study().tables, key: (base, base)})
    return study().tables[key][0]


def table_key(name: str) -> str:
    """Key of an editable table of the draft as it is drawn now; another after each `redraw_table`."""
    return f"{name}-{study().redrawn.get(name, 0)}"


def table_seen(key: str) -> pd.DataFrame:
    """What was last seen in an editable table; after `table_base`."""
    return study().tables[key][1]


def redraw_table(name: str, frame: pd.DataFrame) -> None:
    """Draw an editable table anew with other cells.

    Args:
        name: As for `table_key`.
        frame: What is in it from now on.
    """
    redrawn = {**study().redrawn, name: study().redrawn.get(name, 0) + 1}
    update_study(redrawn=redrawn)
    update_study(tables={**study().tables, table_key(name): (frame, frame)})


def keep_table(key: str, seen: pd.DataFrame) -> None:
    """Keep what is in an editable table now."""
    base, _ = study().tables[key]
    update_study(tables={**study().tables, key: (base, seen)})


def analysis_desk() -> AnalysisDesk:
    """This tab's analysis of a reader study."""
    if _DESK_KEY not in st.session_state:
        st.session_state[_DESK_KEY] = AnalysisDesk()
    desk: AnalysisDesk = st.session_state[_DESK_KEY]
    return desk


def update_analysis_desk(**changes: Any) -> AnalysisDesk:
    """Replace it by one with these changes."""
    desk = replace(analysis_desk(), **changes)
    st.session_state[_DESK_KEY] = desk
    return desk
