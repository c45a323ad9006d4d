"""The drafts of studies that are kept: each may be continued, or discarded."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import state, study_drafts
from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe, sentence
from mmxai_core.errors import StudyStoreError
from mmxai_core.reader_study.protocol import Protocol


def draft_list(drafts: tuple[study_drafts.Draft, ...], *, started: Mapping[str, int]) -> None:
    """Draws a row a draft.

    Args:
        drafts: The kept ones.
        started: Newest version that was started, by study id; a draft of one can only be discarded.
    """
    for draft in drafts:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            named = markdown_safe(draft.protocol.title if draft.protocol else draft.id)
            which = f" ({markdown_safe(draft.id)}, version {draft.protocol.version})" if draft.protocol else ""
            past = draft.protocol is not None and draft.protocol.version <= started.get(draft.id, 0)
            how = "the study was started since" if past else "not started"
            unread = "" if draft.protocol else " This version of the program cannot read it."
            st.markdown(
                f"Draft: **{named}**{which}, {how}, last changed {draft.changed_at:%Y-%m-%d %H:%M} UTC.{unread}",
                width="stretch",
            )
            if not past:
                continue_choice(draft, label="Continue the draft", key=f"continue-{draft.id}")
            discard_choice(draft.id, label="Discard")


def continue_choice(draft: study_drafts.Draft, *, label: str, key: str) -> None:
    """A button that opens a draft; none where it cannot be read.

    Args:
        draft: The draft.
        label: What the button says.
        key: The button's identity.
    """
    kept = draft.protocol
    if kept is not None and pressed(label, icon=":material/edit:", key=key):
        state.open_draft(kept, kept=kept)
        st.rerun()


def discard_choice(study_id: str, *, label: str, only: Protocol | None = None) -> None:
    """A button that asks once more before a draft is taken away.

    Args:
        study_id: The draft's; "" for one that is not kept yet.
        label: What the button says.
        only: Where given: what another window made of the draft since stays.
    """
    with st.popover(label, icon=":material/delete:"):
        st.markdown("What was set up in this draft goes. It cannot be brought back.")
        if pressed("Discard it", key=f"discard-{study_id}"):
            try:
                if study_id:
                    study_drafts.discard(study_id, only=only)
            except StudyStoreError as error:
                st.error(markdown_safe(sentence(error)), icon=":material/error:")
                return
            state.open_draft(None)
            st.rerun()
