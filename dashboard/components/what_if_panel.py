"""What-if: change the fields of this case and see what the model would answer. The case's own values stay."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard.components.charts import chart
from dashboard.components.clinical_form import NOT_KNOWN, answers_of
from dashboard.components.pressing import pressed
from dashboard.messages import markdown_safe, sentence
from mmxai_core.clinical import ClinicalSchema, Field, Value
from mmxai_core.errors import MmxaiError
from mmxai_core.figures.response import response_figure
from mmxai_core.results.what_if import FieldResponse, WhatIfAnswer

#: Height of the list of fields, pixels: with the answer above it, it stays in a 1440 x 900 window.
_HEIGHT = 330


@dataclass(frozen=True)
class WhatIfRequest:
    """What the reader asked for.

    Attributes:
        values: Known values on screen by field id.
        use: True where they shall become the case's own.
        reset: True where the widgets shall go back to the case.
    """

    values: Mapping[str, Value]
    use: bool = False
    reset: bool = False


def seen_range(response: FieldResponse) -> tuple[float, float] | None:
    """The lowest and highest value of a number that training has seen; None for a category, or where none was."""
    seen = [float(p.value) for p in response.points if p.seen and response.kind == "numeric"]
    return (min(seen), max(seen)) if seen else None


def is_seen(response: FieldResponse, value: Value | None) -> bool:
    """Whether training has seen a value; unknown always was."""
    if value is None:
        return True
    span = seen_range(response)
    if span is not None:
        return span[0] <= float(value) <= span[1]
    return next((p.seen for p in response.points if p.value == value), False)


def range_bar(field: Field, response: FieldResponse) -> str:
    """Under a slider: where training has seen values, as HTML; "" for other fields."""
    span = seen_range(response)
    if span is None or field.plausible is None:
        return ""
    low, high = field.plausible
    left, width = ((span[0] - low) / (high - low), (span[1] - span[0]) / (high - low))
    unit = f" {field.unit}" if field.unit else ""
    said = f"Seen in training: {span[0]:g} to {span[1]:g}{unit}; accepted: {low:g} to {high:g}{unit}"
    return (
        f'<div class="mmx-range" role="img" aria-label="{html.escape(said)}"><i style="left:{100 * left:.1f}%;'
        f'width:{100 * width:.1f}%"></i></div><div class="mmx-faint mmx-small">{html.escape(said)}</div>'
    )


def answer_gauge(answer: WhatIfAnswer, before: float) -> str:
    """The changed probability beside the analysed one, on one scale with the threshold, as HTML."""
    p, cut = answer.prediction.probability, answer.prediction.threshold
    name = html.escape(answer.prediction.positive_class.replace("_", " "))
    said = f"Changed: {100 * p:.1f} % {name}; analysed: {100 * before:.1f} %; threshold {100 * cut:.0f} %"
    return (
        f'<div class="mmx-gauge" role="img" aria-label="{said}">'
        f'<b style="left:{100 * p:.1f}%;transform:translateX(-{100 * p:.1f}%)">{100 * p:.1f} % {name}</b>'
        f'<i style="left:{100 * p:.1f}%"></i><i class="cut" style="left:{100 * cut:.1f}%"></i>'
        f'<i class="mmx-before" style="left:{100 * before:.1f}%"></i>'
        f'<em style="left:{100 * before:.1f}%;transform:translateX(-{100 * before:.1f}%)">analysed {100 * before:.1f} %'
        "</em></div>"
    )


def what_if_panel(
    schema: ClinicalSchema, ask: Callable[[Mapping[str, Value | None], bool], WhatIfAnswer],
    responses: Mapping[str, FieldResponse], *, own: Mapping[str, Value], start: Mapping[str, Value], before: float,
    has_image: bool, version: str,
) -> WhatIfRequest:  # fmt: skip
    """Answer above, fields below, the curve of one field at the foot.

    Args:
        schema: The bundle's fields.
        ask: Answers (raw values by field id, whether the image is taken away).
        responses: By field id, this case's answer over all its values.
        own: The case's values.
        start: What the widgets start from: the case's values, or a change to try.
        before: The analysed probability of the positive class.
        has_image: Whether there is an image to take away.
        version: Changes when the widgets must forget what they hold, which they do not when the reader leaves the page.
    """
    place = st.container(key="what-if-answer")
    values: dict[str, Value] = {}
    with st.container(height=_HEIGHT, border=True, key="what-if-fields"):
        use_image = True
        if has_image:
            use_image = st.toggle("Use the image", value=True, key=f"what-if-image-{version}", persist_state="session")
        for row in _rows(schema):
            for column, field in zip(st.columns(len(row) if row[0].kind == "numeric" else 2), row, strict=False):
                with column:
                    value = _widget(field, start.get(field.id), responses[field.id], version)
                if value is not None:
                    values[field.id] = value
    moved = [f for f in schema.fields if values.get(f.id) != own.get(f.id)]
    with place:
        _answer(ask, schema, values, own=own, before=before, use_image=use_image, responses=responses)
        left, right = st.columns(2)
        reset = pressed(
            "Reset to the case", place=left, key="what-if-reset", disabled=not moved and use_image,
            icon=":material/undo:", width="stretch",
        )  # fmt: skip
        use = pressed(
            "Use these values", place=right, key="what-if-use", disabled=not moved, icon=":material/check:",
            width="stretch",
            help="Makes them the case's own values; until then nothing of the case changes. Undo is on the Case page.",
        )  # fmt: skip
    ids = [f.id for f in schema.fields]
    shown = st.selectbox(
        "How the answer runs with", ids, index=ids.index(moved[-1].id) if moved else 0,
        format_func=lambda i: schema[i].label, key=f"what-if-curve-{version}-{moved[-1].id if moved else ''}",
        persist_state="session",
    )  # fmt: skip
    chart(
        response_figure(responses[shown]), key="response", alt=f"Probability over all values of {schema[shown].label}"
    )
    st.caption(responses[shown].semantics + " Dotted or hatched: not, or hardly, seen in training.")
    return WhatIfRequest(values, use, reset)


def _rows(schema: ClinicalSchema) -> list[list[Field]]:
    """Numbers on a row of their own, the others two a row, in the schema's order."""
    rows: list[list[Field]] = []
    for field in schema.fields:
        if field.kind != "numeric" and rows and len(rows[-1]) == 1 and rows[-1][0].kind != "numeric":
            rows[-1].append(field)
        else:
            rows.append([field])
    return rows


def _answer(
    ask: Callable[[Mapping[str, Value | None], bool], WhatIfAnswer], schema: ClinicalSchema,
    values: Mapping[str, Value], *, own: Mapping[str, Value], before: float, use_image: bool,
    responses: Mapping[str, FieldResponse],
) -> None:  # fmt: skip
    try:
        answer = ask({i: values.get(i) for i in schema.ids}, not use_image)
    except MmxaiError as error:
        st.warning(markdown_safe(sentence(error)), icon=":material/warning:")
        return
    st.html(answer_gauge(answer, before))
    changes = [f"{c.label}: {c.before} → {c.after}" for c in answer.changes]
    changes += ["image taken away"] if answer.without_image else []
    if not changes:
        st.markdown("As analysed. Change a field below; the case itself stays as it is.")
        return
    mark = ":orange-badge[decision turns]" if answer.turns_decision else ":gray-badge[decision stays]"
    st.markdown(f"**{markdown_safe(answer.sentence)}** {mark}  \n{markdown_safe('; '.join(changes))}")
    unseen = [schema[i].label for i in schema.ids if i in values and not is_seen(responses[i], values[i])]
    unseen = [u for u in unseen if u in {c.label for c in answer.changes}]
    if unseen:
        st.caption(
            f":orange[Hardly seen in training: {markdown_safe(', '.join(unseen))}. The answer is a guess there.]"
        )


def _widget(field: Field, start: Value | None, response: FieldResponse, version: str) -> Value | None:
    key = f"what-if-{version}-{field.id}"
    label = markdown_safe(field.label + (f" ({field.unit})" if field.unit else ""))
    if field.kind == "yes_no":
        first = "unknown" if start is None else "yes" if start else "no"
        raw = st.segmented_control(
            label, list(answers_of(field)), default=first, required=True, format_func=answers_of(field).__getitem__,
            key=key, persist_state="session",
        )  # fmt: skip
        return None if raw == "unknown" else raw == "yes"
    if field.kind == "numeric":
        assert field.plausible is not None
        low, high = field.plausible
        span = seen_range(response) or (low, high)
        step = 1.0 if high - low >= 20 else round((high - low) / 100, 6)
        one, two = st.columns([2, 7], vertical_alignment="center")
        known = one.toggle(
            "Known", value=start is not None, key=f"{key}-known", persist_state="session",
            help=f"{field.label}: known or unknown",
        )  # fmt: skip
        with two:
            middle = round((span[0] + span[1]) / 2 / step) * step
            at = st.slider(
                label, float(low), float(high), float(middle if start is None else start), step, "%g", key=key,
                disabled=not known, persist_state="session",
            )  # fmt: skip
            st.html(range_bar(field, response))
        return float(at) if known else None
    ids = [NOT_KNOWN, *field.category_ids]
    names = {NOT_KNOWN: "Unknown", **dict(field.categories)}
    seen = {str(p.value): p.seen for p in response.points}
    chosen = st.selectbox(
        label, ids, index=0 if start is None else ids.index(str(start)), key=key, persist_state="session",
        format_func=lambda c: names.get(c, c) + ("" if seen.get(c, True) else " (hardly seen in training)"),
    )  # fmt: skip
    return chosen or None
