"""How work on many cases goes, and what became of each."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.batch import Batch
from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe


def batch_panel(batch: Batch) -> bool:
    """Progress with Cancel while it runs, then what came of it.

    Args:
        batch: The work.

    Returns:
        True once the reader has put the outcome away.
    """
    if not batch.done:
        left, right = st.columns([5, 1], vertical_alignment="center")
        count = f"{len(batch.lines)} of {batch.total}"
        left.progress(batch.fraction, text=f"{batch.title}: {count}. {markdown_safe(batch.step)}")
        right.button("Cancel", key="cancel-batch", on_click=batch.cancel, width="stretch", disabled=batch.cancelled)
        return False
    if batch.problem:
        st.error(markdown_safe(batch.problem), icon=":material/error:")
    bad = [line for line in batch.lines if not line.good]
    said = markdown_safe(f"{batch.title}: {batch.summary()}")
    if bad:
        st.warning(said, icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center"):
        title = f"What became of each ({len(batch.lines)})" if bad else said
        with st.expander(
            title, expanded=bool(bad) and len(batch.lines) <= 12, icon=None if bad else ":material/check:"
        ):
            table = pd.DataFrame(
                {
                    "": ["✔" if line.good else "✖" for line in batch.lines],
                    "File or case": [line.name for line in batch.lines],
                    "Outcome": [line.sentence for line in batch.lines],
                }
            )
            st.dataframe(table, hide_index=True, width="stretch", alt=batch.summary())
        return pressed("Put away", key="put-away")
