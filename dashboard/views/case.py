"""Case: open a study, fill in what is known, analyse."""

from __future__ import annotations

import streamlit as st

from dashboard import jobs, services, state
from dashboard.components.clinical_form import clinical_form
from dashboard.components.result_panel import result_panel
from dashboard.components.study_facts import show_facts
from dashboard.components.study_input import Choice, choose_study
from dashboard.components.viewer import Scene, pack, viewer
from dashboard.messages import markdown_safe
from dashboard.views import model_or_stop
from dashboard.views.following import follow_job
from mmxai_core import io
from mmxai_core.clinical import ClinicalSchema, Value
from mmxai_core.errors import ClinicalValueError
from mmxai_core.study import Study

HEADER, SAMPLE = "from header", "from sample"


def open_choice(choice: Choice, schema: ClinicalSchema) -> None:
    """Read what was chosen and make it the case."""
    if choice.sample is not None:
        sample = choice.sample
        known = {k: v for k, v in sample.clinical.items() if k in schema.ids}
        values = dict(schema.record(known).values)
        state.open_study(services.sample_study(sample.file), sample.title, values, dict.fromkeys(values, SAMPLE))
    elif choice.files:
        with st.spinner("Reading the study"):
            study = io.read_files(choice.files)
        values = header_values(study, schema)
        name = choice.files[0][0] if len(choice.files) == 1 else f"{len(choice.files)} files"
        state.open_study(study, name, values, dict.fromkeys(values, HEADER))
    else:
        state.open_study(None, "Clinical data only", {}, {})


def header_values(study: Study, schema: ClinicalSchema) -> dict[str, Value]:
    """What the file's header knows of the schema's fields; a value outside a field's range is left unknown."""
    found: dict[str, object] = {}
    if "age" in schema.ids and study.patient_age_years is not None:
        found["age"] = round(study.patient_age_years, 1)
    try:
        return dict(schema.record(found).values)
    except ClinicalValueError:
        return {}


def show_image(session: state.ReadingSession) -> None:
    """The image, its facts, and the choice of another image of the study."""
    study = session.study
    if study is None:
        st.info("No image: the model answers from the clinical fields alone.", icon=":material/assignment:")
        return
    index = session.image_index
    if len(study.images) > 1:
        labels = [f"{i + 1}. {image.label}" for i, image in enumerate(study.images)]
        picked = st.select_slider("Image", labels, value=labels[index], key=f"image-{session.form_version}")
        if labels.index(picked) != index:
            index = labels.index(picked)
            session = state.update(image_index=index)
    image = study.images[index]
    key = f"image-{index}"
    title = f"{image.label}, {index + 1} of {len(study.images)}" if len(study.images) > 1 else "Image"
    packed = session.scenes.get(key) or state.keep_scene(
        key, pack(Scene(image.pixels, image.geometry.spacing_mm, height=440, region_tool=True, title=title))
    )
    drawn = viewer(packed, key=f"case-viewer-{session.upload_version}-{index}").region
    if drawn != session.roi and (drawn is not None or session.roi_image == index):
        state.update(roi=drawn, roi_image=index)
    show_facts(study, index)


def begin() -> None:
    """Start the analysis of what is on the page."""
    session = state.current()
    record = services.bundle().schema.record(dict(session.values))
    job = jobs.start(
        services.predictor(), services.explainer(), session.study, record, roi=session.roi,
        roi_image=session.roi_image, known=session.analysis,
    )  # fmt: skip
    state.update(job=job, problem="")


def show_result(problems: list[str]) -> None:
    """The Analyse button and what came of it."""
    session = state.current()
    schema = services.bundle().schema
    nothing = session.study is None and not session.values
    left, right = st.columns(2)
    with left:
        # No callback: it would run before the form is read, and miss what was entered last.
        if st.button(
            "Analyse", type="primary", icon=":material/play_arrow:", width="stretch", key="analyse",
            disabled=bool(problems) or nothing or session.job is not None,
            help="A value breaks its field's rule." if problems else None,
        ):  # fmt: skip
            begin()
            st.rerun()
    with right:
        if session.analysis is not None and st.button(
            "Show the explanation", icon=":material/lightbulb:", width="stretch"
        ):
            st.switch_page("views/explanation.py")
    if session.problem:
        st.error(markdown_safe(session.problem), icon=":material/error:")
    if session.job is not None:
        follow_job(show=True)
    elif session.analysis is not None:
        a = session.analysis
        record = schema.record(dict(session.values))
        stale = bool(problems) or not a.is_about(session.study, record, session.roi)
        result_panel(
            a.prediction, schema, stale=stale, check=a.explanation.input_check,
            prediction_set=a.explanation.prediction_set,
        )  # fmt: skip
    elif nothing:
        st.caption("Fill in at least one field; without an image the model has nothing else to go by.")
    else:
        st.caption("Not analysed yet. Fields left unknown are fine: the model was trained for that.")


def show_form(session: state.ReadingSession, schema: ClinicalSchema) -> list[str]:
    """The form and its tools; returns one sentence for each value that cannot be used."""
    tools = st.container(horizontal=True, vertical_alignment="center", gap="small")
    marks = {k: v for k, v in session.prefilled.items() if session.values.get(k) == session.initial.get(k)}
    with st.container(height=360, border=True, key="form"):
        values, problems = clinical_form(schema, session.values, marks, version=session.form_version)
    if not problems:
        state.change_values(values)
    session = state.current()
    with tools:  # after the form, so that the buttons know what was just entered
        st.subheader("Clinical data", anchor=False, width="content")
        st.button("Undo", icon=":material/undo:", on_click=state.undo, disabled=not session.undo, key="undo")
        st.button(
            "All unknown", on_click=state.change_values, args=({},), kwargs={"redraw": True}, key="all-unknown",
            disabled=not session.values and not problems,
        )  # fmt: skip
        st.button(
            "Reset", help="Back to what the file or the sample gave", key="reset", on_click=state.change_values,
            args=(session.initial,), kwargs={"redraw": True},
            disabled=dict(session.values) == dict(session.initial) and not problems,
        )  # fmt: skip
    return problems


def main() -> None:
    """The page."""
    model_or_stop()
    schema = services.bundle().schema
    session = state.current()
    if not session.opened:
        choice = choose_study(services.samples(), services.sample_study, version=session.upload_version)
        if choice is not None:
            open_choice(choice, schema)
            st.rerun()
        return
    head = st.container(horizontal=True, vertical_alignment="center")
    with head:
        st.markdown(f"**{markdown_safe(session.study_name)}**", width="content")
        if st.button("Close and open another", icon=":material/close:", key="close"):
            state.close_study()
            st.rerun()
    left, right = st.columns([11, 10], gap="medium")
    with left:
        show_image(session)
    with right:
        result = st.container(border=True, key="result")
        problems = show_form(state.current(), schema)
        with result:
            show_result(problems)


main()
