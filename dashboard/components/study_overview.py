"""A running study for its coordinator: who is how far, links for readers, tables, closing."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import services, state, study_drafts
from dashboard.components.draft_list import continue_choice
from dashboard.components.pressing import pressed
from dashboard.messages import RESEARCH_USE, markdown_safe, sentence
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study import session as course
from mmxai_core.reader_study import tables
from mmxai_core.reader_study.protocol_file import to_toml
from mmxai_core.reader_study.records import StudyRecord

_NEXT = {"done": "done", "wait": "washout", "questionnaire": "questionnaire"}


def server_address(page: str | None) -> str:
    """Where this program is reached, from the address of the page in the browser; "" where it is not known."""
    return (page or "").rstrip("/").removesuffix("/studies")


def reader_link(study: StudyRecord, reader: str, *, server: str) -> str:
    """The address that opens a reader's session, and goes on where he stopped."""
    return f"{server.strip().rstrip('/')}/session?{urlencode({'study': study.code, 'reader': reader})}"


def reader_rows(study: StudyRecord, *, server: str) -> list[dict[str, object]]:
    """How far each reader is.

    Args:
        study: The study.
        server: Address that the links begin with.
    """
    store, now = services.study_store(), datetime.now(UTC)
    closed, rows = store.is_closed(study), []
    for reader in study.protocol.readers:
        mine, kept = store.assignments(study, reader.code), store.kept(study, reader.code)
        step = course.next_step(study.protocol, mine, kept, now=now)
        how = course.progress(study.protocol, mine, kept)
        case = "practice" if step.practice else f"case {how.done + 1}"
        coming = "closed" if closed and step.kind != "done" else _NEXT.get(step.kind, case)
        rows.append(
            {
                "Reader": reader.code, "Group": reader.stratum, "Cases read": how.done / max(how.total, 1),
                "Of": how.total, "Next": coming,
                "Last answer (UTC)": f"{kept[-1].saved_at:%Y-%m-%d %H:%M}" if kept else "none yet",
                "Link": reader_link(study, reader.code, server=server),
            }
        )  # fmt: skip
    return rows


def tables_zip(study: StudyRecord) -> bytes:
    """Every table as CSV, with the protocol, in one zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", f"{RESEARCH_USE}.\nTables of study {study.code}, version {study.version}.\n")
        archive.writestr("protocol.toml", to_toml(study.protocol))
        for name, frame in tables.all_tables(services.study_store(), study).items():
            archive.writestr(f"{name}.csv", tables.table_csv(frame))
    return out.getvalue()


def links(study: StudyRecord, server: str) -> None:
    """A line a reader, code and link, to be copied in one go."""
    with st.expander("Links for the readers", icon=":material/link:"):
        at = st.text_input(
            "Address that readers use", server, key="readers-at", persist_state="session",
            help="Of this server, unless readers have one of their own (MMXAI_ROLE=reader).",
        )  # fmt: skip
        lines = [f"{r.code}\t{reader_link(study, r.code, server=at)}" for r in study.protocol.readers]
        st.code("\n".join(lines), language=None, height="content" if len(lines) <= 10 else 240)
        here_only = re.match(r"https?://(127\.0\.0\.1|localhost|\[::1\])(?=[:/]|$)", at.strip())
        st.caption(
            "The icon at the top right copies all of them. Give each reader his own line only: who has a link reads "
            "under its code." + (" This address works on this computer only." if here_only else "")
        )


def revise(study: StudyRecord, *, newest: int) -> None:
    """The way to a new version: to the draft of it that was begun; where another one is in its place, a choice.

    Args:
        study: The version on screen.
        newest: The newest one that was started.
    """
    label, icon = "Change: new version", ":material/edit:"
    there, version = study_drafts.find(study.code), study.version + 1
    kept = there.protocol if there else None
    if newest != study.version:
        pressed(
            label, icon=icon, key="revise", disabled=True, help=f"Version {newest} is there already; change that one."
        )
    elif there is None or (kept is not None and kept.parent == study.locked.sha256):
        if pressed(label, icon=icon, key="revise"):
            state.open_draft(kept or replace(study.protocol, version=version, parent=study.locked.sha256), kept=kept)
            st.rerun()
    else:
        with st.popover(label, icon=icon):
            which = f"version {kept.version}" if kept else "one that this version of the program cannot read"
            st.markdown(
                f"Another draft of this study is kept, {which}, last changed {there.changed_at:%Y-%m-%d %H:%M} UTC. A "
                "study has one draft: go on with that one, or discard it. A discarded draft cannot be brought back."
            )
            if kept is not None and kept.version > newest:
                continue_choice(there, label="Go on with that draft", key="revise-other")
            if pressed(f"Discard it and change version {study.version}", key="revise-instead"):
                try:
                    study_drafts.discard(study.code, only=kept)
                except StudyStoreError as error:
                    st.error(markdown_safe(sentence(error)), icon=":material/error:")
                    return
                state.open_draft(replace(study.protocol, version=version, parent=study.locked.sha256))
                st.rerun()


def study_overview(study: StudyRecord) -> None:
    """Draws it."""
    store, protocol = services.study_store(), study.protocol
    closed = store.is_closed(study)
    st.markdown(
        f"{'Closed' if closed else 'Open'} · {protocol.design.kind} · {len(protocol.arms)} "
        f"{'arm' if len(protocol.arms) == 1 else 'arms'} · "
        f"{len(protocol.study_cases)} {'case' if len(protocol.study_cases) == 1 else 'cases'} · "
        f"locked {study.locked.locked_at:%Y-%m-%d %H:%M} UTC · "
        f"hash `{study.locked.sha256[:16]}`"
    )
    if (wanted := protocol.bundle_sha256) and wanted != (here := services.bundle(services.study_path(wanted)).sha256):
        st.error(
            f"This study is made for the model {wanted[:8]}; this program runs {here[:8]}, so its readers cannot go "
            "on. Start the program with MMXAI_BUNDLE set to the study's.", icon=":material/error:",
        )  # fmt: skip
    server = server_address(st.context.url)
    rows = reader_rows(study, server=server)
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, alt="Readers and how far they are",
        column_config={
            "Cases read": st.column_config.ProgressColumn("Cases read", format="percent", min_value=0, max_value=1),
            "Link": st.column_config.LinkColumn(
                "Session", display_text="Open", help="Opens that reader's session here and goes on."
            ),
        },
    )  # fmt: skip
    links(study, server)
    with st.container(horizontal=True):
        if pressed("Refresh", icon=":material/refresh:", key="refresh"):
            st.rerun()
        st.download_button(
            "Tables (zip)", lambda: tables_zip(study), f"{study.code}-v{study.version}-tables.zip", "application/zip",
            icon=":material/download:", on_click="ignore", key="tables",
        )  # fmt: skip
        st.download_button(
            "Protocol (TOML)", to_toml(protocol), f"{study.code}-v{study.version}.toml", "application/toml",
            icon=":material/download:", on_click="ignore", key="toml",
        )  # fmt: skip
        revise(study, newest=max(s.version for s in store.studies() if s.code == study.code))
        with st.popover("Close the study", icon=":material/lock:", disabled=closed):
            st.markdown("No more answers will be taken; what is kept stays. This cannot be undone.")
            if pressed("Close it", key="close-study"):
                store.close_study(study)
                st.rerun()
        if pressed("Analysis", icon=":material/bar_chart:", key="to-analysis"):
            st.switch_page("views/analysis.py")
    with st.expander("Take in answers made elsewhere (CSV)"):
        st.caption("Needed columns of readings: reader, arm, case, stage, value, committed_at. All rows or none.")
        kind = st.radio("The file holds", ["readings", "ratings"], horizontal=True, key="import-kind")
        sent = st.file_uploader("CSV", ["csv"], key="import")
        if sent is not None and pressed("Take them in", key="import-go"):
            take = tables.import_readings if kind == "readings" else tables.import_ratings
            try:
                added = take(store, study, sent.getvalue(), name=sent.name)
            except StudyStoreError as error:
                st.error(markdown_safe(sentence(error)), icon=":material/error:")
            else:
                st.success(f"{added} taken in, marked as imported.", icon=":material/check_circle:")
