"""What would turn the decision: the locks, the outcome of the search, and trying it out."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.results.what_if import Counterfactual, CounterfactualSearch


@dataclass(frozen=True)
class TurningRequest:
    """What to search.

    Attributes:
        locked: Field ids that may not change.
        fill_unknown: Whether unknown fields may take a value.
        max_changes: Most fields changed at once.
    """

    locked: tuple[str, ...]
    fill_unknown: bool
    max_changes: int

    @property
    def name(self) -> str:
        """Under which the outcome is kept."""
        return f"turning:{','.join(self.locked)}:{self.fill_unknown}:{self.max_changes}"


def turning_request(schema: ClinicalSchema) -> TurningRequest:
    """The locks and limits; age and the rest of the history are locked unless the reader unlocks them."""
    history = [f.id for f in schema.fields if f.group == "history"]
    locked = st.multiselect(
        "Locked: may not change", list(schema.ids), default=history, format_func=lambda i: schema[i].label,
        key="turning-locked", persist_state="session",
        help="Age and history cannot be changed by looking again; what a reader described can be.",
    )  # fmt: skip
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        most = st.segmented_control(
            "Fields changed at once, at most", [1, 2, 3], default=3, required=True, key="turning-most",
            persist_state="session",
        )  # fmt: skip
    with right:
        fill = st.toggle(
            "Also fill in unknown fields", key="turning-fill", persist_state="session",
            help='Asks as well "what if the margin were found to be ...".',
        )  # fmt: skip
    return TurningRequest(tuple(i for i in schema.ids if i in locked), bool(fill), int(most or 3))


def changes_table(found: Counterfactual) -> pd.DataFrame:
    """Field, value now and value that turns the decision."""
    return pd.DataFrame([{"Field": c.label, "Now": c.before, "Would be": c.after} for c in found.changes])


def turning_panel(search: CounterfactualSearch, *, schema: ClinicalSchema, version: str) -> Counterfactual | None:
    """The outcome; returns a change that the reader wants to try.

    Args:
        search: The outcome of a search.
        schema: The bundle's fields.
        version: Changes when the what-if starts from other values; its buttons are then new ones.
    """
    tried = None
    if not search.found:
        st.info(markdown_safe(search.sentence), icon=":material/block:")
        if search.locked:
            st.caption(
                "Locked: " + markdown_safe(", ".join(schema[i].label for i in search.locked)) + ". Unlock a field, or "
                "let unknown fields be filled in, and search again."
            )
    for number, found in enumerate(search.found, 1):
        with st.container(border=True):
            st.markdown(("**Smallest change.** " if number == 1 else "**Or:** ") + markdown_safe(found.sentence))
            st.dataframe(changes_table(found), hide_index=True, alt=found.sentence)
            st.caption(
                f"{100 * search.probability:.1f} % → {100 * found.probability:.1f} %. Distance {found.distance:.2f}; "
                f"at least as usual as {100 * found.plausibility:.0f} % of drawn records."
            )
            if pressed("Try these values", key=f"turning-try-{version}-{number}", icon=":material/tune:"):
                tried = found
    st.caption(tried_sentence(search), help=markdown_safe(search.semantics))
    return tried


def tried_sentence(search: CounterfactualSearch) -> str:
    """How many records were tried, and how many of those that turned the decision were refused."""
    tried = f"{search.evaluated:,} changed {'record' if search.evaluated == 1 else 'records'} tried."
    if not search.implausible:
        return tried
    be = "is" if search.implausible == 1 else "are"
    return f"{tried} {search.implausible:,} turned the decision but {be} implausible."
