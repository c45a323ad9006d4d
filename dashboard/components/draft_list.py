"""The drafts of studies that are kept: each may be continued, or discarded."""

from __future__ import annotations

import streamlit as st

from dashboard import state, study_drafts
from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe, sentence
from mmxai_core.errors import StudyStoreError


def draft_list(drafts: tuple[study_drafts.Draft, ...]) -> None:
    """Draws a row a draft.

    Args:
        drafts: The kept ones.
    """
    for draft in drafts:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            named = markdown_safe(draft.protocol.title if draft.protocol else draft.id)
            which = f" ({markdown_safe(draft.id)}, version {draft.protocol.version})" if draft.protocol else ""
            unread = "" if draft.protocol else " This version of the program cannot read it."
            st.markdown(
                f"Draft: **{named}**{which}, not started, last changed {draft.changed_at:%Y-%m-%d %H:%M} UTC.{unread}",
                width="stretch",
            )
            if draft.protocol is not None and pressed(
                "Continue the draft", icon=":material/edit:", key=f"continue-{draft.id}"
            ):
                state.open_draft(draft.protocol, kept=draft.protocol)
                st.rerun()
            discard_choice(draft.id, label="Discard")


def discard_choice(study_id: str, *, label: str) -> None:
    """A button that asks once more before a draft is taken away.

    Args:
        study_id: The draft's; "" for one that is not kept yet.
        label: What the button says.
    """
    with st.popover(label, icon=":material/delete:"):
        st.markdown("What was set up in this draft goes. It cannot be brought back.")
        if pressed("Discard it", key=f"discard-{study_id}"):
            try:
                if study_id:
                    study_drafts.discard(study_id)
            except StudyStoreError as error:
                st.error(markdown_safe(sentence(error)), icon=":material/error:")
                return
            state.open_draft(None)
            st.rerun()
