"""The prediction: probability in number and words, threshold, branch weights, and what it rests on."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.components.base_rate import BaseRate
from dashboard.components.gauge import gauge
from dashboard.components.input_words import NOT_VALID, check_sentences, stated
from dashboard.components.second_look import mark_told
from dashboard.components.wording import cases_told, names, percent
from dashboard.messages import markdown_safe
from mmxai_core.clinical import ClinicalSchema
from mmxai_core.model.glance import MISSED
from mmxai_core.results import FirstAnswer, InputCheck, Prediction, PredictionSet, Unmarked
from mmxai_core.results.typography import listed

#: More unknown fields than this are listed in the tooltip only.
LISTED = 9
#: What does not hold is grey, and still readable.
PALE = "opacity:0.8; filter:grayscale(1)"


def branches(prediction: Prediction) -> str:
    """How the fusion weighed the two branches, as HTML."""
    image, clinical = (prediction.branch_weights.get(b, 0.0) for b in ("image", "clinical"))
    return (
        f'<div class="mmx-row" role="img" aria-label="Image {percent(image)}, clinical {percent(clinical)}">'
        f'<span>Weight of the image {percent(image)}</span><div class="mmx-split">'
        f'<div style="width:{100 * image:.1f}%"></div><div style="width:{100 * clinical:.1f}%"></div></div>'
        f"<span>of the clinical data {percent(clinical)}</span></div>"
    )


def basis(prediction: Prediction, schema: ClinicalSchema, check: InputCheck | None = None) -> str:
    """What the prediction rests on, in a few sentences.

    Args:
        prediction: The prediction.
        schema: The bundle's fields.
        check: Of its input; that it was passed is said too.
    """
    unknown, known = prediction.unknown_fields, len(prediction.known_fields)
    said = [f"{known} of {known + len(unknown)} clinical fields known."]
    if 0 < len(unknown) <= LISTED:
        said.append(f"Unknown: {names(schema, unknown)}.")
    looks = {"model": "Second look: the region the model found.", "reader": "Second look: the region you marked."}
    said += [looks[prediction.lesion_box_source]] if prediction.lesion_box_source in looks else []
    said += prediction.notes
    if check is not None and not check.flagged:
        noted = bool(check.findings) or any(i.findings for i in check.images)
        how = "" if check.measured else " (plain rules only)"
        said.append(f"Input check passed{how}{', with the remarks above' if noted else ''}.")
    v = prediction.versions
    return " ".join([*said, f"{v.bundle} {v.bundle_sha256[:8]}, calibrated, on {v.device}."])


def scores(prediction: Prediction) -> str:
    """One bar an image of the study, the deciding one marked, as HTML; "" for a single image."""
    if len(prediction.image_scores) < 2:
        return ""
    bars = "".join(
        f'<div class="{"top" if s.index == prediction.image_index else ""}"'
        f' style="height:{max(3, 100 * s.probability):.0f}%"'
        f' title="{html.escape(s.label)}: {percent(s.probability)}"></div>'
        for s in prediction.image_scores
    )
    deciding = next((s for s in prediction.image_scores if s.index == prediction.image_index), None)
    caption = f"{len(prediction.image_scores)} images; “{html.escape(deciding.label)}” decides" if deciding else ""
    return (
        f'<div class="mmx-scores" role="img" aria-label="{caption}">{bars}</div><div class="mmx-faint">{caption}</div>'
    )


def calibration(results: Mapping[str, Any], first: FirstAnswer, *, schema: ClinicalSchema) -> str:
    """How far stated and observed shares lay apart in the bundle's own cross-validation; "" where it was not measured.

    It follows `frequency`. The cases measured knew what they have of every group of the level, which one field known
    is enough to reach: how many are known here is said with it.

    Args:
        results: The bundle's results.json.
        first: The answer; its level of known fields chooses the row.
        schema: The bundle's fields.
    """
    measured = results.get("cross_validation", {})
    level = first.prediction_set.level
    branch = "fused" if first.prediction.image_index is not None else "clinical"
    try:
        error = float(measured["models"][f"{branch}|{level}"]["ece"]["value"])
        cases = cases_told(int(measured["n"]), measured.get("patients"))
    except (KeyError, TypeError, ValueError):
        return ""
    groups = () if level == "image" else tuple(level.split("+"))
    fields = [f.id for f in schema.fields if f.group in groups]
    known = sum(i in first.prediction.known_fields for i in fields)
    told = f"their {listed(groups)} fields" if groups else "no clinical field"
    here = f" (here {known} of {len(fields)})" if known < len(fields) else ""
    return (
        f"Such shares were off by {100 * error:.0f} points on average in cross-validation on {cases} with {told} "
        f"known{here}."
    )


def frequency(prediction: Prediction) -> str:
    """The probability as a share of a hundred cases."""
    n, name = round(100 * prediction.probability), prediction.positive_class.replace("_", " ")
    return f"Of 100 cases with this number, about {n} are {name}."


def no_result(sentence: str) -> None:
    """What stands where the result will be."""
    st.html(f'<div class="mmx-empty">{html.escape(sentence)}</div>')


def result_panel(
    prediction: Prediction, schema: ClinicalSchema, *, stale: bool, explained: bool = True,
    check: InputCheck | None = None, prediction_set: PredictionSet | None = None, calibrated: str = "",
    base: BaseRate | None = None, seconds: float | None = None, left_open: str = "", stopped: str = "",
    own: Unmarked | None = None,
) -> None:  # fmt: skip
    """Shows a prediction.

    Args:
        prediction: The prediction.
        schema: The bundle's fields.
        stale: True where a field or the study changed since.
        explained: True where its explanation is ready.
        check: Whether this is the model's kind of input; said before the prediction where it is not.
        prediction_set: The classes that cannot be ruled out.
        calibrated: From `calibration`, or "".
        base: The bundle's base rate; None: not known.
        seconds: What the whole analysis took, where it has ended.
        left_open: What the unknown fields leave open, or that it is still being computed; its line is kept for it.
        stopped: What Cancel left, or ""; said in the place of the time.
        own: What the model says without the reader's mark.
    """
    valid = check is None or not check.flagged  # coverage is promised for the model's kind of input only
    if check is not None and not valid:
        st.warning(markdown_safe(" ".join((f"{NOT_VALID}.", *check_sentences(check)))), icon=":material/warning:")
    if stale:
        st.warning("Out of date: something changed after this analysis. Analyse again.", icon=":material/history:")
    look = "" if valid and not stale else PALE
    said = html.escape(stated(prediction, check, prediction_set))
    st.html(
        f'<div class="mmx-strip" data-testid="result" style="{look}">'
        f'<div class="mmx-verdict">{said}</div>{gauge(prediction, base)}</div>'
    )
    if marked := mark_told(prediction, own):
        far = own is not None and own.overlap < MISSED
        st.caption(f":orange[{markdown_safe(marked)}]" if far else markdown_safe(marked))
    if prediction.known_fields and prediction.image_index is not None:
        st.html(branches(prediction))
    strip = scores(prediction)
    if strip:
        st.html(strip)
    kept = valid and prediction_set is not None and prediction_set.outcome != "not_calibrated"
    lines = [prediction_set.sentence] if kept and prediction_set is not None else []
    if lines := [*lines, left_open] if left_open and valid else lines:
        st.markdown("  \n".join(map(markdown_safe, lines)))  # one paragraph: a second one would cost a gap
    if valid and calibrated:
        st.caption(f"{frequency(prediction)} {calibrated}")
    if check is not None and not check.flagged and any(i.findings for i in check.images) | bool(check.findings):
        st.caption(f":orange[{markdown_safe(' '.join(check_sentences(check)[1:]))}]")
    unknown = prediction.unknown_fields
    took = "" if seconds is None else f" Analysed in {seconds:.1f} s."
    took = f" :orange[{markdown_safe(stopped)}]" if stopped else markdown_safe(took)
    st.caption(
        markdown_safe(basis(prediction, schema, check))
        + (took if explained else " :blue[Explanation still being computed.]"),
        help=f"Unknown: {names(schema, unknown)}" if len(unknown) > LISTED else None,
    )
