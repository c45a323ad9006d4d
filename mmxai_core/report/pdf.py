"""The report of one case: one A4 page of vector text and embedded pictures, the same bytes for the same inputs."""

from __future__ import annotations

import math

from mmxai_core.report.case import ReportCase
from mmxai_core.report.check_names import quoted_name
from mmxai_core.report.checks import checks
from mmxai_core.report.page import FAINT, HEIGHT, INK, MARGIN, WIDTH, Page
from mmxai_core.report.pdf_charts import attention, chart_rows, waterfall
from mmxai_core.report.pdf_picture import highest, pictures
from mmxai_core.report.pdf_strip import StripLayout, strip
from mmxai_core.report.summary import Summary, summarise
from mmxai_core.report.wording import class_name, measured_against, percent, verdict
from mmxai_core.results import PredictionSet
from mmxai_core.results.typography import listed

_WIDE = WIDTH - 2 * MARGIN
#: Most clinical fields in the table.
_MOST_FIELDS = 40
_WRONG = (158, 42, 0)
#: mm from the top of the page, and of a heading with its rule.
_FOOT, _HEADING = 266.0, 5.2
#: mm of what must be said beside any answer of the bundle.
_WARNED = 7.4
#: mm of a row of a chart, at most and where there is room to spare; of a chart's title and words; of both charts, most.
_ROW, _LOOSE, _WORDS, _CHARTS = 4.2, 5.0, 14.0, 62.0


def report_pdf(case: ReportCase) -> bytes:
    """The report as PDF; always one page.

    Args:
        case: What to report.
    """
    page = Page(title="MMXAI explanation report", made_at=case.analysed_at)
    summary, made = summarise(case.explanation, case.labels, check_name=quoted_name), checks(case.explanation)
    _header(page, case)
    below, lower = _result(page, case, 20.5), _WARNED if case.warnings else 0.0
    below = _summary(page, summary, min(below + 1.5, 39.0 + lower))
    # What tables and words leave free goes to the evidence, and there to the pictures.
    values = _FOOT - _HEADING - _rows(_cells(case))[1] - 1.2
    layout = StripLayout.of(page, made)
    trust = values - _HEADING - layout.tall
    _evidence(page, case, min(below + 2.5, 67.5 + lower), end=trust - 1.5)
    strip(page, made, layout, trust)
    _values(page, case, values)
    _foot(page, case, summary, _FOOT)
    return bytes(page.output())


def _header(page: Page, case: ReportCase) -> None:
    page.one_line("Explained prediction", MARGIN, 12.6, 60, size=13, bold=True)
    when = f"{case.analysed_at:%Y-%m-%d %H:%M} {case.analysed_at.tzname() or 'local time'}"
    made_up = "Synthetic phantom, not a patient  ·  " if case.study is not None and case.study.synthetic else ""
    page.one_line(
        f"{made_up}Case {case.code}  ·  {when}", MARGIN + 62, 13.6, _WIDE - 62, size=8, align="R", colour=FAINT
    )


def _result(page: Page, case: ReportCase, y: float) -> float:
    """The answer, its set and its calibration; on an input of the wrong kind, that first. Returns where it ends."""
    explanation, prediction = case.explanation, case.explanation.prediction
    check = explanation.input_check
    flagged = check is not None and check.flagged
    head = check.sentence if check is not None and flagged else verdict(prediction, explanation.prediction_set)
    page.one_line(head, MARGIN, y, _WIDE, size=10.5, bold=True, colour=_WRONG if flagged else INK)
    if case.warnings:  # before anything that could be taken for a reason to believe it
        page.block(" ".join(case.warnings), MARGIN, y + 5.4, _WIDE, _WARNED - 0.6, size=7.4, bold=True, colour=_WRONG)
        y += _WARNED
    gate = prediction.branch_weights
    parts = [measured_against(prediction)] if flagged else [_set_in_words(explanation.prediction_set)]
    if prediction.image_index is not None and prediction.known_fields:
        parts.append(f"Branch weights: image {percent(gate['image'])}, clinical data {percent(gate['clinical'])}.")
    parts += [f"Calibrated: {case.calibration}." if case.calibration else ""]
    parts += list(prediction.notes)
    return page.block(" ".join(p for p in parts if p), MARGIN, y + 5.4, _WIDE, 12.6, size=7.4)


def _set_in_words(kept: PredictionSet | None) -> str:
    """The prediction set with what it was calibrated on and what was measured."""
    if kept is None:
        return "The classes that cannot be ruled out were not computed."
    text = kept.sentence
    if kept.by_class:
        measured = [
            f"{c} {percent(e.measured)} ({percent(e.low)} to {percent(e.high)})"
            for c, e in kept.by_class.items()
            if e.measured is not None and e.low is not None and e.high is not None
        ]
        if measured:
            text += f" True class kept when measured: {listed(measured)}."
        text += f" Calibrated for known fields: {kept.level.replace('+', ', ')}; from {kept.computed_from}."
    return text


def _summary(page: Page, summary: Summary, y: float) -> float:
    top = page.heading("Summary", MARGIN, y, _WIDE)
    return page.block(summary.text, MARGIN, top, _WIDE, 22.5, size=8.2)


def _evidence(page: Page, case: ReportCase, y: float, *, end: float) -> None:
    """Pictures above; waterfall and attention below, as high as their rows need: the rest is the pictures'."""
    explanation, image = case.explanation, case.image
    top = page.heading("Evidence", MARGIN, y, _WIDE)
    below, rows = top, chart_rows(case.account, explanation.cross_modal)
    if image is None:
        page.one_line("No image was given: there is no map.", MARGIN, top, _WIDE, size=7.4)
        below += 6
    else:
        free = end - top - 1 - min(_CHARTS, _WORDS + _ROW * rows)
        tall = min(free, highest(image, _WIDE))
        pictures(page, image, explanation, (MARGIN, top, _WIDE, tall))
        below += tall + 1
    left, gap = 106.0, 6.0
    tall = min(end - below, _WORDS + _LOOSE * rows) - 4
    title = f"What each input contributed to {class_name(explanation.target_class)}"
    page.one_line(title, MARGIN, below, left, size=7, bold=True)
    waterfall(
        page, case.account, case.labels, explanation.target_class, (MARGIN, below + 4, left, tall), note=_split(case)
    )
    right = _WIDE - left - gap
    page.one_line("What the image asks of the fields", MARGIN + left + gap, below, right, size=7, bold=True)
    labels = {f.id: f.label for f in case.schema.fields}
    attention(page, explanation.cross_modal, labels, (MARGIN + left + gap, below + 4, right, tall))


def _split(case: ReportCase) -> str:
    """How the contributions count the image, where the checks and the summary count it otherwise."""
    if not case.split:
        return ""
    return f"The image is split into {listed(case.split)}; the checks and the summary count it as one input."


def _classes(case: ReportCase) -> dict[str, str]:
    """Which class the map and the contributions are about: these may be two."""
    explanation, told = case.explanation, {}
    if explanation.saliency is not None:
        told["map"] = f"{explanation.saliency.method} for {class_name(explanation.saliency.target_class)}"
    told["contributions"] = f"to {class_name(explanation.target_class)}"
    if case.image is not None:
        told["image in the contributions"] = listed(case.split) if case.split else "one input"
    return told


def _cells(case: ReportCase) -> list[tuple[str, str, bool]]:
    """(label, value, known) of every clinical field; unknown as unknown."""
    fields = case.schema.fields
    shown = list(fields)
    if len(shown) > _MOST_FIELDS:  # the known ones first: they moved the number
        shown = sorted(shown, key=lambda f: f.id not in case.record.values)[: _MOST_FIELDS - 1]
    cells = [(f.label, f.describe(case.record.get(f.id)), f.id in case.record.values) for f in shown]
    if len(fields) > len(shown):
        cells.append((f"and {len(fields) - len(shown)} more", "see explanation.json", False))
    return cells


def _rows(cells: list[tuple[str, str, bool]]) -> tuple[int, float]:
    """How many rows the fields take, and the mm of them all."""
    rows = math.ceil(len(cells) / (3 if len(cells) <= 24 else 4))
    return rows, min(3.8 * rows, 18.6) if cells else 4.0


def _values(page: Page, case: ReportCase, y: float) -> None:
    """The clinical fields."""
    fields, cells = case.schema.fields, _cells(case)
    known = sum(f.id in case.record.values for f in fields)
    top = page.heading(f"Clinical data ({known} of {len(fields)} known)", MARGIN, y, _WIDE)
    if not cells:
        page.one_line("This model takes no clinical field.", MARGIN, top, _WIDE, size=7)
        return
    columns = 3 if len(cells) <= 24 else 4
    rows, high = _rows(cells)
    tall, gap = high / rows, 4.0
    size, wide = min(6.6, tall / 0.48), (_WIDE - gap * (columns - 1)) / columns
    for i, (label, value, is_known) in enumerate(cells):
        x, line = MARGIN + i // rows * (wide + gap), top + i % rows * tall
        page.one_line(label, x, line, wide * 0.52 - 1, size=size, colour=FAINT, least=3.8)
        page.one_line(
            value, x + wide * 0.52, line, wide * 0.48, size=size, bold=is_known, colour=INK if is_known else FAINT,
            least=3.8,
        )  # fmt: skip


def _foot(page: Page, case: ReportCase, summary: Summary, y: float) -> None:
    """What the page cannot tell, and what produced it."""
    top = page.heading("What this cannot tell, and what produced it", MARGIN, y, _WIDE)
    page.block(" ".join(summary.cannot_tell), MARGIN, top, _WIDE, 6.6, size=5.8)
    v = case.explanation.prediction.versions
    made = {
        "Bundle": f"{v.bundle}, weights SHA-256 {v.bundle_sha256}", "Explanation": case.explanation.id,
        "Study SHA-256": "no image" if case.study is None else case.study.sha256, "mmxai": v.mmxai, "torch": v.torch,
        "device": v.device, "seed": str(v.seed), **_classes(case), **case.settings,
    }  # fmt: skip
    text = " · ".join(f"{name}: {value}" for name, value in made.items())
    page.block(text, MARGIN, top + 6.9, _WIDE, HEIGHT - 11.6 - top - 6.9, size=5.4, colour=FAINT)
