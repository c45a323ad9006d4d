"""Explanation: the evidence behind the prediction. Picture and contributions first, every other part one click away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from dashboard import casebook, services, state
from dashboard.components import downloads
from dashboard.components.account_panel import (
    WATERFALL,
    AccountChoice,
    account_choice,
    chosen_account,
    interactions_panel,
    last_account_choice,
    shown_as,
    waterfall_panel,
    why_whole,
)
from dashboard.components.attention_panel import attention_panel
from dashboard.components.chrome import empty_state
from dashboard.components.evidence import field_of, field_sentence, layer_of, scene, usual_account
from dashboard.components.input_words import NOT_VALID, check_sentences, stated
from dashboard.components.joint_map_panel import joint_map_panel
from dashboard.components.pressing import pressed
from dashboard.components.questions_panel import questions_panel
from dashboard.components.reliability_panel import reliability_panel, strip_charts
from dashboard.components.reliability_words import checks_in_brief, no_better_than_chance
from dashboard.components.summary_panel import summary_panel
from dashboard.components.viewer import pack, viewer
from dashboard.components.wording import left_open, player_labels
from dashboard.jobs import Analysis
from dashboard.messages import boundary, markdown_safe
from dashboard.tour_steps import tests_of
from dashboard.views import model_or_stop, panels, say_standing
from dashboard.views.following import follow_job, parts_left_out
from dashboard.views.on_demand import follow_tasks
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.figures.evidence_colour import counted
from mmxai_core.results import REGION_LABELS, Attribution, Explanation
from mmxai_core.results.typography import listed
from mmxai_core.types import GreyImage

_CSS = Path(__file__).resolve().parents[1] / "components" / "explanation.css"
#: Views that take the page's whole width; the others stand beside the viewer.
_WIDE = ("together", "joint_map", "attention", "similar", "methods")
_HEIGHT = 380

what_if = st.fragment(panels.what_if)
methods = st.fragment(panels.methods)
similar = st.fragment(panels.similar)


@st.fragment
def evidence() -> None:
    """The views; choosing a field in the viewer marks it in the charts."""
    with boundary():
        analysis = state.current().analysis
        if analysis is None:
            return
        schema = services.bundle().schema
        labels = {f.id: f.label for f in schema.fields}
        players = REGION_LABELS | player_labels(schema, dict(analysis.record.values))
        view = st.segmented_control(
            "View", list(panels.VIEWS), default=state.first_view("account"), required=True,
            format_func=panels.VIEWS.__getitem__, key=state.VIEW_KEY, label_visibility="collapsed",
            persist_state="session",
        )  # fmt: skip
        with st.container(key="explain-body"):
            if view in _WIDE:
                wide(str(view), analysis, labels, players)
                return
            left, right = st.columns([13, 8], gap="medium")
            with left:
                layer = layer_of(state.current().clicked, analysis.explanation)
                chosen = picture(analysis, labels, players, layer=layer)
            with right, boundary():
                beside(str(view), analysis, players, chosen)


def picture(
    analysis: Analysis, labels: Mapping[str, str], players: Mapping[str, str], *, layer: str | None
) -> str:  # fmt: skip
    """The viewer with every map; `layer` is shown whenever it changes. Returns the field whose map is chosen, or ""."""
    explanation, index = analysis.explanation, analysis.prediction.image_index
    if analysis.study is None or index is None:
        st.info("No image was given, so there is no picture of evidence.", icon=":material/info:")
        return ""
    if said := no_better_than_chance(explanation.reliability):
        st.markdown(f":orange[{markdown_safe(said)}]")
    done = sorted({"joint", "attention", "strip"} & set(explanation.parts))  # those that change what is drawn
    key = f"evidence-{explanation.id}-{'-'.join(done)}"
    packed = state.current().scenes.get(key) or state.keep_scene(
        key,
        pack(
            scene(
                analysis.study.images[index],
                explanation,
                labels,
                height=_HEIGHT,
                as_grey=bool(services.bundle().planes),
                owner=state.current().case,
            )
        ),
    )
    with st.container(key="evidence"):
        chosen = field_of(viewer(packed, key="evidence-viewer", layer=layer).layer)
        if chosen:
            account, _ = account_on_screen(analysis)
            said = field_sentence(explanation, chosen, players.get(chosen, chosen), account=account)
            st.markdown(markdown_safe(said))
    return chosen


def beside(view: str, analysis: Analysis, players: Mapping[str, str], chosen: str) -> None:
    """The view beside the viewer."""
    explanation, running = analysis.explanation, state.current().job is not None
    if view == "account":
        account = choose_account(analysis)
        if account is not None:
            waterfall_panel(
                account, players, target=target(analysis), highlight=chosen,
                on_click=lambda: state.keep_click(WATERFALL),
            )  # fmt: skip
    elif view == "trust":
        notes = {n.name: counted(explanation, n.name) for n in explanation.reliability}
        reliability_panel(explanation.reliability, running=running, notes=notes)
        mapped = explanation.saliency.target_class if explanation.saliency else explanation.target_class
        strip_charts(explanation.strip, target=mapped.replace("_", " "))
    elif view == "what_if":
        what_if(analysis)
    elif view == "ask":
        questions_panel(explanation, running=running)
    else:
        summary_panel(explanation, players, running=running)


def wide(view: str, analysis: Analysis, labels: Mapping[str, str], players: Mapping[str, str]) -> None:
    """The view over the whole width."""
    explanation = analysis.explanation
    if view == "together":
        account = choose_account(analysis)
        if account is not None:
            regions = tuple(p for p in account.players if p in REGION_LABELS)
            interactions_panel(account, players, target=target(analysis), regions=regions)
    elif view == "joint_map":
        account, choice = account_on_screen(analysis)
        joint_map_panel(explanation, grey_of(analysis), labels, account=account, how=shown_as(choice, account).lower())
    elif view == "attention":
        attention_panel(explanation, grey_of(analysis), labels, field="")
    elif view == "similar":
        similar(analysis)
    else:
        methods(analysis)


def choose_account(analysis: Analysis) -> Attribution | None:
    """The account the reader chose; None, and said, where it is not there yet."""
    explanation, running = analysis.explanation, state.current().job is not None
    choice, beside = account_choice(image=analysis.study is not None)
    joint = explanation.joint
    if choice.image_as == "grid":
        if running:
            st.info("The grid can be computed when the analysis has ended.", icon=":material/hourglass:")
            return None
        joint = panels.grid_account(analysis)
        if joint is None:
            return None
    account, why = chosen_account(choice, explanation, joint)
    if account is None:
        st.info(why, icon=":material/info:")
        return None
    beside.caption(shown_as(choice, account), width="content")
    if said := why_whole(choice, account, computed=joint is not None):
        st.caption(said)
    return account


def account_on_screen(analysis: Analysis) -> tuple[Attribution, AccountChoice]:
    """The account that Account shows as it stands, with its choice: one field, one number, wherever it is said."""
    explanation = analysis.explanation
    choice = last_account_choice(image=analysis.study is not None)
    grid = state.kept(explanation.id, "grid") if choice.image_as == "grid" else explanation.joint
    if choice.image_as != "grid" or grid is not None:
        account, _ = chosen_account(choice, explanation, grid)
        if account is not None:
            return account, choice
    return usual_account(explanation), AccountChoice("lesion", "removal", "log_odds")


def target(analysis: Analysis) -> str:
    """The class the accounts are about, in words."""
    return analysis.explanation.target_class.replace("_", " ")


def grey_of(analysis: Analysis) -> GreyImage | None:
    """Display grey of the image explained, or None."""
    index = analysis.prediction.image_index
    return None if analysis.study is None or index is None else analysis.study.images[index].grey


def save(analysis: Analysis) -> None:
    """Downloads."""
    with st.popover("Take away", icon=":material/download:"):
        downloads.take_away(analysis, services.bundle(), services.predictor().device, code=state.current().case)


def in_brief(explanation: Explanation, code: str) -> str:
    """Which case, what the unknown fields leave open, and what of the explanation fails its test.

    Args:
        explanation: The explanation.
        code: Of the case in the worklist, or "".
    """
    parts = [f"Case {code}."] if code else []
    check = explanation.input_check  # of another kind of input no number holds
    flagged = check is not None and check.flagged
    parts += [said] if not flagged and (said := left_open(explanation)) else []
    told = tests_of(explanation)
    if told is not None:
        parts.append(checks_in_brief([markdown_safe(name) for name in told.failed], told.total))
    if explanation.audit is not None and (missed := sum(explanation.audit.disagrees)):
        parts.append(f"✗ Attention is not borne out for {missed} of {len(explanation.audit.fields)} fields.")
    return " ".join(parts)


def what_changed(changed: tuple[str, ...], schema: ClinicalSchema) -> str:
    """What differs from what was analysed, in one sentence.

    Args:
        changed: From `Analysis.differs_in`.
        schema: The bundle's fields.
    """
    words = {"study": "the study", "region": "the marked region"}
    named = listed([words.get(c) or schema[c].label for c in changed])
    return f"Out of date: {named} changed after this analysis. What follows is of the earlier values."


def head(analysis: Analysis, *, stale: bool) -> None:
    """The prediction in one line; beside it the progress while the analysis runs, and the ways on afterwards.

    Args:
        analysis: The analysis.
        stale: True where something changed since: the line is then grey, as on the Case page.
    """
    session, check = state.current(), analysis.explanation.input_check
    valid = check is None or not check.flagged
    with st.container(key="explain-head"):
        left, right = st.columns([13, 8], vertical_alignment="center", gap="medium")
        said = markdown_safe(stated(analysis.prediction, check, analysis.explanation.prediction_set))
        with left:
            st.markdown(f"**{said}**" if valid and not stale else f":gray[{said}]")
            st.caption(in_brief(analysis.explanation, session.case))
        with right:
            if session.job is not None:
                follow_job(show=False)
            if any(of == analysis.explanation.id for of, _ in session.tasks):
                follow_tasks(analysis.explanation.id)
            if session.job is None:
                with st.container(horizontal=True, horizontal_alignment="right"):
                    save(analysis)
                    if pressed("Rate this explanation", icon=":material/rate_review:", key="to-survey"):
                        st.switch_page("views/survey.py")
    if check is not None and check.flagged:
        st.warning(markdown_safe(" ".join((f"{NOT_VALID}.", *check_sentences(check)))), icon=":material/warning:")
    if session.job is None and (left_out := parts_left_out(analysis.explanation)):
        st.warning(left_out, icon=":material/warning:")
    if session.problem:
        st.error(markdown_safe(session.problem), icon=":material/error:")


def main() -> None:
    """The page."""
    model_or_stop()
    session = state.current()
    analysis = session.analysis
    if analysis is None:
        casebook.ask_for_pictures()  # after a reload: the answer is kept, its pictures are not
        if state.current().job is not None:
            st.caption("The pictures of this case are being computed.")
            follow_job(show=False)
            return
        empty_state("Nothing to explain yet", "Open a study on the Case page and press **Analyse**.")
        if pressed("Go to the case", key="to-case", type="primary"):
            st.switch_page("views/case.py")
        return
    st.html(_CSS)
    record = services.bundle().schema.record(dict(session.values))
    changed = analysis.differs_in(session.study, record, session.roi) if session.job is None else ()
    if changed:
        left, right = st.columns([13, 3], vertical_alignment="center")
        told = what_changed(changed, services.bundle().schema)
        left.warning(markdown_safe(told), icon=":material/history:")
        right.button("Analyse again", type="primary", on_click=casebook.begin, key="again", width="stretch")
    say_standing()
    head(analysis, stale=bool(changed))
    evidence()


main()
