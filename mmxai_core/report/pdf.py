"""The report of one case: one A4 page of vector text and embedded pictures, the same bytes for the same inputs."""

from __future__ import annotations

import math

from mmxai_core.report.case import ReportCase
from mmxai_core.report.checks import checks
from mmxai_core.report.page import FAINT, HEIGHT, INK, LEADING, MARGIN, RULE, WIDTH, Page
from mmxai_core.report.pdf_charts import attention, chart_rows, waterfall
from mmxai_core.report.pdf_picture import highest, pictures
from mmxai_core.report.summary import Summary, summarise
from mmxai_core.report.wording import measured_against, percent, verdict
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
_ROW, _LOOSE, _WORDS, _CHARTS = 4.2, 5.0, 12.0, 58.0


def report_pdf(case: ReportCase) -> bytes:
    """The report as PDF; always one page.

    Args:
        case: What to report.
    """
    page = Page(title="MMXAI explanation report", made_at=case.analysed_at)
    summary = summarise(case.explanation, case.labels)
    _header(page, case)
    below, lower = _result(page, case, 20.5), _WARNED if case.warnings else 0.0
    below = _summary(page, summary, min(below + 1.5, 39.0 + lower))
    # What tables and words leave free goes to the evidence, and there to the pictures.
    values = _FOOT - _HEADING - _rows(_cells(case))[1] - 1.2
    strip = values - _HEADING - _strip_tall(case)
    _evidence(page, case, min(below + 2.5, 67.5 + lower), end=strip - 1.5)
    _strip(page, case, strip)
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
    below, rows = top, chart_rows(explanation.attribution, explanation.cross_modal)
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
    page.one_line("What each input contributed", MARGIN, below, left, size=7, bold=True)
    waterfall(page, explanation.attribution, case.labels, explanation.target_class, (MARGIN, below + 4, left, tall))
    right = _WIDE - left - gap
    page.one_line("What the image asks of the fields", MARGIN + left + gap, below, right, size=7, bold=True)
    labels = {f.id: f.label for f in case.schema.fields}
    attention(page, explanation.cross_modal, labels, (MARGIN + left + gap, below + 4, right, tall))


def _strip_tall(case: ReportCase) -> float:
    """The height of the strip's rows with their head, mm."""
    made = len(checks(case.explanation))
    return min(3.5 * (made + 1), 43.0) if made else 4.0


def _strip(page: Page, case: ReportCase, y: float) -> None:
    """The reliability strip with thresholds and verdicts."""
    top = page.heading("How far the evidence can be trusted", MARGIN, y, _WIDE)
    made = checks(case.explanation)
    if not made:
        page.one_line("No reliability number was computed.", MARGIN, top, _WIDE, size=7)
        return
    tall = _strip_tall(case) / (len(made) + 1)
    size = min(6.2, tall / 0.48)
    columns = ((0.0, 56.0), (57.0, 12.0), (70.0, 14.0), (86.0, 16.0), (103.0, _WIDE - 103.0))
    names_at = page.common_size((c.number.name for c in made), columns[0][1], size=size)
    words_at = page.common_size((c.number.verdict for c in made), columns[4][1], size=size)
    for (at, width), name in zip(columns, ("Check", "Value", "Needs", "Verdict", "In words"), strict=True):
        align = "R" if name in ("Value", "Needs") else "L"
        page.one_line(name, MARGIN + at, top, width, size=size, bold=True, align=align)
    for i, check in enumerate(made, start=1):
        number, line = check.number, top + i * tall
        value = "" if number.value is None else _figure(number.value)
        bar = (
            "" if number.threshold is None else f"{'≥' if number.higher_is_better else '≤'} {_figure(number.threshold)}"
        )
        mark = {True: "✓ ", False: "✗ ", None: ""}[check.passed]
        cells = (number.name, value, bar, mark + check.word, number.verdict)
        page.set_draw_color(*RULE)
        page.set_line_width(0.1)
        page.line(MARGIN, line - 0.25, MARGIN + _WIDE, line - 0.25)
        for j, ((at, width), text) in enumerate(zip(columns, cells, strict=True)):
            bold, colour = j == 3 and check.passed is False, _WRONG if j == 3 and check.passed is False else INK
            align, fit = "R" if j in (1, 2) else "L", {0: names_at, 4: words_at}.get(j, size)
            lower = line + 0.4 * LEADING * (size - fit)
            page.one_line(text, MARGIN + at, lower, width, size=fit, bold=bold, colour=colour, align=align, least=4.2)


def _figure(value: float) -> str:
    """Two decimals, or two digits of a number too small for them."""
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1g}"


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
        "device": v.device, "seed": str(v.seed), **case.settings,
    }  # fmt: skip
    text = " · ".join(f"{name}: {value}" for name, value in made.items())
    page.block(text, MARGIN, top + 6.9, _WIDE, HEIGHT - 11.6 - top - 6.9, size=5.4, colour=FAINT)
