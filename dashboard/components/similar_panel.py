"""The groups of training cases that lie nearest, and the nearest cases of a cohort on disk."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from dashboard.components.input_words import NOT_VALID
from dashboard.components.still import SMALL, still
from dashboard.messages import markdown_safe
from mmxai_core.results import InputCheck
from mmxai_core.results.similar import SimilarCase, SimilarCases, SimilarGroup, SimilarGroups

_COLOURS = ("#4a9fd8", "#d55e00", "#93a1b0", "#b08cc2")


def outcome_bar(outcomes: Mapping[str, int], positive: str) -> str:
    """How the cases of a group ended, as HTML: a bar with its numbers in words."""
    names = sorted(outcomes, key=lambda c: c == positive)
    said = ", ".join(f"{outcomes[c]} {c.replace('_', ' ')}" for c in names)
    parts = "".join(
        f'<div style="flex:{outcomes[c]};background:{_COLOURS[1 if c == positive else 0]}"></div>' for c in names
    )
    bar = f'<div class="mmx-outcome" role="img" aria-label="{html.escape(said)}">{parts}</div>'
    return f"{bar}<div><b>{html.escape(said)}</b></div>"


def group_rows(group: SimilarGroup) -> str:
    """The fields of a group against those of the case, as an HTML table; the alike ones are ticked."""
    marks = {True: ("✓", "as in this case"), False: ("✗", "not as in this case"), None: ("", "unknown in this case")}
    rows = "".join(
        f"<tr><td>{html.escape(f.label)}</td><td>{html.escape(f.text)}</td>"
        f'<td title="{marks[f.agrees][1]}">{marks[f.agrees][0]}</td></tr>'
        for f in group.fields
    )
    return f'<table class="mmx-table"><tbody>{rows}</tbody></table>'


def alike_of(group: SimilarGroup) -> str:
    """How many of the case's known values are as in a group, in words."""
    told = sum(f.agrees is not None for f in group.fields)
    if not told:
        return "No value is known to compare"
    return f"{sum(f.agrees is True for f in group.fields)} of {told} known values are alike"


def unlike_input(check: InputCheck | None) -> str:
    """The reserve under which nearness stands where the input is not the model's kind; "" where it is.

    Args:
        check: The check of the input, or None.
    """
    if check is None or not check.flagged:
        return ""
    rules = {f.rule for image in check.images for f in image.findings}
    how = (
        "unlike the images the model learned from" if "unlike training images" in rules
        else "not the model's kind of input"
    )  # fmt: skip
    return (
        f"{NOT_VALID}: this study is {how}. The model maps any input near some of its training cases, so nearness "
        "below is no sign that this case is like them."
    )


def groups_panel(
    similar: SimilarGroups | None, *, positive: str, running: bool, check: InputCheck | None = None
) -> None:  # fmt: skip
    """The nearest groups side by side.

    Args:
        similar: From the explanation, or None.
        positive: The positive class.
        running: True while parts are still being computed.
        check: The check of the input: where it does not let a reading stand, this is said first, and nothing is bold.
    """
    if reserve := unlike_input(check):
        st.warning(markdown_safe(reserve), icon=":material/warning:")
    if similar is None:
        st.info(
            "Comes at the end of the analysis." if running
            else "This bundle carries no groups of training cases, or the analysis was stopped before them.",
            icon=":material/info:",
        )  # fmt: skip
        return
    said = markdown_safe(similar.sentence)
    said = f":gray[By the model's own measure: {said[:1].lower()}{said[1:]}]" if reserve else f"**{said}**"
    st.markdown(f"{said} :gray[Compared on {similar.level}.]")
    for number, (column, group) in enumerate(zip(st.columns(len(similar.groups)), similar.groups, strict=True), 1):
        with column, st.container(border=True):
            near = "this case lies within it" if group.inside else "this case lies outside it"
            st.markdown(
                f"**Group {number}: {group.cases} cases**  \nDistance {group.distance:.2f}, {near}",
                help="1 is the distance from the group's centre within which nine in ten of its own cases lie.",
            )
            st.html(outcome_bar(group.outcomes, positive))
            if group.fields:
                with st.expander(alike_of(group)):
                    st.html(group_rows(group))
    st.caption(similar.semantics)


def seen_before(found: SimilarCases) -> str:
    """What the model may have learned from already: the open case, or those like it; "" where it learned from none.

    Args:
        found: From `mmxai_core.evaluation.similar_cases`.
    """
    if not found.trained:
        return ""
    if found.own_case:
        return (
            f"This case is in the cohort that the model learned from ({found.own_case}): its prediction is no test of "
            "the model, and the cases below may be training cases too."
        )
    return (
        "The model learned from this cohort: each case below may be one of its training cases, so that its outcome is "
        "no independent evidence."
    )


def unlike(case: SimilarCase, own: Mapping[str, str]) -> list[str]:
    """What a case has otherwise than the open one, with the open one's value: how far apart they are is the reader's.

    Args:
        case: A near case.
        own: Values of the open case in words, by field label.
    """
    return [f"{label}: {value}, here {own[label]}" for label, value in case.fields if own.get(label, value) != value]


def cases_panel(found: SimilarCases, *, own: Mapping[str, str], positive: str) -> None:
    """The nearest cases with their images.

    Args:
        found: From `mmxai_core.evaluation.similar_cases`.
        own: Values of this case in words, by field label.
        positive: The positive class.
    """
    if not found.cases:
        st.info("No other case was found in this cohort.", icon=":material/info:")
        return
    if said := seen_before(found):
        st.warning(markdown_safe(said), icon=":material/school:")
    training = ", may be a training case" if found.trained else ""
    for column, case in zip(st.columns(len(found.cases)), found.cases, strict=True):
        with column:
            outcome = case.outcome.replace("_", " ")
            still(case.image, side=SMALL, alt=f"Case {case.case_id}, {outcome}")
            colour = "orange" if case.outcome == positive else "blue"
            st.markdown(
                f":{colour}-badge[{outcome}] distance {case.distance:.2f}  \n"
                f":gray[{markdown_safe(case.case_id)}{training}]"
            )
            alike = [label for label, value in case.fields if own.get(label) == value]
            if alike:
                st.caption(f"Alike: {markdown_safe(', '.join(alike))}")
            if other := unlike(case, own):
                st.caption(f"Unlike: {markdown_safe('; '.join(other))}")
    st.caption(f"{found.searched} cases compared. {found.semantics}")
