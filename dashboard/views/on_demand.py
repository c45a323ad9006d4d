"""What a panel computes when it is asked for: kept for the case, with progress and Cancel while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboard import state, tasks
from dashboard.messages import boundary, incident, markdown_safe, sentence
from dashboard.tasks import Task
from mmxai_core.errors import CancelledError, MmxaiError
from mmxai_core.model.worker import Cancelled, Progress

T = TypeVar("T")

_PROBLEM = ":problem"


def on_demand(
    about: str, name: str, work: Callable[[Progress, Cancelled], T], *, button: str, at_once: bool = False,
    note: str = "",
) -> T | None:  # fmt: skip
    """The result where it is kept; otherwise the button, or the progress of what runs.

    Args:
        about: Id of the explanation on screen.
        name: Of the result, in this explanation.
        work: Computes it, on a thread of its own, through the predictor's worker.
        button: What starts it.
        at_once: True to start without being asked, once; a cancelled or failed start waits for the button.
        note: What to say beside the button, e.g. what it costs.
    """
    found: T | None = state.kept(about, name)
    if found is not None:
        return found
    task = state.current().tasks.get((about, name))
    problem = state.kept(about, name + _PROBLEM)
    if task is None and at_once and problem is None:
        state.set_task(about, name, tasks.start(work))
        task = state.current().tasks[(about, name)]
    if task is not None:
        if not task.followed:
            st.rerun()  # the page, which draws its progress
        st.caption("Being computed.")
        return None
    if problem:
        st.warning(markdown_safe(problem), icon=":material/info:")
    if note:
        st.caption(note)
    st.button(button, key=f"start-{name}", type="primary", on_click=_begin, args=(about, name, work))
    return None


def _begin(about: str, name: str, work: Callable[[Progress, Cancelled], T]) -> None:
    state.set_task(about, name, tasks.start(work))


@st.fragment(run_every=0.4)
def follow_tasks(about: str) -> None:
    """Progress and Cancel of everything that runs for an explanation; the page runs again when something has ended.

    The page draws it, at a place of its own: a fragment with a clock inside another fragment may be asked for once more
    when the other has gone on without it, and the browser then has no place for it.

    Args:
        about: Id of the explanation on screen.
    """
    with boundary():
        running = {name: task for (of, name), task in state.current().tasks.items() if of == about}
        ended = {name: task for name, task in running.items() if task.done}
        for name, task in ended.items():
            _take(about, name, task)
        if ended:
            st.rerun()
        for name, task in running.items():
            task.followed = True
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.progress(task.fraction, text=task.step)
            right.button("Cancel", on_click=task.cancel, key=f"cancel-{name}", width="stretch")


def _take(about: str, name: str, task: Task[Any]) -> None:
    """Keep what an ended task came to."""
    error = task.error
    state.set_task(about, name, None)
    if error is None:
        state.keep(about, name, task.result())
        state.keep(about, name + _PROBLEM, None)
    elif isinstance(error, CancelledError):
        state.keep(about, name + _PROBLEM, "Cancelled.")
    else:
        said = sentence(error) if isinstance(error, MmxaiError) else incident(error)
        state.keep(about, name + _PROBLEM, said)
