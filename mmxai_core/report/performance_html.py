"""Results as HTML: a table for page and report alike, and the report as one file that needs nothing else."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from typing import assert_never

from mmxai_core.figures.performance_parts import (
    Block,
    Cell,
    Curves,
    Forest,
    Number,
    Section,
    Table,
    chart_words,
    interval_text,
    value_text,
)
from mmxai_core.figures.performance_print import chart_file
from mmxai_core.report.wording import RESEARCH_USE
from mmxai_core.results.typography import unbroken

#: Style of the tables; the report and the page both use it. Colours come from the text, so that both themes do.
TABLE_CSS = """
.mmx-scroll { overflow-x: auto; margin: 0.2rem 0 0.5rem; }
.mmx-table { border-collapse: collapse; width: 100%; font-size: 0.87rem; font-variant-numeric: tabular-nums; }
.mmx-table :is(th, td) {
  text-align: left; vertical-align: top; padding: 0.3rem 0.55rem; border-bottom: 1px solid #8885;
}
.mmx-table td { max-width: 40rem; overflow-wrap: break-word; }
.mmx-table thead th { vertical-align: bottom; font-size: 0.82rem; border-bottom: 1px solid #888a; }
.mmx-table tbody th { font-weight: 600; min-width: 7.5rem; }
.mmx-table td.num { white-space: nowrap; }
.mmx-table td.num small { display: block; font-size: 0.8rem; opacity: 0.85; }
.mmx-table td.none { font-style: italic; opacity: 0.85; }
.mmx-table td.text { min-width: 5rem; }
.mmx-table td.long { min-width: 14rem; }
.mmx-said { font-size: 0.82rem; opacity: 0.88; margin: 0.15rem 0; }
.mmx-partial { font-weight: 600; }
"""
#: From this many letters on, a cell is given room.
_LONG = 40
_PAGE_CSS = """
body { font: 15px/1.45 "DejaVu Sans", system-ui, sans-serif; color: #17212b; background: #fff; margin: 2rem auto 4rem;
  max-width: 70rem; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #c5d0d8; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.2rem; } img { max-width: 100%; }
.use { background: #ffe9b3; border: 1px solid #a87400; font-weight: 600; text-align: center; padding: 0.3rem; }
.use.foot { position: fixed; inset: auto 0 0 0; } @media print { .use.foot { position: static; } }
"""


def _cell(cell: Cell) -> str:
    if isinstance(cell, Number):
        if cell.value is None:
            return f'<td class="none">{html.escape(cell.why)}</td>'
        interval, mark = interval_text(cell), " †" if cell.beside_its_interval else ""
        small = f"<small>{html.escape(interval)}</small>" if interval else ""
        return f'<td class="num">{html.escape(value_text(cell))}{mark}{small}</td>'
    text = f"{cell:,}" if isinstance(cell, int) else cell
    # a figure and its interval that come as one text are set as two lines, like the others
    if found := re.fullmatch(r"(-?\d[\d.,]*(?: †)?) \((-?\d[\d.,]* to -?\d[\d.,]*)\)", text):
        return f'<td class="num">{found[1]}<small>{found[2]}</small></td>'
    return f'<td class="{"long" if len(text) > _LONG else "text"}">{html.escape(text)}</td>'


def table_html(table: Table) -> str:
    """A table with its status, notes and source; numbers stand above their intervals.

    Args:
        table: What to show; its title is left to the caller.
    """
    head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in table.columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>{"".join(_cell(c) for c in row[1:])}</tr>'
        for row in table.rows
    )  # fmt: skip
    notes = "".join(f'<p class="mmx-said">{html.escape(n)}</p>' for n in table.notes)
    return (
        f'<div class="mmx-scroll" tabindex="0" role="region" aria-label="{html.escape(table.title)}">'
        f'<table class="mmx-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{notes}{said_html(table.source, table.status)}"
    )


def said_html(source: str, status: str) -> str:
    """Status and source, as they stand below every table and chart; "" where there is neither."""
    if not (source or status):
        return ""
    shown = f'<span class="mmx-partial">{html.escape(status.capitalize())}.</span> ' if status else ""
    return f'<p class="mmx-said">{shown}{html.escape(source)}</p>'


def _block(block: Block) -> str:
    title = f"<h3>{html.escape(block.title)}</h3>"
    if isinstance(block, Table):
        return title + table_html(block)
    if isinstance(block, Forest | Curves):
        picture = base64.b64encode(chart_file(block, banner=RESEARCH_USE, kind="svg")).decode()
        missing = f'<p class="mmx-said">{html.escape(block.missing)}</p>' if isinstance(block, Curves) else ""
        return (
            f'{title}<img src="data:image/svg+xml;base64,{picture}" alt="{html.escape(chart_words(block))}">'
            f"{missing}{said_html(block.source, block.status)}"
        )
    assert_never(block)


def report_html(title: str, facts: Sequence[str], sections: Sequence[Section]) -> bytes:
    """The report as one file, pictures inside, no script, nothing loaded from elsewhere.

    Args:
        title: Of the document.
        facts: Lines below the title: bundle, versions.
        sections: What to report.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", *(f'<p class="mmx-said">{html.escape(f)}</p>' for f in facts)]
    for s in sections:
        parts.append(f'<section id="{html.escape(s.id)}"><h2>{html.escape(s.title)}</h2>')
        parts += [f"<p>{html.escape(line)}</p>" for line in s.lines]
        parts += [_block(b) for b in s.blocks]
        parts.append("</section>")
    use = html.escape(RESEARCH_USE)
    return unbroken(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_PAGE_CSS}{TABLE_CSS}</style></head><body>'
        f'<p class="use" role="note">{use}</p>{"".join(parts)}<p class="use foot">{use}</p></body></html>\n'
    ).encode()
