"""The clinical form, made from the bundle's schema. Unknown is the default of every field, and one click away."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.clinical import ClinicalSchema, Field, FieldGroup, Value
from mmxai_core.errors import ClinicalValueError

TITLES: dict[FieldGroup, tuple[str, str]] = {
    "history": ("History", "What the patient reports or is known to have."),
    "descriptor": ("Description of the image", "A reader's own description, in BI-RADS terms."),
    "assessment": ("Assessment", "The reader's conclusion from the same image: it is not independent of it."),
}
#: Pixels; holds the three answers of a yes/no field side by side.
FIELD_WIDTH = 190
#: With more prefilled fields than this, the line above the form says it once for all.
BADGES = 4
_UNKNOWN = "Unknown"
#: First option of a choice: Streamlit's own clear button is there only while a field starts empty. No category has it.
NOT_KNOWN = ""


def help_text(field: Field) -> str:
    """Help with plausible range, unit, and the usual range of the training data."""
    parts = [field.help]
    unit = f" {field.unit}" if field.unit else ""
    if field.plausible:
        parts.append(f"Accepted: {field.plausible[0]:g} to {field.plausible[1]:g}{unit}.")
    if field.fences:
        lo, hi = field.usual
        parts.append(
            f"Usual by the 1.5 IQR rule of the training data: {lo:g} to {hi:g}{unit}; "
            "the training cases need not reach its ends."
        )
    return " ".join(p for p in parts if p)


def outlier_note(field: Field, value: Value | None) -> str:
    """A sentence where a value lies beyond the IQR fences, else ""."""
    if field.kind != "numeric" or value is None or field.fences is None:
        return ""
    if field.fences[0] <= float(value) <= field.fences[1]:
        return ""
    lo, hi = field.usual
    unit = f" {field.unit}" if field.unit else ""
    near = min(max(float(value), lo), hi)
    about = "" if near in field.scale else "about "  # its end is no whole number
    return f"Unusual: outside {lo:g} to {hi:g}{unit} (1.5 IQR rule); the model reads it as {about}{near:g}{unit}."


def label_of(field: Field) -> str:
    """The field's name with its unit and its usual range. A screen reader is given it as it stands: plain words only.

    Args:
        field: The field.
    """
    label = markdown_safe(field.label + (f" ({field.unit})" if field.unit else ""))
    if field.kind == "numeric":
        label += f" · usual {field.usual[0]:g} to {field.usual[1]:g}"
    return label


def answers_of(field: Field) -> dict[str, str]:
    """The three answers of a yes/no field, as they are shown.

    Args:
        field: A yes/no field.
    """
    return {"unknown": _UNKNOWN} | field.answers


def is_changed(
    field_id: str, value: Value | None, initial: Mapping[str, Value], analysed: Mapping[str, Value] | None
) -> bool:
    """Whether a value is another one than the file, the sample or the analysis on hand had. A first one is not.

    Args:
        field_id: The field.
        value: Its value now, or None.
        initial: The values that the file or the sample gave.
        analysed: The values that the answer on hand was computed from; None: there is none.
    """
    if analysed is not None and value != analysed.get(field_id):
        return True
    return field_id in initial and value != initial[field_id]


def mark_of(
    field: Field, value: Value | None, prefilled: Mapping[str, str], initial: Mapping[str, Value],
    analysed: Mapping[str, Value] | None = None,
) -> str:  # fmt: skip
    """A mark that a field's value was changed or entered, or on where it came from, as Markdown; "" for none.

    Args:
        field: The field.
        value: Its value now, or None.
        prefilled: Where a prefilled value came from, by field id.
        initial: The values that the file or the sample gave.
        analysed: The values that the answer on hand was computed from; None: there is none.
    """
    if is_changed(field.id, value, initial, analysed):
        return ":orange-badge[changed]"
    if value is not None and field.id not in initial:
        return ":gray-badge[entered]"
    if field.id in prefilled and value is not None and len(prefilled) <= BADGES:
        return f":blue-badge[{markdown_safe(prefilled[field.id])}]"
    return ""


def changes(
    values: Mapping[str, Value], prefilled: Mapping[str, str], initial: Mapping[str, Value],
    analysed: Mapping[str, Value] | None = None,
) -> str:  # fmt: skip
    """How many values were prefilled, how many entered and how many are changed, in a few words.

    Args:
        values: Known values now.
        prefilled: Where a prefilled value came from, by field id.
        initial: The values that the file or the sample gave.
        analysed: The values that the answer on hand was computed from; None: there is none.
    """
    asked = {*values, *initial, *(analysed or {})}
    changed = {k for k in asked if is_changed(k, values.get(k), initial, analysed)}
    entered = len(values.keys() - initial.keys() - changed)
    listed = prefilled.keys() if len(prefilled) > BADGES else set[str]()
    said = [f"{n} {what}" for n, what in ((entered, "entered"), (len(changed - listed), "changed")) if n]
    if listed:
        origins = list(dict.fromkeys(prefilled.values()))
        of_them = f" ({n} of them changed)" if (n := len(changed & listed)) else ""
        said.insert(0, f"{len(prefilled)} values {' and '.join(origins)}{of_them}")
    return ", ".join(said)


def clinical_form(
    schema: ClinicalSchema, values: Mapping[str, Value], prefilled: Mapping[str, str], *,
    initial: Mapping[str, Value], version: int, analysed: Mapping[str, Value] | None = None,
) -> tuple[dict[str, Value], list[str]]:  # fmt: skip
    """Draws the form.

    Args:
        schema: The bundle's fields.
        values: Known values to start from.
        prefilled: Where a prefilled value came from, by field id.
        initial: The values that the file or the sample gave; a field that differs is marked.
        version: Changes when the widgets must forget what they hold.
        analysed: The values that the answer on hand was computed from, None without one; a field that differs is
            marked too.

    Returns:
        (known values by field id, one sentence for each value that breaks its field's rule: such a field keeps the
        value that it starts from).
    """
    known: dict[str, Value] = {}
    problems: list[str] = []
    for group, (title, explanation) in TITLES.items():
        fields = [f for f in schema.fields if f.group == group]
        if not fields:
            continue
        known_here = sum(f.id in values for f in fields)
        st.markdown(f"**{title}** · {known_here} of {len(fields)} known", help=explanation)
        # Wraps by itself: three in a row on a wide screen, two on a narrow one.
        with st.container(horizontal=True, gap="small", key=f"fields-{group}"):
            for field in fields:
                with st.container(width=FIELD_WIDTH, gap="xxsmall"):
                    try:
                        value = _field(field, values.get(field.id), version)
                    except ClinicalValueError as error:
                        problems.append(str(error))
                        st.caption(f":red[{markdown_safe(str(error))}]")
                        if field.id in values:
                            known[field.id] = values[field.id]
                        continue
                    if value is not None:
                        known[field.id] = value
                    if mark := mark_of(field, value, prefilled, initial, analysed):
                        st.markdown(mark)  # not a caption: it would pale the mark
                    note = outlier_note(field, value)
                    if note:
                        st.caption(f":orange[{markdown_safe(note)}]")
    return known, problems


def _field(field: Field, value: Value | None, version: int) -> Value | None:
    key, label = f"field-{version}-{field.id}", label_of(field)
    if field.kind == "yes_no":
        start = "unknown" if value is None else "yes" if value else "no"
        raw: object = st.segmented_control(
            label, list(answers_of(field)), default=start, required=True, format_func=answers_of(field).__getitem__,
            key=key, help=help_text(field) or None,
        )  # fmt: skip
        return field.parse(raw)
    if field.kind == "numeric":
        # No limits on the widget itself: the schema judges, and says why.
        raw = st.number_input(
            label, value=None if value is None else float(value), placeholder="Unknown", format="%g", step=1.0,
            key=key, help=help_text(field) or None,
        )  # fmt: skip
        return field.parse(raw)
    ids = [NOT_KNOWN, *field.category_ids]
    shown = {NOT_KNOWN: _UNKNOWN, **dict(field.categories)}
    raw = st.selectbox(
        label, ids, index=0 if value is None else ids.index(str(value)), format_func=lambda c: shown.get(c, c),
        key=key, help=help_text(field) or None,
    )  # fmt: skip
    return field.parse(raw)
