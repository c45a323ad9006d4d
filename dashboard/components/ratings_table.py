"""Kept ratings as a table: few columns whose cells break, so that nothing runs out of a narrow window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard.messages import markdown_safe
from mmxai_core.reader_study.instruments import Answer, Instrument, Item
from mmxai_core.reader_study.store import SurveyResponse

_SHORT = {
    "understanding": "Understanding", "confidence": "Confidence", "agree_prediction": "Prediction",
    "agree_region": "Region", "agree_factors": "Factors", "comment": "Comment",
}  # fmt: skip
#: More ratings than this scroll in a box of their own.
_MANY = 6


def ratings_rows(
    responses: Sequence[SurveyResponse], instrument: Instrument, codes: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row a rating, newest first: when, of what, and every answer; "no answer" where the reader said so.

    Args:
        responses: What was kept.
        instrument: Its questions.
        codes: The worklist's code of a case by its code in the ratings, which is shown for any other case.
    """
    rows, codes = [], codes or {}
    for r in responses:
        about = r.about
        code = codes.get(about.case_code) or about.case_code[:12]
        said = [words for item in instrument.items if (words := _said(item, r.answer(item.id)))]
        rows.append(
            {
                "Saved (UTC)": r.saved_at.strftime("%Y-%m-%d %H:%M:%S"),
                "Case": f"{code}: {about.predicted_class} ({100 * about.probability:.0f} %), by "
                f"{about.bundle} {about.bundle_sha256[:8]}",
                "Answers": f"{'; '.join(said)} (version {r.iteration})".strip(),
            }
        )
    return pd.DataFrame(rows)


def _said(item: Item, answer: Answer | None) -> str:
    """The answer in words; "" where the question was not asked or no comment was made."""
    name = _SHORT.get(item.id, item.id)
    if answer is None or (item.kind == "text" and (answer.state == "no_answer" or not answer.text)):
        return ""
    if answer.state == "no_answer":
        return f"{name}: no answer"
    return f"{name}: {answer.text if item.kind == 'text' else answer.value}"


def ratings_table(
    responses: Sequence[SurveyResponse], instrument: Instrument, codes: Mapping[str, str] | None = None
) -> None:
    """Shows the table; as `ratings_rows`."""
    rows = ratings_rows(responses, instrument, codes).map(markdown_safe)
    with st.container(height=560 if len(rows) > _MANY else "content", border=False, key="ratings"):
        st.table(rows, border="horizontal", hide_index=True)
