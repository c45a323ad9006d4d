"""One line a case: code, state, probability with its range and set, flags, and what it is."""

from __future__ import annotations

import html
from datetime import UTC, datetime

from dashboard.components.wording import about, percent
from mmxai_core.worklist import Analysed, WorklistCase

#: A sign and a word for each state: colour is never alone.
STATE_WORDS = {
    "new": "○ new", "analysing": "◔ analysing", "analysed": "● analysed", "rated": "✔ rated", "failed": "✖ failed",
}  # fmt: skip
PRIORITY_WORDS = {"urgent": "▲ urgent", "soon": "△ soon", "routine": "routine"}
FLAG_WORDS = {
    "unlike training": "unlike training data", "training image": "trained on this image",
    "abstains": "model abstains", "fields missing": "fields unknown",
}  # fmt: skip
_SOURCES = {"upload": "uploaded", "sample": "sample", "watch": "watched folder", "manifest": "manifest",
            "clinical": "entered"}  # fmt: skip


def header() -> str:
    """Headings of the columns, as HTML."""
    names = ("State", "Priority", "Prediction", "Set and flags", "Study", "Added")
    return f'<div class="mmx-case head">{"".join(f"<span>{n}</span>" for n in names)}</div>'


def row(case: WorklistCase, now: datetime, *, reads: str = "") -> str:
    """One case, as HTML.

    Args:
        case: The case.
        now: The time, UTC.
        reads: Name of the bundle that reads it, where that needs saying.
    """
    cells = (
        f'<span class="state {case.status}">{STATE_WORDS[case.status]}</span>',
        f'<span class="{case.priority}">{PRIORITY_WORDS[case.priority]}</span>',
        f"<span>{_prediction(case)}</span>", f"<span>{_told(case)}</span>",
        f"<span>{html.escape(study_words(case, reads=reads))}</span>", f"<span>{ago(case.added_at, now)}</span>",
    )  # fmt: skip
    return f'<div class="mmx-case" data-case="{case.code}">{"".join(cells)}</div>'


def _prediction(case: WorklistCase) -> str:
    told = case.analysed
    if told is None:
        return html.escape(case.problem) if case.status == "failed" else "not analysed"
    if "unlike training" in told.flags:  # the Case page greys the same number: of another kind of input it says nothing
        return f"<small>not valid for this input <em>({html.escape(prediction_words(told))})</em></small>"
    span = "" if told.low is None or told.high is None else (
        f'<u style="left:{100 * told.low:.1f}%;width:{max(100 * (told.high - told.low), 1):.1f}%"></u>'
    )  # fmt: skip
    bar = (
        f'<div class="mmx-mini" aria-hidden="true"><b style="width:{100 * told.probability:.1f}%"></b>{span}'
        f'<i style="left:{100 * told.threshold:.1f}%"></i></div>'
    )
    older = "" if case.is_current else ' <em title="A value changed after this analysis">· out of date</em>'
    failed = f"<br>{html.escape(case.problem)}" if case.status == "failed" else ""
    return f"{bar}<small>{html.escape(prediction_words(told))}{older}</small>{failed}"


def prediction_words(told: Analysed) -> str:
    """The probability, the class called, if any, and the range that the unknown fields leave.

    The range is the 5th to 95th percentile over what the unknown fields may turn out to be, so the probability of now,
    with them unknown, may lie outside it.
    """
    name, called = (c.replace("_", " ") for c in (told.positive_class, told.predicted_class))
    call = "no call" if {"abstains", "unlike training"} & set(told.flags) else f"called {called}"
    said = f"{name} {percent(told.probability)}, {call}"
    if told.low is None or told.high is None or "fields missing" not in told.flags:
        return said
    low, high = percent(told.low), percent(told.high)
    return f"{said}; {about(told.low) if low == high else f'{low} to {high}'} with every field known"


def _told(case: WorklistCase) -> str:
    told = case.analysed
    if told is None:
        return ""
    kept = " or ".join(c.replace("_", " ") for c in told.set_classes)
    said = [f"{{{html.escape(kept)}}}"] if kept and "unlike training" not in told.flags else []
    said += [f'<b class="mmx-flag">{FLAG_WORDS[f]}</b>' for f in told.flags if f != "fields missing"]
    if "fields missing" in told.flags:
        said.append(f"<small>{FLAG_WORDS['fields missing']}</small>")
    return " ".join(said)


def study_words(case: WorklistCase, *, reads: str = "") -> str:
    """What the study is, in a few words; and which bundle reads it, where that is given."""
    parts = [case.title or _SOURCES[case.source]]
    if case.images:
        parts.append(" ".join(filter(None, (case.modality, f"{case.images} image{'s' if case.images > 1 else ''}"))))
    else:
        parts.append("no image")
    if reads:
        parts.append(f"read by {reads}")
    if case.synthetic:
        parts.append("phantom")
    if case.images and not case.has_pixels:
        parts.append("pixels not kept")
    return " · ".join(parts)


def ago(then: datetime, now: datetime) -> str:
    """How long ago, in words."""
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 24 * 60:
        return f"{minutes // 60} h ago"
    return then.astimezone(UTC).strftime("%d %b %Y")
