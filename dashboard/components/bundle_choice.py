"""Which of the offered bundles reads: before a study is opened, beside an open case, on the pages about models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import state
from dashboard.bundles import Offer
from dashboard.messages import markdown_safe

_PRESS = "model-chosen"


def opening_choice(offers: Mapping[str, Offer], chosen: str, *, version: int) -> str | None:
    """The choice before a study is opened, with what each bundle answers; nothing is drawn where there is one only.

    Args:
        offers: Bundles by name.
        chosen: Name of the one in use.
        version: Changes where the choice must be drawn afresh.

    Returns:
        The name that the reader has just chosen; None where none was.
    """
    if len(offers) < 2:
        return None
    names = list(offers)
    wanted = st.radio(
        "Model", names, index=names.index(chosen), key=f"model-open-{version}", horizontal=True,
        captions=[markdown_safe(offers[n].reads or "This site's own") for n in names],
        on_change=state.note_press, args=(_PRESS,),
        help="Each has its own clinical fields. A model says nothing about images of another kind.",
    )  # fmt: skip
    if question := offers[chosen].question:
        st.caption(markdown_safe(f"{chosen} gives the probability that {question}."))
    return wanted if state.take_press(_PRESS) and wanted != chosen else None


def case_choice(offers: Mapping[str, Offer], chosen: str, *, version: int, frozen: bool = False) -> str | None:
    """The choice beside an open case.

    Args:
        offers: Bundles by name.
        chosen: Name of the one that reads the case.
        version: Changes when another case is opened.
        frozen: True where the case must be read by this one, as in the tour.

    Returns:
        The name that the reader has just chosen; None where none was: what stands in the box is no wish by itself.
    """
    if len(offers) < 2:
        return None
    names = list(offers)
    wanted = st.selectbox(
        "Model", names, index=names.index(chosen), key=f"model-case-{version}", label_visibility="collapsed",
        width=150, disabled=frozen, on_change=state.note_press, args=(_PRESS,),
        help="The model that reads this case. Another one has other fields: values that it does not know come back "
        "with the model that does, and its answer takes the place of this one's.",
    )  # fmt: skip
    return wanted if state.take_press(_PRESS) and wanted != chosen else None


def viewed_choice(offers: Mapping[str, Offer], chosen: str) -> str:
    """The choice of the bundle that a page about models speaks of; it changes no case.

    Args:
        offers: Bundles by name.
        chosen: Name of the one in use, which the page starts with.

    Returns:
        The name chosen.
    """
    if len(offers) < 2:
        return chosen
    names = list(offers)
    return st.selectbox(
        "Model", names, index=names.index(chosen), key="bundle", bind="query-params",
        help="Which model this page is about. The open case goes on being read by its own.",
    )  # fmt: skip


def say_warnings(name: str, sentences: Sequence[str]) -> None:
    """What must be said above this bundle's answers, and on the pages about it.

    Args:
        name: Its name.
        sentences: See `mmxai_core.results.standing`; nothing is drawn where there are none.
    """
    if sentences:
        st.warning(f"**{markdown_safe(name)}.** {markdown_safe(' '.join(sentences))}", icon=":material/warning:")
