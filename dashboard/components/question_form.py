"""Questions of a study as a form: nothing preselected, "no answer" is an answer, the keyboard is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components.pressing import sent
from mmxai_core.reader_study.case_questions import Question
from mmxai_core.reader_study.questionnaires import Questionnaire, pair_id

#: Value of the choice "No answer".
NO_ANSWER = "no_answer"
#: Sends the form from anywhere on the page.
SHORTCUT = "Ctrl+Enter"


def question_form(
    questions: Sequence[Question], *, key: str, label: str, before: Mapping[str, Any] | None = None,
    closed: bool = False,
) -> dict[str, Any] | None:  # fmt: skip
    """Draws the questions; a region is drawn in the image, so it is not asked here.

    Args:
        questions: From `reading_questions` or `case_questions`.
        key: Identity of this form; a new one is empty.
        label: What the button says.
        before: The reader's own earlier answers by item id, to start from; nothing else is ever preselected.
        closed: True where it cannot be sent yet.

    Returns:
        Entries by item id (None: left open) when the reader sent the form; None while it is not sent.
    """
    known = before or {}
    # A probability stands outside the form: in it, its two controls could not follow one another.
    raw: dict[str, Any] = {
        q.id: _percent(q, key=f"{key}-{q.id}", before=known.get(q.id)) for q in questions if q.kind == "percent"
    }
    with st.form(f"form-{key}", border=False, enter_to_submit=True):
        for question in questions:
            if question.kind not in ("region", "percent"):
                raw[question.id] = _ask(question, key=f"{key}-{question.id}", before=known.get(question.id))
        done = sent(
            label, type="primary", icon=":material/check:", disabled=closed, shortcut=SHORTCUT, key=f"send-{key}"
        )
    return raw if done else None


def _percent(question: Question, *, key: str, before: Any) -> float | None:
    """A number to type, and tens for the mouse: what is done last counts, and both show it."""
    typed, tens = key, f"{key}-tens"
    start = float(before) if isinstance(before, (int, float)) else None
    state.start_widget(typed, start)
    state.start_widget(tens, _ten(start))
    value: float | None = st.number_input(
        f"{question.text}  (0 {question.low}, 100 {question.high})", 0.0, 100.0, None, 5.0, "%g", key=typed,
        placeholder="0 to 100 %", width=420,
        on_change=lambda: state.set_widget(tens, _ten(state.widget(typed))),
    )  # fmt: skip

    def pick() -> None:
        picked = state.widget(tens)
        if picked is None:  # pressed once more: the answer stays, and what is lit shows it
            state.set_widget(tens, _ten(state.widget(typed)))
        else:
            state.set_widget(typed, float(picked))

    st.segmented_control(
        f"{question.text} Tens", list(range(0, 101, 10)), key=tens, label_visibility="collapsed", on_change=pick
    )
    return value


def _ten(value: float | None) -> int | None:
    """The ten that a value is, or None."""
    return int(value) if value is not None and value % 10 == 0 else None


def _ask(question: Question, *, key: str, before: Any) -> Any:
    if question.kind == "likert5":
        words = {1: f"1 {question.low}", 5: f"5 {question.high}", NO_ANSWER: "No answer"}
        options: list[Any] = [1, 2, 3, 4, 5, *([] if question.id == "confidence" else [NO_ANSWER])]
        at = options.index(before) if before in options else None
        return st.radio(
            question.text, options, index=at, horizontal=True, key=key, format_func=lambda v: words.get(v, str(v))
        )
    labels = dict(question.options)
    if question.kind == "category":
        ids = list(labels)
        at = int(before) - 1 if isinstance(before, (int, float)) and 1 <= before <= len(ids) else None
        return st.radio(question.text, ids, index=at, horizontal=True, key=key, format_func=lambda v: labels[v])
    if question.kind == "choices":
        chosen = [c for c in str(before or "").split(";") if c in (*labels, NO_ANSWER)]
        return st.pills(
            question.text, [*labels, NO_ANSWER], selection_mode="multi", default=chosen, key=key,
            format_func=lambda v: labels.get(v, "no answer"),
        )  # fmt: skip
    optional = "" if question.required else " (optional)"
    text = "" if before in (None, NO_ANSWER) else str(before)
    return st.text_area(question.text + optional, text, key=key, height=80, max_chars=4000)


def clean(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Entries as `form_answers` takes them: several choices that include "no answer" are no answer."""
    return {k: NO_ANSWER if isinstance(v, list) and NO_ANSWER in v else v for k, v in raw.items()}


def questionnaire_form(
    questionnaire: Questionnaire, *, key: str
) -> tuple[dict[str, float | None], dict[str, str]] | None:
    """Draws a published questionnaire.

    Args:
        questionnaire: With its wording.
        key: Identity of this form; a new one is empty.

    Returns:
        (answers by item id, choices of a weighted one by `pair_id`) when it was sent; None while it is not sent.
    """
    raw: dict[str, float | None] = {}
    picked: dict[str, str] = {}
    low, high = questionnaire.minimum, questionnaire.maximum
    few = questionnaire.whole and high - low <= 6
    with st.form(f"form-{key}", border=False):
        for number, item in enumerate(questionnaire.items, start=1):
            text = f"{number}. {item.text}"
            if few:
                options = list(range(int(low), int(high) + 1))
                chosen = st.radio(text, options, index=None, horizontal=True, key=f"{key}-{item.id}",
                                  format_func=lambda v, i=item: _end(v, low, high, i))  # fmt: skip
            else:
                chosen = st.number_input(
                    f"{text}  ({low:g} {item.low}, {high:g} {item.high})", float(low), float(high), None, 5.0, "%g",
                    key=f"{key}-{item.id}", placeholder=f"{low:g} to {high:g}", width=640,
                )  # fmt: skip
            raw[item.id] = None if chosen is None else float(chosen)
        if questionnaire.scoring == "weighted":
            st.markdown("**Of each pair, which weighed more in this task?**")
            names = {i.id: i.id.replace("_", " ").capitalize() for i in questionnaire.items}
            columns = st.columns(3)
            for number, (a, b) in enumerate(combinations([i.id for i in questionnaire.items], 2)):
                answer = columns[number // 5].radio(
                    f"{names[a]} or {names[b]}", [a, b], index=None, horizontal=True, key=f"{key}-{a}-{b}",
                    format_func=lambda v: names[v], label_visibility="collapsed",
                )  # fmt: skip
                if answer is not None:
                    picked[pair_id(a, b)] = answer
        st.caption("An item left open is kept as “no answer”; the form then has no score.")
        done = sent("Save and go on", type="primary", icon=":material/check:", shortcut=SHORTCUT, key=f"send-{key}")
    return (raw, picked) if done else None


def _end(value: int, low: float, high: float, item: Any) -> str:
    if value == low:
        return f"{value} {item.low}"
    return f"{value} {item.high}" if value == high else str(value)
