"""Search, filters and order of the worklist, and adding to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import streamlit as st

from dashboard.bundles import Offer
from dashboard.components.pressing import pressed
from dashboard.components.worklist_rows import FLAG_WORDS, PRIORITY_WORDS, STATE_WORDS
from mmxai_core.worklist import PRIORITIES, STATES, Query
from mmxai_core.worklist.case import FLAGS
from mmxai_core.worklist.query import Order


@dataclass(frozen=True, eq=False)
class Added:
    """What the reader wants to add: files, the samples, or nothing.

    Attributes:
        files: (name, content) of each file.
        samples: True for the samples.
        waiting: True where files are chosen and not among what is added.
        model: Name of the bundle that is to read them.
    """

    files: tuple[tuple[str, bytes], ...] = ()
    samples: bool = False
    waiting: bool = False
    model: str = ""


def query_tools(query: Query) -> Query:
    """The search box, filters and order; starts from what was asked last."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="worklist-tools"):
        text = st.text_input(
            "Search", value=query.text, placeholder="code, title, modality, class …", key="wl-text", width=210
        )
        states = st.multiselect(
            "State", STATES, default=query.states, format_func=STATE_WORDS.__getitem__, key="wl-states", width=185,
            placeholder="all",
        )  # fmt: skip
        priorities = st.multiselect(
            "Priority", PRIORITIES[::-1], default=query.priorities, format_func=PRIORITY_WORDS.__getitem__,
            key="wl-priorities", width=160, placeholder="all",
        )  # fmt: skip
        flags = st.multiselect(
            "Flags", FLAGS, default=query.flags, format_func=FLAG_WORDS.__getitem__, key="wl-flags", width=185,
            placeholder="all",
        )  # fmt: skip
        orders = get_args(Order)
        order = st.selectbox("Order", orders, index=orders.index(query.order), key="wl-order", width=165)
    return Query(text, tuple(states), tuple(priorities), tuple(flags), order)


def add_tools(
    *, version: int, running: bool, kept: str, offers: Mapping[str, Offer], model: str,
    samples: Callable[[str], int], expanded: bool,
) -> Added | None:  # fmt: skip
    """The file chooser for many studies, and the samples.

    Args:
        version: Changes when the chooser must be emptied.
        running: True while other work on many cases runs.
        kept: What is kept of a case, and for how long.
        offers: Bundles by name.
        model: Name of the one in use.
        samples: How many samples of a bundle's kind ship.
        expanded: True where it stands open, as in an empty list or where files wait.
    """
    with st.expander("Add studies", icon=":material/add:", expanded=expanded, key=f"wl-box-{version}-{expanded}"):
        files = st.file_uploader(
            "Each file is one study (a series or several views: as one zip). A manifest CSV may come with its images.",
            accept_multiple_files=True, key=f"wl-upload-{version}", disabled=running,
        )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="center"):
            add = pressed(
                add_words(len(files)), key="wl-add", disabled=not files or running, type="primary",
                icon=":material/playlist_add:",
            )  # fmt: skip
            if len(offers) > 1:
                names = list(offers)
                model = st.selectbox(
                    "Model that reads them", names, index=names.index(model), key=f"wl-model-{version}-{model}",
                    label_visibility="collapsed", width=150, disabled=running,
                    help="The model that reads what is added here. A case's own page can change it.",
                )  # fmt: skip
            count = samples(model)
            take = bool(count) and pressed(
                f"Add the {count} samples", key="wl-samples", disabled=running, icon=":material/science:"
            )
        st.caption(kept)
    if add and files:
        return Added(tuple((f.name, f.getvalue()) for f in files), model=model)
    return Added(samples=True, waiting=bool(files), model=model) if take else None


def add_words(files: int) -> str:
    """What the button that adds the chosen files says.

    Args:
        files: How many are chosen.
    """
    return "Add 1 file" if files == 1 else f"Add {files} files" if files else "Add files"
