"""Reader study, for its coordinator: make a protocol, start it, follow it, take its tables away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboard import services, state, study_drafts
from dashboard.components.arms_table import usual_arms
from dashboard.components.chrome import empty_state
from dashboard.components.draft_list import discard_choice, draft_list
from dashboard.components.pressing import pressed
from dashboard.components.protocol_form import protocol_form
from dashboard.components.protocol_summary import protocol_summary
from dashboard.components.study_overview import study_overview
from dashboard.messages import markdown_safe, sentence
from dashboard.study_files import cases_from_csv, sample_cases
from dashboard.study_limits import problems_here
from dashboard.views import model_or_stop
from dashboard.views.coordinator import coordinator_or_stop
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.assignment import assign
from mmxai_core.reader_study.protocol import Case, InstrumentUse, Protocol, ProtocolError, Reader
from mmxai_core.reader_study.protocol_file import parse_protocol, to_toml

_CSV_HEAD = (
    "case_id,image,truth,stratum,practice,lesion,age,margin\nC001,c001.dcm,malignant,subtle,,120;80;200;150,61,\n"
)


def first_draft(taken: Collection[str] = ()) -> Protocol:
    """A study that could start as it is, over the shipped samples: each case unaided, with the AI, then explained.

    Args:
        taken: Ids of studies and drafts that are there.
    """
    bundle = services.bundle(services.study_path())
    numbered = (f"pilot-{n}" for n in range(2, len(taken) + 3))
    return Protocol(
        next(i for i in ("pilot", *numbered) if i not in taken), "Pilot reading session", usual_arms("sequential"),
        sample_cases(bundle.schema), tuple(Reader(f"R{n:02}") for n in (1, 2, 3)), instruments=(InstrumentUse("sus"),),
        positive=bundle.positive_class, negative=next(c for c in bundle.classes if c != bundle.positive_class),
        threshold=bundle.threshold, bundle_sha256=bundle.sha256,
    )  # fmt: skip


def balance(protocol: Protocol) -> pd.DataFrame:
    """Readings by reader and arm, practice left out."""
    counts = Counter((a.reader, a.arm) for a in assign(protocol) if not a.practice)
    arms = [a.id for a in protocol.arms]
    return pd.DataFrame([{"Reader": r.code, **{a: counts[r.code, a] for a in arms}} for r in protocol.readers])


def edit(base: Protocol) -> None:
    """The draft: its form below what may be done with it as a whole."""
    head = st.container(horizontal=True, vertical_alignment="center")
    with head:
        what = f"version {base.version} of {base.id}" if base.version > 1 else "a new study"
        st.subheader(f"Protocol of {what}", anchor=False, width="stretch")
    saved = fill_in(base)
    with head:  # last, so that what was typed right before is kept
        if way_back(saved=saved):
            state.open_draft(None)
            st.rerun()
        kept = state.study().draft_kept
        discard_choice(kept.id if kept else "", label="Discard the draft", only=kept)


def way_back(*, saved: bool) -> bool:
    """The way back to the studies; it asks once more where what is on screen would be lost by it.

    Args:
        saved: Whether what is on screen is what is kept.
    """
    if saved:
        return pressed(
            "Back to the studies", icon=":material/arrow_back:", key="back-to-studies", help="The draft is kept."
        )
    with st.popover("Back to the studies", icon=":material/arrow_back:"):
        st.markdown(
            "What is on screen is not kept. "
            + ("It goes; what was kept before stays." if state.study().draft_kept else "Nothing of it was kept before.")
        )
        return pressed("Leave without it", key="leave-unkept")


def fill_in(base: Protocol) -> bool:
    """The form, what is wrong, what would be read, and the button that locks it.

    Returns:
        Whether what is on screen is what is kept.
    """
    kept = state.study().draft_kept
    load_cases(kept or base)
    protocol, problems = protocol_form(base, version=state.study().draft_version)
    if protocol is None:
        st.error(
            f"**{len(problems)} to mend before the study can start**\n"
            + "\n".join(f"- {markdown_safe(p)}" for p in problems[:8]),
            icon=":material/error:",
        )
        if kept is not None:
            st.caption("Until then the draft is kept as it was before.")
        return False
    saved = keep_draft(protocol)
    here = problems_here(protocol, services.bundle(services.study_path(protocol.bundle_sha256)))
    for problem in here:
        st.error(markdown_safe(problem), icon=":material/error:")
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Readings by reader and arm**", help="Drawn from the seed; the same on every machine.")
        st.dataframe(balance(protocol), hide_index=True, alt="Readings by reader and arm")
    with right:
        st.markdown(f"Hash `{protocol.sha256[:16]}`", help="Of the whole protocol, truth included.")
        with st.container(horizontal=True):
            st.download_button(
                "Protocol (TOML)", to_toml(protocol), f"{protocol.id}-v{protocol.version}.toml", "application/toml",
                icon=":material/download:", on_click="ignore", help="With the truth: not for readers.",
            )  # fmt: skip
            if pressed("Lock and start", type="primary", icon=":material/lock:", key="start", disabled=bool(here)):
                confirm(protocol)
    return saved


def keep_draft(protocol: Protocol) -> bool:
    """Keep the draft where it has changed, so that a reload of the page loses nothing; returns whether it is kept."""
    kept = last_kept()
    if protocol == kept:
        return True
    try:
        if any(s.code == protocol.id and s.version >= protocol.version for s in services.study_store().studies()):
            raise StudyStoreError(
                f"Version {protocol.version} of the study {protocol.id!r} has been started; go back to the studies"
                + (", or choose another id." if protocol.version == 1 else ".")
            )
        state.update_study(draft_offered=protocol)
        remark = study_drafts.keep(protocol, instead_of=kept)
    except StudyStoreError as error:
        st.warning(markdown_safe(f"A reload would lose the changes. {error}"), icon=":material/cloud_off:")
        return False
    state.update_study(draft_kept=protocol)
    if remark:
        st.warning(markdown_safe(remark), icon=":material/warning:")
    return True


def last_kept() -> Protocol | None:
    """The draft as this window kept it last; what a run that was cut short gave to the disk counts."""
    session = state.study()
    offered = session.draft_offered
    if offered is not None and offered != session.draft_kept and study_drafts.holds(offered):
        session = state.update_study(draft_kept=offered)
    return session.draft_kept


@st.dialog("Lock and start this study?", width="medium")
def confirm(protocol: Protocol) -> None:
    """Locking is for good; say so before it is done."""
    st.markdown(f"**{markdown_safe(protocol.title)}** ({protocol.id}), {protocol.design.kind}:")
    protocol_summary(protocol)
    st.markdown("A locked protocol never changes; a later change is a new version.")
    if protocol.version > 1:
        st.markdown(
            f"Readers who have begun version {protocol.version - 1} stay on it until you close it; the others read "
            "this one. The answers of each version are analysed apart."
        )
    if pressed("Lock and start", type="primary", key=f"confirm-start-{protocol.id}-{protocol.version}"):
        kept = last_kept()
        with suppress(OSError):  # a study may start where no draft can be kept
            if problem := study_drafts.objection(protocol, instead_of=kept):
                st.error(markdown_safe(f"Not started. {problem}"), icon=":material/error:")
                return
        try:
            services.study_store().start(protocol.lock(at=datetime.now(UTC)))
        except StudyStoreError as error:
            st.error(markdown_safe(sentence(error)), icon=":material/error:")
            return
        if kept is not None:
            with suppress(StudyStoreError):  # the study has started; a draft that stays can be discarded later
                study_drafts.discard(kept.id)
        state.open_draft(None)
        st.rerun()


def load_cases(base: Protocol) -> None:
    """Take the case set from a CSV, or back from the samples."""
    at = services.study_path(base.bundle_sha256)
    schema = services.bundle(at).schema
    with st.expander("Case set from a CSV, or the samples"):
        left, right = st.columns([3, 2], gap="large")
        with left:
            sent = st.file_uploader("CSV of cases", ["csv"], key=f"cases-{state.study().draft_version}")
            st.caption("Columns: case_id, image, truth, stratum, practice, lesion, and one a clinical field.")
            if sent is not None:
                try:
                    cases = cases_from_csv(sent.getvalue(), schema, name=sent.name)
                    _reopen(base, cases)
                    st.rerun()
                except StudyStoreError as error:
                    st.error(markdown_safe(sentence(error)), icon=":material/error:")
        with right:
            st.download_button("Template", _CSV_HEAD, "cases.csv", "text/csv", on_click="ignore")
            if pressed("Use the shipped samples", key="use-samples"):
                _reopen(base, sample_cases(schema, at))
                st.rerun()


def _reopen(base: Protocol, cases: tuple[Case, ...]) -> None:
    state.open_draft(replace(base, cases=cases), kept=last_kept())


def choose() -> None:
    """The studies and drafts there are, and the ways to make one."""
    studies = services.study_store().studies()
    try:
        drafts, problem = study_drafts.drafts(), ""
    except StudyStoreError as error:
        drafts, problem = (), sentence(error)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Reader studies", anchor=False, width="stretch")
        if pressed("New study", type="primary", icon=":material/add:", key="new-study"):
            state.open_draft(first_draft({*(s.code for s in studies), *(d.id for d in drafts)}))
            st.rerun()
        with st.popover("Open a protocol file", icon=":material/upload_file:"):
            sent = st.file_uploader("Protocol", ["toml", "json"], key=f"protocol-{state.study().draft_version}")
            if sent is not None:
                try:
                    state.open_draft(parse_protocol(sent.getvalue().decode("utf-8-sig"), sent.name))
                    st.rerun()
                except UnicodeDecodeError:
                    st.error("The file is not UTF-8 text.", icon=":material/error:")
                except ProtocolError as error:
                    st.error("\n".join(f"- {markdown_safe(p)}" for p in error.problems[:8]), icon=":material/error:")
    if problem:
        st.warning(markdown_safe(problem), icon=":material/warning:")
    draft_list(drafts, started={s.code: s.version for s in reversed(studies)})
    if not studies and not drafts:
        empty_state(
            "No study yet",
            "Press **New study** for a pilot over the shipped samples, change what you need, then lock and start it. "
            "Each reader gets a link. The **Analysis** page can rehearse a study with simulated readers first.",
        )
    if not studies:
        return
    names = {s.id: f"{s.protocol.title} ({s.code}, version {s.version})" for s in studies}
    chosen = st.selectbox("Study", list(names), format_func=names.__getitem__, key="study-chosen")
    study_overview(next(s for s in studies if s.id == chosen))


def main() -> None:
    """The page."""
    model_or_stop()
    coordinator_or_stop()
    draft = state.study().draft
    if draft is None:
        choose()
    else:
        edit(draft)


main()
