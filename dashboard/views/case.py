"""Case: open a study, fill in what is known, analyse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import bundles, casebook, comparing, services, state
from dashboard.components import second_look
from dashboard.components.base_rate import base_rate
from dashboard.components.bundle_choice import case_choice, opening_choice
from dashboard.components.case_bar import case_bar
from dashboard.components.clinical_form import changes, clinical_form
from dashboard.components.compare_panel import compare_panel
from dashboard.components.pressing import pressed
from dashboard.components.result_panel import calibration, no_result, result_panel
from dashboard.components.study_facts import show_facts
from dashboard.components.study_input import Choice, choose_study
from dashboard.components.study_scene import study_scene
from dashboard.components.viewer import pack, viewer
from dashboard.components.wording import left_open, open_range
from dashboard.messages import OPENINGS, boundary, markdown_safe, sentence
from dashboard.sample_index import Sample, check_told
from dashboard.views import model_or_stop, say_standing
from dashboard.views.following import explains_answer, follow_job, stopped
from mmxai_core import io
from mmxai_core.clinical import ClinicalSchema, Value
from mmxai_core.errors import MmxaiError, StudyReadError
from mmxai_core.worklist import neighbours
from mmxai_core.worklist.intake import header_values

HEADER, SAMPLE = "from header", "from sample"


def open_choice(choice: Choice, schema: ClinicalSchema) -> None:
    """Read what was chosen and make it the case."""
    if choice.sample is not None:
        open_sample(choice.sample)
    elif choice.files:
        try:
            with st.spinner("Reading the study"):
                study = io.read_files(choice.files)
        except StudyReadError as error:
            refuse(error, [name for name, _ in choice.files])
            return
        values = header_values(study, schema)
        name = choice.files[0][0] if len(choice.files) == 1 else f"{len(choice.files)} files"
        casebook.open_new("upload", study, name=name, values=values, prefilled=dict.fromkeys(values, HEADER))
    else:
        casebook.open_new(
            "clinical", None, name="Clinical data only", values={}, prefilled={}, title="Clinical data only"
        )


def refuse(error: StudyReadError, files: Sequence[str]) -> None:
    """Say why nothing was opened, and empty the chooser, so that a bad file does not spoil the next.

    Args:
        error: Why.
        files: Names of those that were chosen.
    """
    session = state.current()
    said = sentence(error)
    if len(files) == 1 and files[0] not in said:
        said = sentence(error, opening=f"{OPENINGS[StudyReadError]} {files[0]}:")
    if len(files) > 1:
        said += (
            f" The {len(files)} files were read as one study; to open each as a case of its own, add them on the "
            "Worklist."
        )
    if session.refused >= 2:
        said += (
            f" That is {session.refused + 1} uploads refused in a row. If they come from one export, look at its "
            "settings; a sample below shows whether the program itself works."
        )
    state.update(problem=said, refused=session.refused + 1, upload_version=session.upload_version + 1)


def open_sample(sample: Sample) -> None:
    """Make a shipped sample the case."""
    values = casebook.fitting(sample.clinical)
    casebook.open_new(
        "sample", services.sample_study(sample.file), name=sample.title, values=values,
        prefilled=dict.fromkeys(values, SAMPLE), title=sample.title,
    )  # fmt: skip


def show_image(session: state.ReadingSession) -> None:
    """The images and their facts; a series is scrolled in the viewer."""
    study = session.study
    if study is None:
        if session.pixels_gone:
            st.warning(
                "The pictures of this case are not kept, or not yet. Values and result are; to see the image or "
                "to analyse again with it, open the file again.", icon=":material/hide_image:",
            )  # fmt: skip
        else:
            st.info("No image: the model answers from the clinical fields alone.", icon=":material/assignment:")
        return
    packed = session.scenes.get("images") or state.keep_scene(
        "images", pack(study_scene(study, start=session.image_index, height=470, owner=session.case))
    )
    kept = (session.roi, session.roi_image) if session.roi is not None and not session.roi_drawn else None
    look = second_look.looked_at(session.first, session.roi)
    seen = viewer(packed, key=f"case-viewer-{session.upload_version}", region=kept, look=look)
    # A reload starts the viewer without a mark; the kept one holds until the reader draws one or takes it away.
    index = seen.picture if seen.region is not None else session.image_index
    gone = seen.cleared and session.roi is not None
    if gone or (seen.region is not None and (seen.region != session.roi or index != session.roi_image)):
        state.update(roi=seen.region, roi_image=index, roi_drawn=seen.region is not None, image_index=index)
        if gone:  # what the mark had hidden is shown again
            st.rerun()
    if look is not None and seen.region is None:
        st.caption(second_look.said(look[1], len(study.images)))
    show_facts(study, index)


def show_result(problems: list[str]) -> None:
    """The next step, what is being computed, and the answer."""
    session = state.current()
    schema = services.bundle().schema
    nothing = session.study is None and not session.values
    blocked = bool(problems) or nothing or session.pixels_gone
    answered = casebook.is_answered(session) and not problems
    ready = answered and explains_answer(session)
    said = stopped(session)
    timed = session.analysis if session.job is None and not said and explains_answer(session) else None
    if session.job is not None:  # in the place of the buttons, so that nothing below moves
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container():
                follow_job(show=True)
            if session.analysis is not None and pressed(
                "Show the explanation", icon=":material/lightbulb:", key="show"
            ):
                st.switch_page("views/explanation.py")
    else:
        steps(ready=ready, blocked=blocked, refused=problems)
    if session.problem:
        st.error(markdown_safe(session.problem), icon=":material/error:")
    if session.first is not None:
        results = services.bundle().results()
        result_panel(
            session.first.prediction, schema, stale=not answered, explained=session.job is None,
            check=session.first.input_check, prediction_set=session.first.prediction_set,
            calibrated=calibration(results, session.first, schema=schema), base=base_rate(results),
            seconds=timed.seconds if timed is not None else None, left_open=open_line(session), stopped=said,
            own=session.first.unmarked,
        )  # fmt: skip
    elif session.job is None:
        no_result(
            "Fill in at least one field; without an image the model has nothing else to go by." if nothing else
            "Cancelled before there was a prediction." if session.cancelled else
            "Not analysed yet. Fields left unknown are fine: the model was trained for that."
        )  # fmt: skip


def open_line(session: state.ReadingSession) -> str:
    """What the unknown fields leave open; where that is not known yet, a line of the same height."""
    first, analysis = session.first, session.analysis
    if first is None or not first.prediction.unknown_fields:
        return ""
    # While a case is analysed again, the earlier analysis is still the session's: its range is of another prediction.
    said = left_open(analysis.explanation) if analysis is not None and analysis.prediction is first.prediction else ""
    told = session.first_for
    if not said and told is not None and told.low is not None and told.high is not None:
        said = open_range(told.low, told.high)  # kept with the answer; the pictures are not there yet, or not any more
    running = "is being computed" if session.job is not None else "was not computed"
    return said or f"What the unknown fields leave open {running}."


def steps(*, ready: bool, blocked: bool, refused: Sequence[str]) -> None:
    """Buttons of what can be done next; the key that goes on is on the one that leads further.

    Args:
        ready: True where the explanation belongs to what is on the page.
        blocked: True where there is nothing to analyse.
        refused: One sentence for each value that breaks its field's rule.
    """
    analysis = state.current().analysis
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # No callback: it would run before the form is read, and miss what was entered last.
        if pressed(
            "Analyse", type="secondary" if ready else "primary", icon=":material/play_arrow:", key="analyse",
            disabled=blocked, shortcut=None if ready else "Ctrl+Enter",
            help="A value breaks its field's rule: mend it first." if refused else None,
        ):  # fmt: skip
            casebook.begin()
            st.rerun()
        if analysis is not None and pressed(
            "Show the explanation", icon=":material/lightbulb:", type="primary" if ready else "secondary",
            shortcut="Ctrl+Enter" if ready else None, key="show",
        ):  # fmt: skip
            st.switch_page("views/explanation.py")
        if analysis is not None and pressed(
            "Compare", icon=":material/compare_arrows:", key="compare",
            help="Without a group of fields, or by another model",
        ):  # fmt: skip
            compare()
    if refused:  # said, not only in a tooltip: a button that is disabled takes no focus
        st.caption(f":red[Mend first: {markdown_safe(' '.join(refused))}]")


@st.dialog("The same case, asked in other ways", width="large")
def compare() -> None:
    """Without each group of fields, and by the other bundles."""
    with boundary():
        session = state.current()
        analysis = session.analysis
        if analysis is None:
            return
        predictor, others = services.predictor(), services.other_bundles()
        with st.spinner("Asking the model"):
            views = [*comparing.field_groups(predictor, analysis.study, analysis.record, analysis.encoded)]
            views += [
                comparing.other_model(
                    name, services.predictor(path), analysis.study, analysis.record, roi=analysis.roi,
                    roi_image=analysis.roi_image,
                )
                for name, path in others.items()
            ]  # fmt: skip
        compare_panel(views, more=bool(others))


def show_form(session: state.ReadingSession, schema: ClinicalSchema) -> list[str]:
    """The form and its tools; returns one sentence for each value that cannot be used."""
    prefilled = {k: v for k, v in session.prefilled.items() if k in schema.ids}  # another bundle's wait with the case
    tools = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with st.container(border=True, key="form"):
        values, problems = clinical_form(
            schema, session.values, prefilled, initial=session.initial, version=session.form_version,
            analysed=analysed_values(session),
        )  # fmt: skip
    state.change_values(values)  # what is refused is not among them: its field's last valid value is
    casebook.keep()  # before the rest is drawn: a page that is loaded again meanwhile stops this run
    session = state.current()
    with tools:  # after the form, so that the buttons know what was just entered
        st.subheader("Clinical data", anchor=False, width="content")
        # No callback: it would run before the form is read, and what was entered last would not be what it takes back.
        if pressed("Undo", icon=":material/undo:", disabled=not session.undo and not problems, key="undo"):
            state.undo(refused=bool(problems))
            st.rerun()
        st.button(
            "All unknown", on_click=state.change_values, args=({},), kwargs={"redraw": True}, key="all-unknown",
            disabled=not session.values and not problems,
        )  # fmt: skip
        st.button(
            "Reset", help="Back to what the file or the sample gave", key="reset", on_click=state.change_values,
            args=(session.initial,), kwargs={"redraw": True},
            disabled=dict(session.values) == dict(session.initial) and not problems,
        )  # fmt: skip
        if said := changes(session.values, prefilled, session.initial, analysed_values(session)):
            st.caption(said, width="content")
    return problems


def analysed_values(session: state.ReadingSession) -> Mapping[str, Value] | None:
    """The values behind the answer on the page; None where there is no answer."""
    return session.first_for.values if session.first is not None and session.first_for is not None else None


def head() -> None:
    """Which case this is, and the way to the others."""
    casebook.line_up()
    session = state.current()
    # While the tour speaks of a sample, its own buttons lead on: a neighbour would be somebody's case under its words.
    listed = bool(session.queue) and session.tour is None
    before, after = neighbours(session.queue, session.case) if listed else (None, None)
    asked = case_bar(
        session.study_name, session.case, place=place_of(session), before=before is not None,
        after=after is not None, unkept=session.unkept, model=choose_model,
    )  # fmt: skip
    if session.notice:
        st.info(markdown_safe(session.notice), icon=":material/info:")
    say_standing()
    if asked == "close":
        casebook.keep()
        casebook.close()
        st.rerun()
    if asked == "worklist":
        st.switch_page("views/worklist.py")
    code = before if asked == "previous" else after if asked == "next" else None
    if code is not None:
        casebook.keep()
        try:
            if not casebook.open_kept(code):  # removed in another window
                state.update(queue=tuple(c for c in session.queue if c != code))
        except MmxaiError as error:  # this case stays open
            state.update(notice=sentence(error))
        st.rerun()


def choose_model() -> None:
    """The model that reads this case; another one starts the case anew with what it knows of it."""
    session = state.current()
    take_model(
        case_choice(
            bundles.offered(), services.bundle_name(), version=session.form_version, frozen=session.tour is not None
        )
    )


def take_model(wanted: str | None) -> None:
    """Read with this model from now on; one that cannot be used is refused in one sentence, and nothing changes.

    Args:
        wanted: Its name; None: nothing was chosen.
    """
    if wanted is None:
        return
    session = state.current()
    if problem := services.problem_with(wanted):
        state.update(problem=problem, form_version=session.form_version + 1, upload_version=session.upload_version + 1)
    else:
        state.update(problem="")
        casebook.read_by(wanted)
    st.rerun()


def place_of(session: state.ReadingSession) -> str:
    """Where the case stands in the list, in words; "" where it is not in it."""
    return f"{session.queue.index(session.case) + 1} of {len(session.queue)}" if session.case in session.queue else ""


def main() -> None:
    """The page."""
    model_or_stop()
    schema = services.bundle().schema
    session = state.current()
    if not session.opened:
        if session.problem:
            st.error(markdown_safe(session.problem), icon=":material/error:")
        take_model(opening_choice(bundles.offered(), services.bundle_name(), version=session.upload_version))
        say_standing()
        choice = choose_study(
            services.samples(),
            services.sample_study,
            version=session.upload_version,
            reads=services.trained_for(),
            planes=services.bundle().planes,
            checked=check_told(services.bundle().metadata),
        )
        if choice is not None:
            open_choice(choice, schema)
            st.rerun()
        return
    head()
    casebook.ask_for_pictures()
    session = state.current()
    left, right = st.columns([11, 10], gap="medium")
    with left:
        show_image(session)
    with right:
        result = st.container(border=True, key="result")
        problems = show_form(state.current(), schema)
        with result:
            show_result(problems)
    casebook.keep()
    if dict(session.values) != dict(state.current().values):
        st.rerun()  # only now, so that a click that came with the change is not lost: marks of changed fields


main()
