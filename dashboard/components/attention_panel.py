"""Audited attention: of each field where it looked, what that was worth, and whether the two agree."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components.charts import chart
from dashboard.components.still import still
from dashboard.messages import markdown_safe
from mmxai_core.explain.audit import told_apart
from mmxai_core.figures.audit import EFFECT_REFERENCE, audit_pictures
from mmxai_core.figures.cross_modal import DENSITY_REFERENCE, image_to_clinical_figure, image_to_clinical_share
from mmxai_core.figures.toward import toward
from mmxai_core.results import AttentionAudit, CrossModal, Explanation
from mmxai_core.types import GreyImage


def audit_order(audit: AttentionAudit) -> list[str]:
    """Fields whose attention its knock-out does not bear out first, then by what the attended places are worth."""
    disagree = dict(zip(audit.fields, audit.disagrees, strict=True))
    worth = dict(zip(audit.fields, (float(v) for v in audit.attended_effect), strict=True))
    return sorted(audit.fields, key=lambda f: (not disagree[f], -worth[f]))


def audit_table(audit: AttentionAudit, cross: CrossModal, labels: Mapping[str, str]) -> pd.DataFrame:
    """One row a field, in the order of `audit_order`."""
    share = image_to_clinical_share(cross)
    rows = []
    for field in audit_order(audit):
        i = audit.fields.index(field)
        rows.append(
            {
                "Field": labels.get(field, field),
                "Borne out": _borne_out(audit, i),
                "Attention and effect": _rank(audit.attention_rank[i]),
                "Relevance and effect": _rank(audit.relevance_rank[i]),
                "Attention and relevance": _rank(audit.between_rank[i]),
                "Attended places hidden": f"{audit.attended_effect[i]:.3f}",
                "Random places hidden": f"{audit.random_effect[i]:.3f}",
                "Share of the image's attention": f"{100 * share[field]:.1f} %" if field in share else "",
            }
        )
    return pd.DataFrame(rows)


def _borne_out(audit: AttentionAudit, i: int) -> str:
    """The mark of the i-th field; where it is not borne out, which check failed, with its number and its bar."""
    rank, hidden, chance = (float(v[i]) for v in (audit.attention_rank, audit.attended_effect, audit.random_effect))
    if not audit.disagrees[i]:
        return "✓ yes"
    if np.isnan(rank):
        return "✗ not tested"
    why = []
    if rank < audit.threshold:
        why.append("order {} below {}".format(*told_apart(rank, audit.threshold, digits=2)))
    if hidden < chance:
        why.append("hiding {} below random {}".format(*told_apart(hidden, chance, digits=3)))
    return f"✗ no: {'; '.join(why)}"


def as_html(table: pd.DataFrame, *, name: str) -> str:
    """A table whose headings and cells break, so that its last column is in sight in a narrow window too.

    Args:
        table: Its first column holds the rows' headings.
        name: What it is, for a screen reader.
    """
    head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>'
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.itertuples(index=False)
    )
    name = html.escape(name, quote=True)
    return f'<table class="mmx-table" aria-label="{name}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _rank(value: float) -> str:
    return "not defined" if np.isnan(value) else f"{value:.2f}"


def attention_panel(explanation: Explanation, grey: GreyImage | None, labels: Mapping[str, str], *, field: str) -> None:
    """Three pictures of one field, the table of all, and how much of the image's attention each gets.

    Args:
        explanation: The explanation, with its audit.
        grey: Display grey of the image explained.
        labels: Label of each field.
        field: The field chosen in the viewer, or "": the first of the table is shown.
    """
    audit, cross, unified = explanation.audit, explanation.cross_modal, explanation.unified
    if cross is None or grey is None:
        st.info(
            "Attention joins image and fields: it needs an image and at least one known field. Open a study and fill "
            "in a field on the Case page, then analyse.",
            icon=":material/info:",
        )
        return
    if audit is None or unified is None:
        st.info("The attention is still being tested; the table and pictures come with that.", icon=":material/info:")
        _shares(cross, labels, field)
        return
    order = audit_order(audit)
    marks = dict(zip(audit.fields, audit.disagrees, strict=True))
    missed = sum(audit.disagrees)
    head, said = st.columns([2, 5], gap="medium", vertical_alignment="bottom")
    with head:
        chosen = st.selectbox(
            "Field", order, index=order.index(field) if field in order else 0,
            key=f"audit-field-{field}-{explanation.id}", persist_state="session",
            format_func=lambda f: f"{'✗' if marks[f] else '✓'} {labels.get(f, f)}",
            help="✗: a check failed; the sentence beside it says which, with its number and its bar.",
        )  # fmt: skip
    verdict = audit.verdicts[audit.fields.index(chosen)]
    with said:
        colour = "orange" if marks[chosen] else "green"
        st.markdown(f":{colour}[{'✗' if marks[chosen] else '✓'} {markdown_safe(verdict)}]")
    attention = cross.clinical_to_image_source[cross.fields.index(chosen)]
    drawn = toward(audit.target_class, explanation)
    pictures = audit_pictures(grey, attention, audit, chosen, unified.source, drawn=drawn)
    name, called = labels.get(chosen, chosen), audit.target_class.replace("_", " ")
    captions = (
        f"**Where it looked** (attention): full colour at {DENSITY_REFERENCE:g} times even.",
        f"**Where that was relevant** (attention x how much it raised {called}): full colour at "
        f"{DENSITY_REFERENCE:g} times even.",
        f"**What hiding it did**: orange speaks for {drawn.name}, blue against; full colour at "
        f"{EFFECT_REFERENCE:g} log-odds.",
    )
    left, right = st.columns([5, 3], gap="medium")
    with left:
        for column, picture, caption in zip(st.columns(3, gap="small"), pictures, captions, strict=True):
            with column:
                still(picture, alt=f"{name}: {caption}")
                st.caption(caption)
        st.markdown(
            f"**All fields** {missed} of {len(order)} not borne out",
            help="Rank correlations over image blocks (Spearman): 1 is the same order. Hidden: change of the log-odds "
            f"when the field cannot see its {audit.removed} most attended blocks, or as many random ones.",
        )
        st.html(as_html(audit_table(audit, cross, labels), name="Audit of every field's attention"))
        st.caption(
            f"{audit.semantics} Borne out: attention and effect have a rank correlation of at least "
            f"{audit.threshold:.2f} (below it, the order is not told from chance), and hiding the attended places does "
            "at least what hiding random ones does."
        )
    with right:
        _shares(cross, labels, chosen)


def _shares(cross: CrossModal, labels: Mapping[str, str], highlight: str) -> None:
    st.markdown("**What the image asks of the fields**")
    chart(
        image_to_clinical_figure(cross, labels, highlight=highlight), key="image-to-clinical",
        alt="Share of the image's attention by field",
    )  # fmt: skip
    st.caption(
        "Mean over the image's summaries; the line spans the least and the most attentive one. "
        "The rest of the attention goes to fields left unknown."
    )
