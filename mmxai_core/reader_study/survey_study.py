"""The Survey page as a study: its code, its one arm, and where its answers are kept. Fixed for good: stores hold it.

A rating on the Survey page is the one-reader, one-case special case: its reader and case join the study as the rating
comes in, and one assignment joins the two.
"""

from __future__ import annotations

import hashlib

CODE, TITLE = "survey", "Survey page"
#: The text kept where another study keeps its protocol.
PROTOCOL = '{"format":1,"id":"survey","title":"Survey page","version":1}'
SHA256 = hashlib.sha256(PROTOCOL.encode()).hexdigest()
ARM, ARM_KIND = "survey", "ai_explanation"
#: A rating comes after everything was shown.
KIND, STAGE, PERIOD = "ratings", "explanation", 1


def slot(assignment: int, instrument: str, explanation_id: str) -> str:
    """Where a rating is kept: each explanation of a case is rated on its own."""
    return f"survey/{assignment}/{instrument}/{explanation_id}"
