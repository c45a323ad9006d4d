"""Kept ratings as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mmxai_core.reader_study.instruments import Instrument
from mmxai_core.reader_study.store import SurveyResponse

_SHORT = {
    "understanding": "Understanding", "confidence": "Confidence", "agree_prediction": "Prediction",
    "agree_region": "Region", "agree_factors": "Factors", "comment": "Comment",
}  # fmt: skip


def ratings_frame(responses: Sequence[SurveyResponse], instrument: Instrument) -> pd.DataFrame:
    """One row a rating, newest first; "no answer" where the reader said so."""
    rows = []
    for r in responses:
        row: dict[str, object] = {
            "Saved (UTC)": r.saved_at.strftime("%Y-%m-%d %H:%M:%S"), "Case": r.about.case_code[:12],
            "Model": f"{r.about.bundle} {r.about.bundle_sha256[:8]}",
            "Shown": f"{r.about.predicted_class} ({100 * r.about.probability:.0f} %)", "Version": r.iteration,
        }  # fmt: skip
        for item in instrument.items:
            answer = r.answer(item.id)
            if answer is None or (answer.state == "no_answer" and item.kind == "text"):
                shown = ""
            elif answer.state == "no_answer":
                shown = "no answer"
            else:
                shown = answer.text if item.kind == "text" else str(answer.value)
            row[_SHORT.get(item.id, item.id)] = shown
        rows.append(row)
    return pd.DataFrame(rows)


def ratings_table(responses: Sequence[SurveyResponse], instrument: Instrument) -> None:
    """Shows the table."""
    st.dataframe(ratings_frame(responses, instrument), hide_index=True, width="stretch", key="ratings")
