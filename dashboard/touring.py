"""The guided tour on the real pages: opens what a step needs, starts its analysis, and remembers where it stopped."""

from __future__ import annotations

import contextlib

import streamlit as st

from dashboard import casebook, services, state
from dashboard.components.tour_bar import tour_bar
from dashboard.components.wording import player_labels
from dashboard.messages import boundary
from dashboard.sample_index import Sample
from dashboard.tour_steps import CLEAR, STEPS, WRONG, Moment, Step, tests_of
from mmxai_core.errors import StudyStoreError
from mmxai_core.study import Study

#: In the page's address, and in the store.
ADDRESS = PLACE = "tour"


def sample_of(step: Step) -> Sample | None:
    """The sample that a step shows, or None."""
    if not step.sample:
        return None
    file = services.misread().file if step.sample == WRONG else step.sample
    return next((s for s in services.samples(services.own_path()) if s.file == file), None)


def has_samples() -> bool:
    """True where the samples that the steps name ship, and the program's own bundle is for their kind of image."""
    here = {s.file for s in services.samples(services.own_path())}
    return all(step.sample in here for step in STEPS if step.sample not in ("", WRONG))


def remembered() -> int:
    """The step where this reader stopped, from 0."""
    try:
        told = services.worklist().recall(casebook.owner(), PLACE)
    except StudyStoreError:
        return 0
    return int(told) if told is not None and told.isdigit() and int(told) < len(STEPS) else 0


def enter(number: int) -> None:
    """Go to a step: open its sample, start its analysis, show its page."""
    step = STEPS[number]
    _note(number)
    session = state.current()
    if session.tour is None:
        session = state.update(tour_from=session.case)
    state.update(tour=number)
    sample = sample_of(step)
    if sample is not None:
        _open(sample)
        if step.analyse and not casebook.is_answered(state.current()) and state.current().job is None:
            casebook.begin()
        casebook.ask_for_pictures()
    if step.view:
        state.choose_view(step.view)
    st.switch_page(f"views/{step.page}.py")


def leave() -> None:
    """End the tour where it is; it can be resumed. The case that was open before it comes back in a sample's place.

    Raises:
        BundleError: That case's bundle is not offered any more, or damaged; the tour has ended all the same.
        StudyStoreError: That case cannot be read; likewise.
    """
    back = _case_before()
    state.update(tour=None, tour_from="")
    if ADDRESS in st.query_params:
        del st.query_params[ADDRESS]
    if back:
        casebook.keep()
        if casebook.open_kept(back):
            st.switch_page("views/case.py")
        state.update(problem="The case that was open before the tour is not in your worklist any more.")
    st.rerun()


def way_back() -> str:
    """Where Leave leads, in one sentence; "" where it stays on the page."""
    return "Back to the case that was open before." if _case_before() else ""


def _case_before() -> str:
    """Code of the case that was open before the tour, where a sample stands in its place now; else ""."""
    session = state.current()
    return session.tour_from if session.source == "sample" and session.tour_from != session.case else ""


def _note(number: int) -> None:
    with contextlib.suppress(StudyStoreError):  # the tour goes on; only a later day starts it from the beginning
        services.worklist().remember(casebook.owner(), PLACE, str(number if number + 1 < len(STEPS) else 0))


def _open(sample: Sample) -> None:
    """The sample with its own values, whatever was changed in it since."""
    study = services.sample_study(sample.file)
    own = services.own_path().name  # the tour is of the program's own bundle
    if services.bundle_name() != own:
        casebook.keep()
        casebook.close()  # that case goes on being read by its own; of a sample the tour then opens one apart
        state.update(bundle=own)
    values = casebook.fitting(sample.clinical)
    if not _is_open(study):
        casebook.keep()
        casebook.open_new(
            "sample", study, name=sample.title, values=values, prefilled=dict.fromkeys(values, "from sample"),
            title=sample.title, apart=True,
        )  # fmt: skip
    state.change_values(values, redraw=dict(state.current().values) != values)
    if state.current().roi is not None:
        state.update(roi=None, roi_drawn=False)


def _is_open(study: Study) -> bool:
    shown = state.current().study
    return shown is not None and shown.sha256 == study.sha256


def moment(step: Step) -> Moment:
    """What is on screen now, for the step's words."""
    session, sample = state.current(), sample_of(step)
    if sample is None:
        return Moment()
    mine = _is_open(services.sample_study(sample.file))
    analysis = session.analysis if mine else None
    tests = None if analysis is None else tests_of(analysis.explanation)
    if tests is not None and session.tour_seen.get(step.sample) != tests:
        session = state.update(tour_seen={**session.tour_seen, step.sample: tests})
    return Moment(
        sample.title, sample.truth, step.sample == WRONG and services.misread().is_wrong,
        session.first if mine and casebook.is_answered(session) else None,
        None if analysis is None else analysis.explanation, session.job is not None,
        {} if analysis is None else player_labels(services.bundle().schema, dict(analysis.record.values)),
        {k: v for k, v in session.tour_seen.items() if k == CLEAR},
    )  # fmt: skip


def show(page: str) -> None:
    """The tour's card, where a tour is on; follows the address of a reload.

    Args:
        page: Name of the page that is shown, e.g. "case"; "" where it is not known.
    """
    asked = str(st.query_params.get(ADDRESS, ""))
    if state.current().tour is None and asked.isdigit() and 0 < int(asked) <= len(STEPS) and has_samples():
        state.update(tour=int(asked) - 1)
    number = state.current().tour
    if number is None:
        return
    st.query_params[ADDRESS] = str(number + 1)
    card(number, page)


def card(number: int, page: str) -> None:
    """The step's card; its numbers come with the page's own runs, which follow the analysis.

    No fragment with a clock: one that leads to another page can be asked once more for the page that has gone, and the
    browser then has no place for it ("Cannot set a node at a delta path") and shows nothing more.
    """
    with boundary():
        step = STEPS[number]
        here = page == step.page
        did = tour_bar(number + 1, len(STEPS), step.title, step.text(moment(step)), here=here, leaving=way_back())
        if did == "leave":
            leave()
        elif did:
            enter({"back": number - 1, "next": number + 1, "go": number}[did])
