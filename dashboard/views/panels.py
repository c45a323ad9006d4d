"""The Explanation page's panels that compute something of their own: each when it is opened, once a case."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard import services, state
from dashboard.components.methods_panel import MethodChoice, method_choice, method_scene
from dashboard.components.similar_panel import cases_panel, groups_panel
from dashboard.components.turning_panel import turning_panel, turning_request
from dashboard.components.viewer import pack, viewer
from dashboard.components.what_if_panel import what_if_panel
from dashboard.jobs import Analysis
from dashboard.messages import markdown_safe
from dashboard.views.on_demand import on_demand
from mmxai_core.clinical import Value
from mmxai_core.cohorts.registry import cohort_names, cohort_tasks, load_cohort
from mmxai_core.evaluation.similar_cases import CaseIndex, trained_cohorts
from mmxai_core.explain.menu import MENU, Method, saliency_by_method
from mmxai_core.explain.what_if import WhatIf
from mmxai_core.model.worker import Cancelled, Progress
from mmxai_core.results import JointAccount, SaliencyMap
from mmxai_core.results.similar import SimilarCases
from mmxai_core.results.what_if import CounterfactualSearch, FieldResponse, WhatIfAnswer

#: The views of the page, by id, in the order in which they are offered.
VIEWS = {
    "account": "Account", "together": "Interactions", "joint_map": "Joint map", "attention": "Attention",
    "trust": "Reliability", "what_if": "What-if", "ask": "Ask next", "similar": "Similar", "methods": "Methods",
    "limits": "In words",
}  # fmt: skip
_WHAT_IF = {"try": "Try values", "turn": "What would turn the decision"}
_VIEW_HEIGHT = 420
#: Seconds for what a reader asked for and can cancel.
_PATIENCE_S = 600.0


def grid_account(analysis: Analysis) -> JointAccount | None:
    """The joint account over a 3 x 3 grid, computed when it is chosen first."""
    explainer = services.explainer()

    def work(progress: Progress, cancelled: Cancelled) -> JointAccount:
        found = explainer.explain(
            analysis.study, analysis.record, prediction=analysis.prediction, encoded=analysis.encoded, parts=("joint",),
            partition="grid", deadline_s=_PATIENCE_S, progress=progress, cancelled=cancelled,
        ).joint  # fmt: skip
        assert found is not None
        return found

    return on_demand(
        analysis.explanation.id, "grid", work, button="Share it among the 3 x 3 grid", at_once=True,
        note="The contributions over nine parts of the image.",
    )  # fmt: skip


def what_if(analysis: Analysis) -> None:
    """Trying values, and the search for what turns the decision."""
    about = analysis.explanation.id
    schema = services.bundle().schema
    if state.current().job is not None:
        st.info("What-if opens when the analysis has ended: it asks the same model.", icon=":material/hourglass:")
        return
    if not schema.fields:
        st.info("This model has no clinical field, so there is nothing to change.", icon=":material/info:")
        return
    predictor, statistics = services.predictor(), services.explainer().statistics

    def prepare(progress: Progress, cancelled: Cancelled) -> tuple[WhatIf, dict[str, FieldResponse]]:
        progress("Preparing every value of every field", 0.0)
        asked = WhatIf(
            predictor, analysis.encoded, analysis.record, prediction=analysis.prediction, statistics=statistics
        )
        responses = {}
        for done, field in enumerate(schema.ids):
            progress("Preparing every value of every field", done / len(schema.ids))
            responses[field] = asked.response(field)
        return asked, responses

    ready = on_demand(about, "what-if", prepare, button="Prepare what-if", at_once=True)
    if ready is None:
        return
    version = state.kept(about, "what-if-version") or _new_version(about)
    view = st.segmented_control(
        "What-if", list(_WHAT_IF), default="try", required=True, format_func=_WHAT_IF.__getitem__,
        key=f"what-if-view-{version}", persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    if view == "try":
        _try_values(analysis, *ready, version=version)
    else:
        _turn(analysis, ready[0], version=version)


def _try_values(
    analysis: Analysis, asked: WhatIf, responses: Mapping[str, FieldResponse], *, version: str
) -> None:  # fmt: skip
    about = analysis.explanation.id
    answers: dict[Any, WhatIfAnswer] = state.kept(about, "answers") or {}

    def ask(changes: Mapping[str, Value | None], without_image: bool) -> WhatIfAnswer:
        key = (tuple(sorted((k, v) for k, v in changes.items() if v is not None)), without_image)
        if key not in answers:
            state.keep(about, "answers", {**answers, key: asked.answer(changes, without_image=without_image)})
        return state.kept(about, "answers")[key]  # type: ignore[no-any-return]

    own = dict(analysis.record.values)
    request = what_if_panel(
        services.bundle().schema, ask, responses, own=own, start=state.kept(about, "what-if-start") or own,
        before=analysis.prediction.probability, has_image=analysis.study is not None, version=version,
    )  # fmt: skip
    if request.reset:
        _restart(about, own)
        st.rerun()
    if request.use:
        state.change_values(request.values, redraw=True)
        st.rerun()


def _new_version(about: str) -> str:
    """A name for widgets that hold nothing yet. Theirs is kept as long as the session: no other case may meet it."""
    version: str = state.keep(about, "what-if-version", uuid4().hex[:8])
    return version


def _restart(about: str, start: Mapping[str, Value]) -> None:
    """New widgets, from these values."""
    state.keep(about, "what-if-start", dict(start))
    _new_version(about)


def _turn(analysis: Analysis, asked: WhatIf, *, version: str) -> None:
    about, schema = analysis.explanation.id, services.bundle().schema
    request = turning_request(schema)

    def work(progress: Progress, cancelled: Cancelled) -> CounterfactualSearch:
        progress(f"Trying changes of up to {request.max_changes} fields", 0.1)
        return asked.counterfactual(
            locked=request.locked, fill_unknown=request.fill_unknown, max_changes=request.max_changes,
            cancelled=cancelled,
        )  # fmt: skip

    found = on_demand(
        about, request.name, work, button="Search",
        note="Looks for the smallest plausible change of unlocked fields that turns the decision.",
    )  # fmt: skip
    if found is None:
        return
    tried = turning_panel(found, schema=schema, version=version)
    if tried is not None:
        values = dict(analysis.record.values)
        for change in tried.changes:
            if change.value is None:
                values.pop(change.field, None)
            else:
                values[change.field] = change.value
        _restart(about, values)
        st.rerun()


def methods(analysis: Analysis) -> None:
    """Two saliency methods side by side."""
    index = analysis.prediction.image_index
    if analysis.study is None or analysis.encoded is None or index is None:
        st.info(
            "Saliency methods draw on the image: open a study on the Case page, then analyse.", icon=":material/info:"
        )
        return
    bundle = services.bundle()
    sides: tuple[tuple[str, Method], ...] = (("A", "grad_cam_pp"), ("B", "layer_cam"))
    for column, (side, default) in zip(st.columns(2, gap="medium"), sides, strict=True):
        with column:
            choice = method_choice(
                side, classes=bundle.classes, called=analysis.prediction.predicted_class, default=default
            )
            found = _method_map(analysis, choice)
            if found is None:
                continue
            key = f"{analysis.explanation.id}-{choice.name}"
            image = analysis.study.images[index]
            packed = state.current().scenes.get(key) or state.keep_scene(
                key,
                pack(
                    method_scene(
                        image, found, height=_VIEW_HEIGHT, as_grey=bool(bundle.planes), owner=state.current().case
                    )
                ),
            )
            viewer(packed, key=f"method-viewer-{side}")
    st.caption(
        "Methods measure in different units, so compare where they point, not how bright they are. Each says below its "
        "picture what it means and what it does not."
    )


def _method_map(analysis: Analysis, choice: MethodChoice) -> SaliencyMap | None:
    predictor, encoded = services.predictor(), analysis.encoded
    assert encoded is not None

    def work(progress: Progress, cancelled: Cancelled) -> SaliencyMap:
        return saliency_by_method(
            predictor, encoded, analysis.record, analysis.prediction, method=choice.method,
            target_class=choice.target_class, layer=choice.layer, deadline_s=_PATIENCE_S, progress=progress,
            cancelled=cancelled,
        )  # fmt: skip

    entry = MENU[choice.method]
    return on_demand(
        analysis.explanation.id, choice.name, work, button=f"Compute {entry.name}", at_once=choice.cheap,
        note=f"Costs about {entry.passes} passes of the network." if not choice.cheap else "",
    )  # fmt: skip


def similar(analysis: Analysis) -> None:
    """Groups of training cases, and cases of a cohort on disk."""
    positive = analysis.prediction.positive_class
    running = state.current().job is not None
    explanation = analysis.explanation
    groups_panel(explanation.similar, positive=positive, running=running, check=explanation.input_check)
    st.subheader("Nearest cases, with their images", anchor=False)
    found = cohorts_on_disk()
    if not found:
        st.info(
            "No patient's image ships with the model. To see the nearest cases of a public cohort, put its download "
            f"into a folder, start the program with `MMXAI_DATA` set to that folder, and come back: {_wanted()}.",
            icon=":material/folder:",
        )
        return
    if running:
        st.info("Opens when the analysis has ended.", icon=":material/hourglass:")
        return
    names = list(found)
    name = (
        names[0]
        if len(names) == 1
        else st.selectbox("Cohort", names, key="similar-cohort", persist_state="session", width=320)
    )
    cases = _nearest(analysis, str(name), found[str(name)])
    if cases is not None:
        schema = services.bundle().schema
        own = {schema[i].label: schema[i].describe(v) for i, v in analysis.record.values.items()}
        cases_panel(cases, own=own, positive=positive)


def _trained_on() -> list[str]:
    """Cohorts that the bundle says it learned from and that there is an adapter for."""
    return [n for n in trained_cohorts(services.bundle().metadata) if n in cohort_names()]


def _wanted() -> str:
    names = _trained_on()
    return "this model learned from " + ", ".join(f"`{n}`" for n in names) if names else "a folder a cohort"


def cohorts_on_disk() -> dict[str, Path]:
    """Folders of the bundle's training cohorts below MMXAI_DATA."""
    root = os.environ.get("MMXAI_DATA")
    if not root:
        return {}
    # A cohort may lie in a folder of its name, or of its name and what is in it: tcga_lgg, tcga_lgg_mri.
    places = {name: [Path(root) / name, *sorted(Path(root).glob(f"{name}_*"))] for name in _trained_on()}
    return {name: place for name, found in places.items() if (place := next(filter(Path.is_dir, found), None))}


def _task_of(metadata: Mapping[str, Any], name: str) -> str | None:
    """The question that the bundle answers, where it is one of this cohort's."""
    task = str(metadata.get("task") or "")
    return task if task in cohort_tasks(name) else None


def _nearest(analysis: Analysis, name: str, folder: Path) -> SimilarCases | None:
    predictor, known = services.predictor(), state.current().cases

    def work(progress: Progress, cancelled: Cancelled) -> tuple[CaseIndex, SimilarCases]:
        index = known
        if index is None or index.cohort.name != name or index.bundle_sha256 != predictor.bundle.sha256:
            progress(f"Opening {name}", 0.0)
            cohort = load_cohort(name, folder, task=_task_of(predictor.bundle.metadata, name))
            index = CaseIndex.build(predictor, cohort, progress=progress, cancelled=cancelled)
        return index, index.nearest(
            predictor, analysis.encoded, analysis.record, image_index=analysis.prediction.image_index or 0,
            cancelled=cancelled,
        )  # fmt: skip

    ready = known is not None and known.cohort.name == name and known.bundle_sha256 == predictor.bundle.sha256
    found = on_demand(
        analysis.explanation.id, f"cases:{name}", work, button="Find the nearest cases", at_once=ready,
        note=f"Reads every case of {markdown_safe(name)} once a session; later cases are then compared at once.",
    )  # fmt: skip
    if found is None:
        return None
    if state.current().cases is not found[0]:
        state.update(cases=found[0])
    return found[1]
