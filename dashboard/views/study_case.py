"""The case of a reading session on the page: image, clinical values, and of the AI only what the step reveals."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard import services, state, study_files
from dashboard.components.reading_ai import revealed_layers
from dashboard.components.viewer import Scene, pack, viewer
from dashboard.messages import markdown_safe
from dashboard.study_ai import AiOutput, start_ai
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.reader_study.protocol import Case, Protocol
from mmxai_core.reader_study.records import StudyRecord
from mmxai_core.reader_study.session import Step
from mmxai_core.study import Study
from mmxai_core.types import Box


def study_schema(protocol: Protocol) -> ClinicalSchema:
    """The fields of the bundle that the study is made for."""
    return services.bundle(services.study_path(protocol.bundle_sha256)).schema


def known_fields(case: Case, schema: ClinicalSchema) -> dict[str, object]:
    """The case's clinical values that the bundle knows."""
    return {k: v for k, v in case.clinical.items() if k in schema.ids}


def open_image(case: Case) -> Study | None:
    """The case's study; read once while the case is open, and gone with the next."""
    if case.id not in state.study().images:
        state.update_study(images={case.id: study_files.open_case(case)}, scenes={}, regions={})
    return state.study().images[case.id]


def ai_of(study: StudyRecord, step: Step, case: Case) -> AiOutput | None:
    """The AI's answer where the step reveals it; while it is computed, a line that says so.

    It is started when the case is opened, and waits on the server until the unaided answer is kept.
    """
    assignment, slot = step.assignment, step.slot
    if assignment is None or slot is None or study.protocol.arm(assignment.arm).kind == "unaided":
        return None
    job = state.study().ai.get(assignment.id)
    if job is None:
        schema, at = study_schema(study.protocol), services.study_path(study.protocol.bundle_sha256)
        job = start_ai(
            services.predictor(at), services.explainer(at), open_image(case), schema.record(known_fields(case, schema)),
            protocol=study.protocol, assignment=assignment,
        )  # fmt: skip
        state.update_study(ai={assignment.id: job})
    if "ai" not in step.reveals:
        return None
    if not job.done:
        _wait_for_ai(assignment.id)
        st.stop()
    try:
        output = job.result()
    except Exception:
        state.update_study(ai={})  # "Try again", or the next run, starts it anew
        raise
    services.study_store().record(
        study, state.study().reader, "revealed", token=f"revealed-{assignment.id}-{slot.kind}-{slot.stage}",
        assignment=assignment.id, stage=slot.stage,
    )  # fmt: skip
    return output


@st.fragment(run_every=0.4)
def _wait_for_ai(assignment: int) -> None:
    job = state.study().ai.get(assignment)
    if job is None or job.done:
        st.rerun()
    st.info("The model is reading the case. Your answer is kept.", icon=":material/hourglass:")


def show_case(
    case: Case, step: Step, output: AiOutput | None, before: Box | None, schema: ClinicalSchema, *, draw: bool
) -> Box | None:  # fmt: skip
    """The image, with the maps that the step reveals.

    Args:
        case: The case, blinded.
        step: The step.
        output: The AI's answer where it is revealed.
        before: Region kept with an earlier answer.
        schema: The bundle's fields.
        draw: Whether the reader may draw a region.

    Returns:
        The region the reader has drawn; None where there is none.
    """
    study = open_image(case)
    reading = 0 if step.assignment is None else step.assignment.id
    region = state.study().regions.get(reading, before)
    if study is None:
        st.info("This case has no image.", icon=":material/assignment:")
    else:
        index = 0 if output is None or output.prediction.image_index is None else output.prediction.image_index
        image = study.images[index]
        maps = () if output is None else revealed_layers(output, {f.id: f.label for f in schema.fields}, step.reveals)
        # Keys cross to the browser: the number of the reading, never the case's id, which may speak of the truth.
        key = f"{reading}-{index}-{draw}-" + "-".join(m.id for m in maps)
        packed = state.study().scenes.get(key)
        if packed is None:
            shown = Scene(image.pixels, image.geometry.spacing_mm, maps, height=430, region_tool=draw, title="Case")
            packed = pack(replace(shown, owner=f"{state.study().run} {reading}"))  # no reading shapes the next
            state.update_study(scenes={key: packed})
        seen = viewer(
            packed, key=f"study-viewer-{reading}-{index}-{draw}-{bool(maps)}",
            region=(region, 0) if draw and region is not None else None,
        )  # fmt: skip
        drawn = None if seen.cleared else seen.region or region
        if draw and drawn != region:
            region = drawn
            state.update_study(regions={reading: drawn})
    return region


def show_values(case: Case, schema: ClinicalSchema) -> None:
    """The clinical values of the case."""
    if case.clinical:
        values = schema.record(known_fields(case, schema)).values
        listed = "  ·  ".join(
            f"{markdown_safe(schema[k].label)}: **{markdown_safe(schema[k].describe(v))}**" for k, v in values.items()
        )
        st.markdown(listed)
        st.caption("Fields not listed are unknown.")
