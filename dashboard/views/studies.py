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
    bundle = services.bundle()
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
    fill_in(base)
    with head:  # last, so that what was typed right before is kept
        kept = state.study().draft_kept
        if pressed(
            "Back to the studies", icon=":material/arrow_back:", key="back-to-studies", disabled=kept is None,
            help="This draft is not kept yet." if kept is None else "The draft is kept.",
        ):  # fmt: skip
            state.open_draft(None)
            st.rerun()
        discard_choice(kept.id if kept else "", label="Discard the draft")


def fill_in(base: Protocol) -> None:
    """The form, what is wrong, what would be read, and the button that locks it."""
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
        return
    keep_draft(protocol)
    here = problems_here(protocol, services.bundle())
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


def keep_draft(protocol: Protocol) -> None:
    """Keep the draft where it has changed, so that a reload of the page loses nothing."""
    kept = state.study().draft_kept
    if protocol == kept:
        return
    try:
        study_drafts.keep(protocol, instead_of=kept.id if kept else "")
    except StudyStoreError as error:
        st.warning(markdown_safe(f"A reload would lose the changes. {error}"), icon=":material/cloud_off:")
        return
    state.update_study(draft_kept=protocol)


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
        try:
            services.study_store().start(protocol.lock(at=datetime.now(UTC)))
        except StudyStoreError as error:
            st.error(markdown_safe(sentence(error)), icon=":material/error:")
            return
        if (kept := state.study().draft_kept) is not None:
            with suppress(StudyStoreError):  # the study has started; a draft that stays can be discarded later
                study_drafts.discard(kept.id)
        state.open_draft(None)
        st.rerun()


def load_cases(base: Protocol) -> None:
    """Take the case set from a CSV, or back from the samples."""
    with st.expander("Case set from a CSV, or the samples"):
        left, right = st.columns([3, 2], gap="large")
        with left:
            sent = st.file_uploader("CSV of cases", ["csv"], key=f"cases-{state.study().draft_version}")
            st.caption("Columns: case_id, image, truth, stratum, practice, lesion, and one a clinical field.")
            if sent is not None:
                try:
                    cases = cases_from_csv(sent.getvalue(), services.bundle().schema, name=sent.name)
                    _reopen(base, cases)
                    st.rerun()
                except StudyStoreError as error:
                    st.error(markdown_safe(sentence(error)), icon=":material/error:")
        with right:
            st.download_button("Template", _CSV_HEAD, "cases.csv", "text/csv", on_click="ignore")
            if pressed("Use the shipped samples", key="use-samples"):
                _reopen(base, sample_cases(services.bundle().schema))
                st.rerun()


def _reopen(base: Protocol, cases: tuple[Case, ...]) -> None:
    state.open_draft(replace(base, cases=cases), kept=state.study().draft_kept)


def choose() -> None:
    """The studies and drafts there are, and the ways to make one."""
    studies, drafts = services.study_store().studies(), study_drafts.drafts()
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
    draft_list(drafts)
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
