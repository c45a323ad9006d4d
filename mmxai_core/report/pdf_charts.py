"""The waterfall and the attention bars on the page, as vectors."""

from __future__ import annotations

from collections.abc import Mapping

from mmxai_core.figures.account import Step, first_name, say, steps
from mmxai_core.figures.colour import AWAY, TOWARD
from mmxai_core.figures.cross_modal import image_to_clinical_share
from mmxai_core.report.page import FAINT, INK, LEADING, RULE, Page
from mmxai_core.report.wording import class_name, percent
from mmxai_core.results import MAX_RESIDUAL, Attribution, CrossModal

#: Most bars drawn; what is left is drawn as one.
MOST_ROWS = 16
#: Size of the words below a chart, points; most mm for them.
_FOOT_SIZE, _MOST_FOOT = 5.2, 13.0


def chart_rows(account: Attribution, cross: CrossModal | None) -> int:
    """Rows of the longer of the two charts.

    Args:
        account: What the waterfall draws: its bars, and both ends.
        cross: What the attention's bars draw, or None.
    """
    return max(min(len(account.players), MOST_ROWS) + 2, 0 if cross is None else min(len(cross.fields), MOST_ROWS))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _shortened(rows: tuple[Step, ...], most: int) -> tuple[Step, ...]:
    """The largest steps, and the rest as one."""
    if len(rows) <= most:
        return rows
    kept, rest = rows[: most - 1], rows[most - 1 :]
    return (*kept, Step("", f"{len(rest)} smaller ones together", rest[0].start, sum(r.value for r in rest)))


def waterfall(
    page: Page, account: Attribution, labels: Mapping[str, str], target: str, box: tuple[float, float, float, float],
    *, note: str = "",
) -> None:  # fmt: skip
    """The account from its base to this prediction, top to bottom; the reason instead where it must be withheld.

    Args:
        page: The page.
        account: In log-odds or probability.
        labels: What to show by player.
        target: The class explained.
        box: (x, y, width, height) in mm.
        note: What else must be known to read it, one sentence.
    """
    x, y, width, height = box
    if account.withheld:
        page.block(
            f"Withheld: the contributions miss the prediction by {abs(account.residual):.2g}, more than "
            f"{MAX_RESIDUAL:g}. A chart that does not add up would mislead.",
            x, y, width, height, size=7.5,
        )  # fmt: skip
        return
    scale_name = "Log-odds" if account.space == "log_odds" else "Probability"
    foot_text = (
        f"{scale_name} of {class_name(target)}. Solid: toward it; hatched: away. {account.estimator.capitalize()}, "
        f"{account.coalitions:,} combinations; residual {abs(account.residual):.0e}. {note}{' ' if note else ''}"
        f"{account.semantics}"
    )
    foot = _foot(page, foot_text, width)
    rows = _shortened(steps(account, labels), MOST_ROWS)
    tall = min((height - foot) / (len(rows) + 2), 5.0)
    size = min(6.6, tall / 0.5)
    names, left = [first_name(account), *(r.label for r in rows), "This prediction"], 0.44 * width
    span = [account.base_value, account.output, *(v for r in rows for v in (r.start, r.end))]
    low, high = min(span), max(span)
    room = 11.0  # for the numbers at both ends
    scale = (width - left - 2 * room) / max(high - low, 1e-6)

    def at(value: float) -> float:
        return x + left + room + (value - low) * scale

    for i, name in enumerate(names):
        edge = i in (0, len(names) - 1)
        page.one_line(name, x, y + i * tall + (tall - size * 0.43) / 2, left - 1.5, size=size, bold=edge, align="R")
    page.set_line_width(0.15)
    for i, value in enumerate([account.base_value, *(r.end for r in rows)]):
        page.set_draw_color(*RULE)
        page.line(at(value), y + (i + 0.5) * tall, at(value), y + (i + 1.5) * tall)
    for i, row in enumerate(rows, start=1):
        start, end = sorted((at(row.start), at(row.end)))
        _bar(page, start, y + i * tall + 0.16 * tall, end - start, 0.68 * tall, toward=row.value > 0)
        text, top = say(row.value, account.space, sign=True), y + i * tall + (tall - size * 0.43) / 2
        if row.value > 0:
            page.one_line(text, end + 0.8, top, room, size=size)
        else:
            page.one_line(text, start - room - 0.8, top, room, size=size, align="R")
    for i, value in ((0, account.base_value), (len(names) - 1, account.output)):
        page.set_fill_color(*INK)
        page.circle(at(value), y + (i + 0.5) * tall, 0.7, style="F")
        top = y + i * tall + (tall - size * 0.43) / 2
        page.one_line(say(value, account.space), at(value) + 1.2, top, room, size=size, bold=True)
    page.block(foot_text, x, y + len(names) * tall + 0.8, width, foot - 0.8, size=_FOOT_SIZE, colour=FAINT)


def _foot(page: Page, text: str, width: float) -> float:
    """The room for the words below a chart, mm: as many lines as they take, within reason."""
    return min(0.9 + page.rows_of(text, width, size=_FOOT_SIZE) * _FOOT_SIZE * LEADING, _MOST_FOOT)


def _bar(page: Page, x: float, y: float, width: float, height: float, *, toward: bool) -> None:
    """A bar; what points away from the class is hatched, so that direction does not rest on colour."""
    wide, colour = max(width, 0.15), _rgb(TOWARD if toward else AWAY)
    page.set_draw_color(*colour)
    page.set_line_width(0.2)
    if toward:
        page.set_fill_color(*colour)
        page.rect(x, y, wide, height, style="F")
        return
    page.rect(x, y, wide, height)
    with page.rect_clip(x, y, wide, height):
        at = x - height
        while at < x + wide:
            page.line(at, y + height, at + height, y)
            at += 1.0


def attention(
    page: Page, cross: CrossModal | None, labels: Mapping[str, str], box: tuple[float, float, float, float]
) -> None:
    """How the image's attention is shared among the known fields.

    Args:
        page: The page.
        cross: The attention; None without an image or a known field.
        labels: What to show by field id.
        box: (x, y, width, height) in mm.
    """
    x, y, width, height = box
    if cross is None:
        page.block("Cross-modal attention needs an image and at least one known field.", x, y, width, height, size=7)
        return
    shares = sorted(image_to_clinical_share(cross).items(), key=lambda kv: -kv[1])
    rows = [(labels.get(f, f), v) for f, v in shares[:MOST_ROWS]]
    if len(shares) > MOST_ROWS:
        rest = shares[MOST_ROWS - 1 :]
        rows = [*rows[: MOST_ROWS - 1], (f"{len(rest)} smaller ones together", sum(v for _, v in rest))]
    text = f"Mean over the image's summaries; the rest goes to unknown fields. {cross.semantics}"
    foot = _foot(page, text, width)
    tall = min((height - foot) / len(rows), 5.0)
    size, left = min(6.6, tall / 0.5), 0.5 * width
    top = max(max(v for _, v in rows), 1e-6)
    reach = width - left - 10
    for i, (name, value) in enumerate(rows):
        line = y + i * tall + (tall - size * 0.43) / 2
        page.one_line(name, x, line, left - 1.5, size=size, align="R")
        page.set_fill_color(108, 142, 191)
        page.rect(x + left, y + i * tall + 0.16 * tall, max(reach * value / top, 0.15), 0.68 * tall, style="F")
        page.one_line(percent(value), x + left + reach * value / top + 0.8, line, 10, size=size)
    page.block(text, x, y + len(rows) * tall + 0.8, width, foot - 0.8, size=_FOOT_SIZE, colour=FAINT)
